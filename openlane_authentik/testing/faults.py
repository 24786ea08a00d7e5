"""Faults on a schedule: what proxies, networks and broken servers do to an answer on its way."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import msgspec

from openlane_authentik.testing.answers import HTML, JSON, Answer, html_answer, json_answer
from openlane_authentik.testing.reading import Parameters

_MEBIBYTE: Final = 1 << 20
_FIRST_SERVER_ERROR: Final = 500
_DATE_FILTERS: Final = tuple(
    f"{name}{suffix}"
    for name in ("date_joined", "last_updated", "last_login")
    for suffix in ("", "__gt", "__lt", "__isnull")
)


class Wire(StrEnum):
    """What the connection does with an answer: send it whole, cut it short, or break before a byte of it.

    ``RESET`` breaks hard (a TCP reset), ``DROPPED`` closes politely without an answer.
    """

    WHOLE = "whole"
    CUT = "cut"
    RESET = "reset"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, how it travels, and how long it takes before it does.

    Attributes:
        answer: What is sent.
        wire: How the connection treats it.
        sent: Bytes of the body that are sent when it is cut.
        delay: Seconds before the first byte.
        work: Seconds of a worker's time before that.
    """

    answer: Answer
    wire: Wire = Wire.WHOLE
    sent: int = 0
    delay: float = 0.0
    work: float = 0.0


def _unchanged(parameters: Parameters) -> Parameters:
    return parameters


@dataclass(frozen=True, slots=True)
class Fault:
    """One way for a request to go wrong; made by the class methods, put on a schedule by ``FakeAuthentik.inject``."""

    kind: str
    apply: Callable[[Answer], Outcome] = field(repr=False)
    ask: Callable[[Parameters], Parameters] = field(default=_unchanged, repr=False)

    @classmethod
    def status(
        cls,
        status: int,
        *,
        retry_after: int | datetime | None = None,
        body: str | None = None,
        html: bool | None = None,
    ) -> "Fault":
        """Answer with a status.

        Args:
            status: As 401, 403, 404, 429, 500, 502, 503, 504.
            retry_after: Seconds, or an instant sent as an HTTP date.
            body: The body instead of the usual one.
            html: A page instead of JSON; by default for 500 and above, as from a proxy.
        """
        page = status >= _FIRST_SERVER_ERROR if html is None else html
        answer = html_answer(status, f"{status} from a proxy")
        if not page:
            answer = json_answer({"detail": f"Answered with {status}."}, status)
        if body is not None:
            answer = Answer(status, body.encode(), HTML if page else JSON)
        if retry_after is not None:
            answer = replace(answer, extra={"retry-after": _retry_after(retry_after)})
        return cls(f"status {status}", lambda _: Outcome(answer))

    @classmethod
    def html(cls) -> "Fault":
        """A 200 that is a page: a login form of a proxy, a single-page app."""
        answer = html_answer(200, "Please log in")
        return cls("html 200", lambda _: Outcome(answer))

    @classmethod
    def cut_body(cls, share: float = 0.5) -> "Fault":
        """Send a share of the body, then close, though ``Content-Length`` promised all of it."""
        return cls("cut body", lambda answer: Outcome(answer, Wire.CUT, sent=int(len(answer.body) * share)))

    @classmethod
    def truncated_json(cls, share: float = 0.5) -> "Fault":
        """A complete response whose body is the first share of the JSON."""
        return cls(
            "truncated JSON",
            lambda answer: Outcome(replace(answer, body=answer.body[: int(len(answer.body) * share)])),
        )

    @classmethod
    def reset(cls) -> "Fault":
        """Reset the connection before any byte."""
        return cls("reset", lambda answer: Outcome(answer, Wire.RESET))

    @classmethod
    def dropped(cls) -> "Fault":
        """Close the connection before any byte."""
        return cls("dropped", lambda answer: Outcome(answer, Wire.DROPPED))

    @classmethod
    def slow(cls, seconds: float) -> "Fault":
        """Answer, but so many seconds late, by the fake's own ``sleep``."""
        return cls("slow", lambda answer: Outcome(answer, delay=seconds))

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> "Fault":
        """Send elsewhere."""
        answer = replace(html_answer(status, "Found"), extra={"location": location})
        return cls("redirect", lambda _: Outcome(answer))

    @classmethod
    def wrong_json(cls, value: Any = None) -> "Fault":
        """Valid JSON that is no page; by default ``{"message": ...}``."""
        answer = json_answer({"message": "not what you think"} if value is None else value)
        return cls("wrong JSON", lambda _: Outcome(answer))

    @classmethod
    def bomb(cls, size: int = 256 * _MEBIBYTE) -> "Fault":
        """A gzip body of some hundred kilobytes that unpacks to ``size`` bytes of blanks."""
        return cls("bomb", lambda _: Outcome(Answer(200, _bomb(size), extra={"content-encoding": "gzip"})))

    @classmethod
    def pointing_back(cls, page: int | None = None) -> "Fault":
        """Let ``pagination.next`` name this same page, or another; answers without pages stay as they are."""
        return cls("pointing back", lambda answer: Outcome(_pointing_back(answer, page)))

    @classmethod
    def ignored_filter(cls, *names: str) -> "Fault":
        """Answer as if filters were not there; by default those by instant."""
        ignored = frozenset(names or _DATE_FILTERS)
        return cls(
            "ignored filter",
            Outcome,
            lambda parameters: {name: values for name, values in parameters.items() if name not in ignored},
        )


When = Callable[[str, Parameters], bool]
"""Whether a fault is meant for a request, given its path below the base path and its query."""


@dataclass(slots=True)
class _Rule:
    fault: Fault
    nth: int
    when: When | None
    left: int | None

    def takes(self, number: int, path: str, parameters: Parameters) -> bool:
        if number < self.nth or self.left == 0:
            return False
        return self.when is None or self.when(path, parameters)


@dataclass(slots=True)
class Schedule:
    """Which faults are still to come."""

    _rules: list[_Rule] = field(default_factory=list)

    def add(self, fault: Fault, nth: int, when: When | None, times: int | None) -> None:
        """Plan a fault; see ``FakeAuthentik.inject``."""
        self._rules.append(_Rule(fault, nth, when, times))

    def clear(self) -> None:
        """Forget what is still to come."""
        self._rules.clear()

    def due(self, number: int, path: str, parameters: Parameters) -> Fault | None:
        """The fault for this request, taken off the schedule; the one planned first when several fit."""
        for rule in self._rules:
            if rule.takes(number, path, parameters):
                if rule.left is not None:
                    rule.left -= 1
                return rule.fault
        return None


def _retry_after(value: int | datetime) -> str:
    return format_datetime(value, usegmt=True) if isinstance(value, datetime) else str(value)


def _pointing_back(answer: Answer, page: int | None) -> Answer:
    try:
        listed = msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])
        pagination = msgspec.json.decode(listed["pagination"], type=dict[str, int])
    except (msgspec.MsgspecError, KeyError):
        return answer
    pagination["next"] = pagination["current"] if page is None else page
    listed["pagination"] = msgspec.Raw(msgspec.json.encode(pagination))
    return replace(answer, body=msgspec.json.encode(listed))


@lru_cache(maxsize=4)
def _bomb(size: int) -> bytes:
    # One full-flushed block can be repeated: the bomb is made without unpacking it first.
    blanks = b" " * min(size, _MEBIBYTE)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH)
    repeats = max(1, size // len(blanks))
    checksum = 0
    for _ in range(repeats):
        checksum = zlib.crc32(blanks, checksum)
    end = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
    total = repeats * len(blanks) & 0xFFFFFFFF
    trailer = checksum.to_bytes(4, "little") + total.to_bytes(4, "little")
    return gzip.compress(b"", mtime=0)[:10] + block * repeats + end + trailer
