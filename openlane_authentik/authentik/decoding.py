"""Decode answers in a way that none can block the event loop or exhaust memory.

An empty object takes two bytes as JSON and 64 in memory, so a limit on bytes does not limit memory: the values of a
large body are counted before it is decoded. A page is first sliced into its rows, still as bytes; slicing stops at the
first row beyond the number asked for.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta, Raw

from openlane_authentik.errors import AnswerTooLargeError, BrokenAnswerError, NotAuthentikError

T = TypeVar("T")
Body = bytes | bytearray

# A page of 100 users is 220 kB (measured) and takes 0.5 ms; what is larger is decoded in a thread, row by row.
LOOP_BYTES: Final = 256 * 1024
# A user with 10 MB of attributes and a group of a million members still pass.
OBJECT_BYTES: Final = 16 * 1024 * 1024
# 30 times what a row has on average; pages of larger rows are asked for with fewer of them.
ROW_BYTES: Final = 64 * 1024
# At most 7 MB and 0.07 s for a row, and 120 MB for a page.
MOST_CONTAINERS: Final = 100_000
MOST_VALUES: Final = 2_000_000
# Whatever reads a record later calls itself once for each level. The decoder stops at a level of its own, which differs
# between releases of Python: about 1,000 with 3.11, and more than 5,000 with 3.13.
MOST_LEVELS: Final = 500

_NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_DECODE_ROW: Final = msgspec.json.Decoder(dict[str, Any]).decode
decode_any: Final[Callable[[Body], Any]] = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """How a good answer is read.

    Attributes:
        what: What it should be, for messages.
        most_bytes: How large it may be, decompressed.
        decode: Makes of its body what was asked for.
    """

    what: str
    most_bytes: int
    decode: Callable[[Body], T]

    async def of(self, body: Body, path: str) -> T:
        """Decode a body, beside the event loop if it is large.

        Raises:
            AnswerTooLargeError: It has too many values.
            BrokenAnswerError: It is no JSON.
            NotAuthentikError: It is JSON, but not what was asked for.
        """
        try:
            return self.decode(body) if len(body) <= LOOP_BYTES else await asyncio.to_thread(self.decode, body)
        except msgspec.ValidationError as error:
            raise NotAuthentikError(f"{path} answered JSON that is no {self.what}") from error.with_traceback(None)
        except _NO_JSON as error:
            broken = _broken(body, path, error)
        raise broken


def decode_json(body: Body, path: str) -> Any:
    """Decode a small piece of JSON.

    Raises:
        BrokenAnswerError: It is none.
    """
    try:
        return _limit_levels(body, decode_any(body))
    except _NO_JSON as error:
        broken = _broken(body, path, error)
    raise broken


def _broken(body: Body, path: str, error: Exception) -> BrokenAnswerError:
    """Return the error with a cause of the same words; what a decoder raises may hold the text, which is people's."""
    broken = BrokenAnswerError(f"the answer of {path} is no valid JSON ({len(body)} bytes came)")
    broken.__cause__ = ValueError(str(error))
    return broken


def whole(shape: Callable[[Any], T]) -> Reading[T]:
    """Read an answer as one value.

    Args:
        shape: Makes of it what was asked for, or raises ``NotAuthentikError`` when it is something else.
    """
    return Reading(
        "answer of authentik", OBJECT_BYTES, lambda body: shape(_limit_levels(body, decode_any(_bounded(body))))
    )


def _decode_bounded(body: Body) -> Any:
    return _limit_levels(body, decode_any(_bounded(body)))


class Pagination(msgspec.Struct, frozen=True):
    """What a page tells of its list.

    Attributes:
        next: The number of the next page; 0 when this is the last.
        count: How many rows the whole list has.
        total_pages: How many pages of this size it has.
    """

    next: Annotated[int, Meta(ge=0)]
    count: Annotated[int, Meta(ge=0)]
    total_pages: Annotated[int, Meta(ge=1)]

    def fits(self, size: int) -> bool:
        """Whether these numbers can be of pages of at most this size."""
        return -(-self.count // size) <= self.total_pages <= max(1, self.count) and self.next <= self.total_pages


@dataclass(frozen=True, slots=True)
class Rows:
    """A page, decoded."""

    pagination: Pagination
    rows: list[dict[str, Any]]


def page_of(size: int) -> Reading[Rows]:
    """Read an answer as a page of a list.

    Args:
        size: How many rows were asked for; authentik gives fewer at times, and never more.
    """
    return Reading(f"page of at most {size} rows", OBJECT_BYTES + size * ROW_BYTES, partial(_decode_page, size))


def _decode_page(size: int, body: Body) -> Rows:
    if len(body) > LOOP_BYTES:
        _limit_values(body)
    page = page_decoder(size).decode(body)
    if not page.pagination.fits(size):
        raise NotAuthentikError(f"a page tells numbers that no list with pages of at most {size} rows has")
    rows = [row for row in msgspec.structs.astuple(page.results) if row]
    return Rows(page.pagination, [decode_row(_bounded(bytes(row))) for row in rows])


def _bounded(body: Body) -> Body:
    """Return the JSON unchanged, unless it has too many values."""
    if len(body) > ROW_BYTES and _limit_values(body) > MOST_CONTAINERS:
        raise AnswerTooLargeError(f"a record has more than {MOST_CONTAINERS} objects and lists")
    return body


def decode_row(row: Body) -> dict[str, Any]:
    """Return one row; ``RecursionError`` if it is nested deeper than ``MOST_LEVELS``."""
    return _limit_levels(row, _DECODE_ROW(row))


def _limit_levels(body: Body, value: T) -> T:
    """Return a decoded value unchanged, unless it is nested too deeply."""
    if body.count(b"{") + body.count(b"[") > MOST_LEVELS:
        level: list[Any] = [value]
        for _ in range(MOST_LEVELS):
            nested = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
            level = [value for values in nested for value in values]
            if not level:
                return value
        if any(isinstance(one, dict | list) for one in level):
            raise RecursionError(f"more than {MOST_LEVELS} levels")
    return value


def _limit_values(body: Body) -> int:
    """Refuse JSON that may have too many values; return the most objects and lists it can have (texts count, too)."""
    containers = body.count(b"{") + body.count(b"[")
    if containers + body.count(b",") > MOST_VALUES:
        raise AnswerTooLargeError(f"an answer has more than {MOST_VALUES} values")
    return containers


class _Page(msgspec.Struct):
    pagination: Pagination
    results: Any


@lru_cache(maxsize=64)
def page_decoder(size: int) -> "msgspec.json.Decoder[_Page]":
    """Return a decoder that leaves rows as they are, and stops at one more than asked for.

    A list with a maximum length would be built whole before it is refused. A structure that is written as an array
    never gets more elements than it has fields.
    """
    fields = [(f"row_{number}", Raw, Raw()) for number in range(size)]
    results = msgspec.defstruct("Results", fields, array_like=True, forbid_unknown_fields=True)
    page = msgspec.defstruct("Page", [("pagination", Pagination), ("results", results)], bases=(_Page,))
    return msgspec.json.Decoder(page)
