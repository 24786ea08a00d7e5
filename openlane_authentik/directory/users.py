"""Read every user, and prove that it was every one.

With authentik 2025.8 or later users are walked along ``date_joined``, several spans side by side; before that they
are read by page numbers until two passes agree. Either way the server's own counts are held against what was read,
and what disagrees is read again.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import PageSize, read_count, read_page
from openlane_authentik.authentik.releases import Release
from openlane_authentik.directory.keyset import USERS, FilterIgnoredError, Span, UnsteadyTieError, walk
from openlane_authentik.directory.moments import moment_micros
from openlane_authentik.directory.passes import Accept, PagedList
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.directory.spans import plan_spans
from openlane_authentik.log import get_logger

MOST_ROUNDS: Final = 5
_UNSETTLED: Final = -1
# How far before the run's start a change is looked for again: the clocks of authentik's server and of its database
# may differ by that much.
OVERLAP: Final = timedelta(seconds=60)

_log = get_logger()


@dataclass(slots=True)
class UsersEvidence:
    """What speaks for the users being complete.

    Attributes:
        method: ``keyset`` or ``passes``.
        count_before, count_after: What authentik counted before the first read and after the last.
        ranges: How many spans the users were read in; 1 for passes.
        ranges_reread: How many times a span, or a whole pass, was read again because counts disagreed.
        late_joiners: Users found only among those changed during the run.
        proven: Whether every user who was there all the time was read.
    """

    method: str
    count_before: int
    count_after: int = 0
    ranges: int = 1
    ranges_reread: int = 0
    late_joiners: int = 0
    proven: bool = field(default=False)


class UserReader:
    """Reads all users once.

    Args:
        client: Of this run.
        release: Of the server; None when it would not say.
        page_size: Rows asked for at a time.
        width: Requests at a time.

    Attributes:
        expected: How many users authentik counted before the first was read.
        started: Its clock at that time, if it said.
    """

    def __init__(self, client: AuthentikClient, release: Release | None, page_size: int, width: int) -> None:
        self.expected = 0
        self.started: datetime | None = None
        self._client = client
        self._release = release
        self._size = PageSize(page_size)
        self._width = width
        self._walked: dict[Span, int] = {}
        self._filter_ignored = False

    async def read(self, accept: Accept) -> UsersEvidence:
        """Read every user; ``accept`` gets each at least once, and tells how many of a page were new to it.

        Raises:
            IntegrationError: See ``AuthentikClient.get``.
        """
        first = await read_page(self._client, USERS, {}, PageSize(1))
        self.expected, self.started = first.count, first.date
        if self._release is not None and self._release.has_date_filters:
            try:
                return await self._read_along_dates(accept, first.count, self.started or self._client.clock.now())
            except FilterIgnoredError:
                _log.warning("filter ignored", list=USERS, consequence="reading by page numbers")
        return await self._read_by_passes(accept, first.count)

    async def _read_along_dates(self, accept: Accept, count: int, started: datetime) -> UsersEvidence:
        spans = await plan_spans(self._client, count, self._width)
        evidence = UsersEvidence("keyset", count, ranges=len(spans))
        waiting = spans
        for attempt in range(MOST_ROUNDS):
            evidence.ranges_reread += len(waiting) if attempt else 0
            await side_by_side((partial(self._walk, span, accept) for span in waiting), self._width)
            if self._filter_ignored:
                raise FilterIgnoredError
            waiting = await self._disagreeing(spans)
            evidence.count_after = await read_count(self._client, USERS, {})
            if not waiting and evidence.count_after == sum(self._walked.values()):
                evidence.proven = True
                break
            waiting = waiting or spans
        try:
            evidence.late_joiners = await self._read_changed_since(started - OVERLAP, accept)
        except UnsteadyTieError:
            evidence.proven = False
        return evidence

    async def _walk(self, span: Span, accept: Accept) -> None:
        walked = 0
        self._walked[span] = _UNSETTLED
        # Neither may end the walks beside this one, whose users may be on their way to the sink.
        try:
            async for rows in walk(self._client, span, self._size, self._width):
                walked += len(rows)
                await accept(rows)
            self._walked[span] = walked
        except UnsteadyTieError:
            return
        except FilterIgnoredError:
            self._filter_ignored = True

    async def _disagreeing(self, spans: list[Span]) -> list[Span]:
        disagreeing: list[Span] = []

        async def hold_against_count(span: Span) -> None:
            if await read_count(self._client, USERS, span.params()) != self._walked[span]:
                disagreeing.append(span)

        await side_by_side((partial(hold_against_count, span) for span in spans), self._width)
        return disagreeing

    async def _read_changed_since(self, start: datetime, accept: Accept) -> int:
        """Catch who joined with a date in the past, as an LDAP mapping may set it, or was moved to another date."""
        late = 0
        span = Span("last_updated", moment_micros(start))
        async for rows in walk(self._client, span, self._size, self._width):
            late += await accept(rows)
        return late

    async def _read_by_passes(self, accept: Accept, count: int) -> UsersEvidence:
        users = PagedList(self._client, USERS, {"ordering": "pk"}, self._size.rows, self._width)
        proven = await users.read_until_proven(accept)
        count_after = await read_count(self._client, USERS, {})
        # Two passes are the method; whatever came on top was read again.
        return UsersEvidence("passes", count, count_after, 1, max(0, users.passes - 2), proven=proven)
