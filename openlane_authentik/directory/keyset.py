"""Walk users along a timestamp: every request asks for what comes after the last one seen, so no page can slip.

A page number counts rows, and rows come and go. A timestamp does not: whoever joined after the last user read is
still ahead, whatever was deleted behind. Needs authentik 2025.8, the first with filters on ``date_joined`` and
``last_updated``; both exclude their bound, hence the steps of one microsecond.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import PageSize, RawRecord, read_first_page
from openlane_authentik.authentik.request import Params
from openlane_authentik.directory.moments import FIRST_MICROS, LAST_MICROS, from_micros, to_micros
from openlane_authentik.directory.passes import PagedList, record_key

USERS: Final = "core/users/"


class FilterIgnoredError(Exception):
    """The server sent rows that the filter or the ordering it was asked for excludes."""


class UnsteadyTieError(Exception):
    """The users who share one timestamp fill more than a page and would not stand still."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of a timestamp, in microseconds since 1970: from ``start`` to just before ``end``.

    Attributes:
        field: ``date_joined`` or ``last_updated``.
        start: First moment within; None for the beginning of time.
        end: First moment after it; None for no end.
    """

    field: str
    start: int | None = None
    end: int | None = None

    def params(self) -> dict[str, str | int]:
        """Return the filter that holds exactly this span."""
        params: dict[str, str | int] = {}
        # A bound at either end of all time excludes nothing, and lies where no timestamp can be written.
        if self.start is not None and self.start > FIRST_MICROS:
            params[f"{self.field}__gt"] = from_micros(min(self.start - 1, LAST_MICROS))
        if self.end is not None and self.end <= LAST_MICROS:
            params[f"{self.field}__lt"] = from_micros(max(self.end, FIRST_MICROS))
        return params

    def since(self, start: int) -> "Span":
        """Return what is left of this span from a moment on."""
        return Span(self.field, start, self.end)

    def holds(self, moment: int) -> bool:
        """Whether a moment lies within."""
        return (self.start is None or moment >= self.start) and (self.end is None or moment < self.end)


async def walk(
    client: AuthentikClient,
    span: Span,
    size: PageSize,
    width: int,
    *,
    refuse: Callable[[int], None] = lambda _count: None,
) -> AsyncIterator[list[RawRecord]]:
    """Return the users of a span page by page, each once, in the order of the timestamp.

    Args:
        client: Of this run.
        span: What to read.
        size: Rows asked for at a time.
        width: Requests at a time for a tie that fills more than a page.
        refuse: Told at every page how many users are left, and may raise.

    Raises:
        FilterIgnoredError: The answer shows that the filter or the ordering was not honoured.
        UnsteadyTieError: See there.
        IntegrationError: See ``AuthentikClient.get``.
    """
    rest = span
    at_the_edge: set[Any] = set()
    while True:
        page = await read_first_page(client, USERS, _in_order(rest), size)
        moments = _moments(page.rows, rest)
        refuse(page.count)
        fresh = [row for row in page.rows if record_key(row) not in at_the_edge]
        if page.next == 0 and page.count <= len(page.rows):
            yield fresh
            return
        if not moments:
            raise FilterIgnoredError
        last = moments[-1]
        if moments[0] == last:
            # A whole page of one moment: its users are read by themselves, and the walk goes on behind them.
            async for rows in _tie(client, Span(span.field, last, last + 1), size, width):
                yield [row for row in rows if record_key(row) not in at_the_edge]
            rest, at_the_edge = span.since(last + 1), set()
        else:
            yield fresh
            # Users of the last moment may go on on the next page: it is asked for again, and repeats are dropped.
            at_the_edge = set(_keys_at(page.rows, span.field, last))
            rest = span.since(last)


def _in_order(span: Span) -> Params:
    return {**span.params(), "ordering": f"{span.field},pk"}


def _moments(rows: list[RawRecord], span: Span) -> list[int]:
    moments = [moment for row in rows if (moment := to_micros(row.get(span.field))) is not None]
    # In order, so that what holds for both ends holds for all.
    if moments and (moments != sorted(moments) or not (span.holds(moments[0]) and span.holds(moments[-1]))):
        raise FilterIgnoredError
    return moments


def _keys_at(rows: list[RawRecord], field: str, last: int) -> Iterator[Any]:
    """Return the rows of the last moment, which stand at the end of a page."""
    for row in reversed(rows):
        if to_micros(row.get(field)) not in (None, last):
            return
        yield record_key(row)


async def _tie(client: AuthentikClient, tie: Span, size: PageSize, width: int) -> AsyncIterator[list[RawRecord]]:
    found: dict[Any, RawRecord] = {}

    async def keep(rows: list[RawRecord]) -> int:
        before = len(found)
        found.update((record_key(row), row) for row in rows)
        return len(found) - before

    users = PagedList(client, USERS, {**tie.params(), "ordering": "pk"}, size.rows, width)
    if not await users.read_until_proven(keep):
        raise UnsteadyTieError
    yield list(found.values())
