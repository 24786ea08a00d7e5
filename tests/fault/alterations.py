"""More than 100 ways in which an answer can be other than authentik gives it, each made of the true answer.

They are of its status, its headers, its encoding, its length, the type of each of its fields, and the order and
repetition of its rows. Some are lies that nobody could tell from the truth, such as one user's key in place of
another's; those are left out.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final

from openlane_authentik.testing import Fault
from openlane_authentik.testing.answers import HTML, JSON, Answer
from openlane_authentik.testing.faults import Outcome

_STATUSES: Final = (
    *(200, 201, 202, 203, 204, 205, 206, 207, 226, 299),
    *(300, 301, 302, 303, 304, 305, 307, 308),
    *(
        400,
        401,
        402,
        403,
        404,
        405,
        406,
        407,
        408,
        409,
        410,
        411,
        412,
        413,
        414,
        418,
        421,
        422,
        423,
        425,
        426,
        429,
        451,
    ),
    *(500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 599),
)
_DATES: Final = (
    *(
        "yesterday",
        "",
        "Sun, 01 Mar 99999 12:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Sun, 01 Mar 2026 12:00:00",
    ),
    *("Mon, 01 Jan 1900 00:00:00 GMT", "Sun, 99 Mar 2026 12:00:00 GMT", "0", "-1", "1e400"),
)
_WAITS: Final = ("9" * 400, "-5", "inf", "nan", "1.5", "1e9", "", "0x10", "Sun, 01 Mar 99999 12:00:00 GMT")
_TYPES: Final = (
    "",
    "text/html",
    "text/plain",
    "application/problem+json",
    "application/json; charset=utf-16",
    "json",
    ";",
)
_CODINGS: Final = ("br", "zstd", "gzip", "deflate", "gzip, br", "compress", "\t", "identity", "none")
_LOCATIONS: Final = ("", "/", "//", "http://[", "https://elsewhere.example.test:99999/", "javascript:0", "\t")
_VALUES: Final[tuple[Any, ...]] = (None, True, 1.5, -1, 2**31, 2**63, 10**30, "", "x", "\x00", [], [None], {})
# A user has 20 fields, and its page 10 more.
_FIELDS: Final = 30
# A key that could be another's, and a number that could be another's, are lies that only a second look can tell.
_LIES: Final = {"uid": str, "pk": str | int, "username": str, "uuid": str, "num_pk": int}

Alter = Callable[[Answer], Answer]


def alterations() -> dict[str, Fault]:
    """Return every alteration by a name that says what it does."""
    return {name: _fault(name, alter) for name, alter in _all()}


def _fault(name: str, alter: Alter) -> Fault:
    return Fault(name, lambda answer: Outcome(alter(answer)))


def _all() -> Iterator[tuple[str, Alter]]:
    yield from _of_status()
    yield from _of_headers()
    yield from _of_encoding()
    yield from _of_length()
    yield from _of_fields()
    yield from _of_order()


def _of_status() -> Iterator[tuple[str, Alter]]:
    for status in _STATUSES:
        yield f"status {status}", partial(replace, status=status)
        yield f"status {status}, a page", partial(_instead, Answer(status, b"<html></html>", HTML))
        yield f"status {status}, a list", partial(_instead, Answer(status, b"[]", JSON))


def _of_headers() -> Iterator[tuple[str, Alter]]:
    for date in _DATES:
        yield f"date {date!r}", partial(_with, name="date", text=date)
    for wait in _WAITS:
        for status in (429, 503):
            told = Answer(status, b"", HTML, extra={"retry-after": wait})
            yield f"{status}, retry after {wait[:40]!r}", partial(_instead, told)
    for kind in _TYPES:
        yield f"type {kind!r}", partial(replace, content_type=kind)
    for coding in _CODINGS:
        yield f"coding {coding!r}", partial(_with, name="content-encoding", text=coding)
    for place in _LOCATIONS:
        yield f"to {place!r}", partial(_instead, Answer(302, b"", HTML, extra={"location": place}))


def _of_encoding() -> Iterator[tuple[str, Alter]]:
    for name in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"):
        yield f"in {name}", partial(_recoded, name=name)
    yield "not UTF-8", lambda answer: _body(answer, answer.body.replace(b'":', b'\xff":', 3))
    yield "a lone surrogate", lambda answer: _body(answer, answer.body.replace(b'":', b'\\ud800":', 3))
    yield "a NUL after it", lambda answer: _body(answer, answer.body + b"\x00")
    yield "a NUL within", lambda answer: _body(answer, answer.body.replace(b":", b":\x00", 1))
    yield "single quotes", lambda answer: _body(answer, answer.body.replace(b'"', b"'"))
    yield "gzip", lambda answer: _with(_body(answer, gzip.compress(answer.body)), "content-encoding", "gzip")
    yield "zlib", lambda answer: _with(_body(answer, zlib.compress(answer.body)), "content-encoding", "deflate")
    yield "gzip, unsaid", lambda answer: _body(answer, gzip.compress(answer.body))
    yield (
        "gzip of gzip",
        lambda answer: _with(_body(answer, gzip.compress(gzip.compress(answer.body))), "content-encoding", "gzip"),
    )
    for share in (0.01, 0.5, 0.99):
        yield (
            f"{share:.0%} of gzip",
            partial(_cut_gzip, share=share),
        )


_GZIP: Final = ("content-encoding", "gzip")


def _of_length() -> Iterator[tuple[str, Alter]]:
    for share in (0.0, 0.01, 0.5, 0.99):
        yield f"{share:.0%} of it", partial(_cut, share=share)
    yield "without its last byte", lambda answer: _body(answer, answer.body[:-1])
    yield "without its first byte", lambda answer: _body(answer, answer.body[1:])
    yield "twice", lambda answer: _body(answer, answer.body * 2)
    yield "a line more", lambda answer: _body(answer, answer.body + b"\n{}")
    yield "blanks around", lambda answer: _body(answer, b" " * 300_000 + answer.body + b"\n" * 300_000)
    yield "too many blanks", lambda answer: _body(answer, answer.body + b" " * (30 << 20))
    yield "small, and opens to much", lambda answer: _with(_body(answer, _MUCH), *_GZIP)
    yield "nested deeply", lambda answer: _body(answer, b'{"results":' + b"[" * 5000 + b"]" * 5000 + b"}")


_MUCH: Final = gzip.compress(b'{"pagination":{"next":0,"count":1,"total_pages":1},"results":[' + b"{}," * (20 << 20), 1)


def _of_fields() -> Iterator[tuple[str, Alter]]:
    for value in _VALUES:
        yield f"is {_short(value)}", partial(_instead, Answer(200, json.dumps(value).encode(), JSON))
        yield f"a field is {_short(value)}", partial(_field, nth=0, value=value)
        for nth in range(1, _FIELDS):
            yield f"field {nth} is {_short(value)}", partial(_field, nth=nth, value=value)
    for nth in range(_FIELDS):
        yield f"field {nth} is missing", partial(_field, nth=nth, value=_MISSING)


def _of_order() -> Iterator[tuple[str, Alter]]:
    orders: dict[str, Callable[[list[Any]], list[Any]]] = {
        "rows reversed": lambda rows: rows[::-1],
        "rows rotated": lambda rows: rows[1:] + rows[:1],
        "the last row first": lambda rows: rows[-1:] + rows[:-1],
        "a row again": lambda rows: rows[:1] + rows[:-1],
        "a row too many": lambda rows: rows + rows[:1],
        "every row the same": lambda rows: rows[:1] * len(rows),
        "all rows again": lambda rows: rows * 2,
        "a thousand times the rows": lambda rows: rows * 1000,
        "without a row": lambda rows: rows[1:],
        "without rows": lambda _: [],
        "a row that is null": lambda rows: [*rows[1:], None],
        "a row that is a list": lambda rows: [*rows[1:], []],
        "a row that is empty": lambda rows: [*rows[1:], {}],
    }
    for name, order in orders.items():
        yield name, partial(_rows, order=order)
    yield "every name twice", lambda answer: _body(answer, answer.body[:-1] + b"," + answer.body[1:])
    yield (
        "results twice",
        lambda answer: _body(answer, answer.body.replace(b'"results":', b'"results":[],"results":', 1)),
    )


class _Missing:
    """In place of a value: the field is left out."""


_MISSING: Final = _Missing()


def _instead(told: Answer, _answer: Answer) -> Answer:
    return told


def _recoded(answer: Answer, name: str) -> Answer:
    return _body(answer, answer.body.decode().encode(name))


def _cut_gzip(answer: Answer, share: float) -> Answer:
    return _with(_cut(_body(answer, gzip.compress(answer.body)), share), *_GZIP)


def _with(answer: Answer, name: str, text: str) -> Answer:
    return replace(answer, extra={**answer.extra, name: text})


def _body(answer: Answer, body: bytes) -> Answer:
    return replace(answer, body=body)


def _cut(answer: Answer, share: float) -> Answer:
    return _body(answer, answer.body[: int(len(answer.body) * share)])


def _short(value: Any) -> str:
    return json.dumps(value)[:24]


def _rows(answer: Answer, order: Callable[[list[Any]], list[Any]]) -> Answer:
    told = json.loads(answer.body)
    if not isinstance(told, dict) or not isinstance(told.get("results"), list) or not told["results"]:
        return answer
    return _body(answer, json.dumps({**told, "results": order(told["results"])}).encode())


def _field(answer: Answer, nth: int, value: Any) -> Answer:
    """Change one field: of the answer itself, of its pagination, of the account, or of the middle of its rows."""
    told = json.loads(answer.body)
    places = [*_places(told)]
    if not places:
        return answer
    owner, name = places[nth % len(places)]
    if isinstance(value, _Missing):
        del owner[name]
    elif name in _LIES and isinstance(value, _LIES[name]) and _could_be_a_key(value):
        return answer
    else:
        owner[name] = value
    return _body(answer, json.dumps(told).encode())


def _could_be_a_key(value: Any) -> bool:
    """Whether a value is one that a key might have, so that it would be a lie and no fault."""
    return isinstance(value, str) or (type(value) is int and -(2**63) <= value < 2**63)


def _places(told: Any) -> Iterator[tuple[dict[str, Any], str]]:
    if not isinstance(told, dict):
        return
    owners = [told, told.get("pagination"), told.get("user")]
    rows = told.get("results")
    if isinstance(rows, list) and rows:
        owners.append(rows[len(rows) // 2])
    for owner in owners:
        if isinstance(owner, dict):
            yield from ((owner, name) for name in owner)
