"""No answer holds up the event loop or fills the memory: what is large is counted first, and decoded beside it."""

import asyncio
import json
import threading
import tracemalloc
from typing import Any

import pytest

from openlane_authentik.authentik import decoding
from openlane_authentik.authentik.decoding import LOOP_BYTES, MOST_CONTAINERS, Rows, decode_json, page_of, whole
from openlane_authentik.authentik.pages import user_pk
from openlane_authentik.errors import AnswerTooLargeError, BrokenAnswerError, IntegrationError, NotAuthentikError


def _page(rows: bytes, count: int = 3, after: int = 0, total: int = 1) -> bytes:
    told = f'{{"pagination":{{"next":{after},"previous":0,"count":{count},"total_pages":{total}}},"results":['
    return told.encode() + rows + b'],"autocomplete":{}}'


def _decode(body: bytes, size: int = 100) -> Rows:
    return asyncio.run(page_of(size).of(body, "core/users/"))


def _as_it_is(data: Any) -> Any:
    return data


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, int]]:
    """What every decoder was given: whether on the thread of the event loop, and how many bytes."""
    seen: list[tuple[bool, int]] = []
    here = threading.current_thread()

    class Watched:
        def __init__(self, decode: Any) -> None:
            self._decode = decode

        def decode(self, data: Any) -> Any:
            seen.append((threading.current_thread() is here, len(data)))
            return self._decode(data)

    pages = decoding.page_decoder
    monkeypatch.setattr(decoding, "decode_any", Watched(decoding.decode_any).decode)
    monkeypatch.setattr(decoding, "decode_row", Watched(decoding.decode_row).decode)
    monkeypatch.setattr(decoding, "page_decoder", lambda size: Watched(pages(size).decode))
    return seen


@pytest.mark.parametrize("row_bytes", [2, 2_000, 30_000, 300_000])
@pytest.mark.parametrize("rows", [0, 1, 20, 40])
def test_no_decode_on_the_event_loop_is_given_more_than_its_bound(
    rows: int, row_bytes: int, decoded: list[tuple[bool, int]]
) -> None:
    """Of a page that is larger nothing is decoded on the loop; beside it, row by row."""
    row = json.dumps({"x": "y" * row_bytes} if row_bytes > 2 else {}).encode()
    body = _page(b",".join([row] * rows))
    assert _decode(body).rows == [json.loads(row)] * rows
    assert decoded
    assert all(size <= LOOP_BYTES for on_loop, size in decoded if on_loop)
    assert any(on_loop for on_loop, _ in decoded) is (len(body) <= LOOP_BYTES)
    assert sorted(size for _, size in decoded)[:-1] == [len(row)] * rows


def test_no_single_answer_is_decoded_on_the_event_loop_above_its_bound(decoded: list[tuple[bool, int]]) -> None:
    """The same holds for what is no page."""
    for length in (10, LOOP_BYTES - 2, LOOP_BYTES, 3 * LOOP_BYTES):
        asyncio.run(whole(_as_it_is).of(json.dumps("x" * length).encode(), "core/users/7/"))
    assert [on_loop for on_loop, _ in decoded] == [True, True, False, False]


@pytest.mark.parametrize("size", [1, 2, 10, 100, 1000])
def test_more_rows_than_asked_for_are_refused_before_any_is_decoded(size: int, decoded: list[tuple[bool, int]]) -> None:
    """As many as asked for are a page, one more is none; fewer are none that the count tells otherwise."""
    rows = b",".join([b'{"pk":1}'] * (size + 1))
    with pytest.raises(NotAuthentikError):
        _decode(_page(rows, count=size + 1, total=2), size)
    assert len(decoded) == 1
    assert len(_decode(_page(rows.removesuffix(b',{"pk":1}'), count=size), size).rows) == size


@pytest.mark.parametrize("row", [b"{}", b"[]", b"1", b'""', b"null"])
def test_a_flood_of_rows_takes_no_memory(row: bytes) -> None:
    """Millions of small rows are refused at the first too many, whatever they are."""
    body = _page(b",".join([row] * 4_000_000), count=4_000_000, total=40_000)
    tracemalloc.start()
    try:
        with pytest.raises(IntegrationError) as caught:
            _decode(body)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.code in {"not_authentik", "answer_too_large"}


@pytest.mark.parametrize("value", [b"{}", b"[]", b"[[[[]]]]", b'{"a":{"a":{}}}'])
def test_a_record_of_many_small_objects_takes_no_memory(value: bytes) -> None:
    """A row, or a single answer, with more objects and lists than any record has is refused before it is decoded."""
    row = b'{"attributes":{"x":[' + b",".join([value] * (MOST_CONTAINERS + 1)) + b"]}}"
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLargeError):
            _decode(_page(row, count=1))
        with pytest.raises(AnswerTooLargeError):
            asyncio.run(whole(_as_it_is).of(row, "core/users/7/"))
        assert tracemalloc.get_traced_memory()[1] < 4 * len(row)
    finally:
        tracemalloc.stop()


def test_large_records_of_real_directories_pass() -> None:
    """A user with a megabyte of attributes, a group with a million members, and pages of some of them."""
    attributes = {"photo": "x" * 700_000, "rights": [{"name": f"right {n}", "on": True} for n in range(10_000)]}
    users = [json.dumps({"pk": pk, "attributes": attributes}).encode() for pk in range(10)]
    assert len(_decode(_page(b",".join(users), count=10), 10).rows) == 10
    group = json.dumps({"pk": "x", "users": list(range(1_000_000))}).encode()
    assert len(_decode(_page(group, count=1), 10).rows[0]["users"]) == 1_000_000
    groups = [json.dumps({"pk": str(number), "users": list(range(5_000))}).encode() for number in range(100)]
    assert len(_decode(_page(b",".join(groups), count=100)).rows) == 100


_NATURAL = ["-1", "1.0", "1e3", "true", "null", '"1"', "[]", "{}", str(2**63), str(10**30), "1" * 5000]


@pytest.mark.parametrize("field", ["next", "count", "total_pages"])
@pytest.mark.parametrize("value", _NATURAL)
def test_the_numbers_of_a_page_are_whole_and_can_be(field: str, value: str) -> None:
    """What is no natural number, or fits no list, is no page."""
    body = _page(b"{},{},{}").replace(
        f'"{field}":{ {"next": 0, "count": 3, "total_pages": 1}[field] }'.encode(), f'"{field}":{value}'.encode()
    )
    assert value.encode() in body
    with pytest.raises(IntegrationError) as caught:
        _decode(body)
    assert caught.value.code in {"not_authentik", "broken_answer"}


@pytest.mark.parametrize(
    ("count", "after", "total", "size"),
    [(0, 0, 0, 10), (0, 0, 2, 10), (11, 2, 1, 10), (30, 2, 2, 10), (3, 0, 4, 10), (10**9, 2, 10**6, 100)],
)
def test_the_numbers_of_a_page_fit_each_other(count: int, after: int, total: int, size: int) -> None:
    """A list has as many pages as its rows fill, of at most the size asked for, and none beyond the last."""
    with pytest.raises(NotAuthentikError):
        _decode(_page(b"", count, after, total), size)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xef\xbb\xbf" + _page(b""),
        _page(b"").decode().encode("utf-16"),
        _page(b"").decode().encode("utf-16-be"),
        _page(b"") + b"\x00",
        _page(b'{"a":"\x00"}'),
        _page(b'{"a":"\xff"}'),
        _page(b'{"a":"\\ud800"}'),
        _page(b'{"a":1e999}'),
        _page(b'{"a":' + b"1" * 5000 + b"}"),
        _page(b"[" * 5000 + b"]" * 5000),
        _page(b'{"a":' * 5000 + b"1" + b"}" * 5000),
        _page(b"{},"),
        _page(b"{}") * 2,
    ],
)
def test_what_is_no_json_is_broken(body: bytes) -> None:
    """A byte order mark, another encoding, a NUL, numbers nobody can hold, endless nesting: an error with a name."""
    for reading in (page_of(100), whole(_as_it_is)):
        with pytest.raises((BrokenAnswerError, NotAuthentikError)):
            asyncio.run(reading.of(body, "core/users/"))


@pytest.mark.parametrize("row", [b"1", b"null", b'"x"', b"[]", b"true", b"[{}]"])
def test_a_row_is_an_object(row: bytes) -> None:
    """A page of anything else is none."""
    with pytest.raises(NotAuthentikError):
        _decode(_page(b"{}," + row))


def test_names_that_come_twice_are_bounded_too() -> None:
    """Of a name that comes twice the last counts, and its rows are as limited as if it were alone."""
    twice = _page(b"{}").replace(b'"results":', b'"results":[{"a":1}],"results":')
    assert _decode(twice).rows == [{}]
    with pytest.raises(NotAuthentikError):
        _decode(_page(b"{}").replace(b'"results":', b'"results":[{},{},{}],"results":'), 2)


@pytest.mark.parametrize("pk", [0, 1, -1, 2**31, 2**63 - 1, -(2**63)])
def test_a_users_key_is_an_integer_of_64_bits(pk: int) -> None:
    """As authentik's are."""
    assert user_pk({"pk": pk}) == pk


@pytest.mark.parametrize("pk", [True, False, 1.0, "1", None, 2**63, -(2**63) - 1, 10**30, [], {}])
def test_anything_else_is_no_key_of_a_user(pk: object) -> None:
    """Not even what equals one."""
    assert user_pk({"pk": pk}) is None
    assert user_pk({}) is None


@pytest.mark.parametrize("broken", [b'{"name":"Ja\xffne Doe"}', b'{"name":"Jane Doe', b"\xef\xbb\xbf{}"])
def test_no_error_keeps_the_text_it_could_not_read(broken: bytes) -> None:
    """Neither the error of an answer that is no JSON nor anything it came from holds a part of that answer."""
    with pytest.raises(BrokenAnswerError) as caught:
        asyncio.run(whole(_as_it_is).of(broken, "core/users/me/"))
    step: BaseException | None = caught.value
    while step is not None:
        assert "Doe" not in f"{step!r} {step.args}"
        assert not hasattr(step, "object")
        step = step.__cause__ or step.__context__


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_json_may_be_nested_500_levels_deep_and_no_deeper(opening: bytes, closing: bytes) -> None:
    """The same with every Python, whose own limits differ: of a row, of a whole answer and of a small piece."""
    levels = opening.count(b"[") + opening.count(b"{")

    def nested(depth: int) -> bytes:
        return opening * (depth // levels) + b"1" + closing * (depth // levels)

    # A row is a level of its own, as is what holds it in a whole answer.
    row = asyncio.run(page_of(100).of(_page(b'{"a":' + nested(498) + b"}"), "core/users/")).rows[0]
    assert row["a"]
    for reading, body in (
        (page_of(100), _page(b'{"a":' + nested(502) + b"}")),
        (whole(_as_it_is), nested(502)),
    ):
        with pytest.raises(BrokenAnswerError):
            asyncio.run(reading.of(body, "core/users/"))
    with pytest.raises(BrokenAnswerError):
        decode_json(nested(502), "root/config/")
    assert asyncio.run(whole(_as_it_is).of(nested(500), "core/users/"))
