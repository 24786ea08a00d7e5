"""Users along their timestamps, from authentik 2025.8 on: walked along ``date_joined``, held against counts."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import PageSize, RawRecord, read_page, user_pk
from openlane_authentik.directory.axis import EVERYBODY, JOINED, UPDATED, Axis
from openlane_authentik.directory.counting import EVERYONE, Question, between, count_users, locate
from openlane_authentik.directory.keyset import USERS, FilterIgnoredError, Span, UnsteadyTieError, walk
from openlane_authentik.directory.moments import FIRST_MICROS, to_micros
from openlane_authentik.directory.newest import FEWEST_READ, growing, leaves_the_last_hour, newest_span, rungs
from openlane_authentik.directory.settling import MOST_ASKED, read_users_again
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.directory.spans import plan_spans
from openlane_authentik.directory.unsettled import UnsettledError
from openlane_authentik.directory.users import Accounts, UsersEvidence, read_newest_keys, take_news, whole_questions

_PARTS_OF_JOINED: Final = 3
_MOST_WALKS: Final = 5


class DatedUsers:
    """Reads users by their timestamps.

    Args:
        client: Of this run.
        accounts: Takes the users.
        page_size: Rows asked for at a time.
        width: Requests at a time.
        anchors: Moments about which new ``last_updated`` stamps may appear, in microseconds.
        most_edits: For a run that has to find every edit: how many it may find. None for one that reads everybody
            and only has to find who is there.

    Attributes:
        evidence: What speaks for everybody being known.
    """

    def __init__(
        self,
        client: AuthentikClient,
        accounts: Accounts,
        page_size: int,
        width: int,
        *,
        anchors: Iterable[int],
        most_edits: int | None = None,
    ) -> None:
        self.evidence = UsersEvidence("keyset" if most_edits is None else "delta")
        self._client = client
        self._accounts = accounts
        self._size = PageSize(page_size)
        self._width = width
        known = (user.updated for user in accounts.index.traits())
        # New stamps appear about the newest that was known when the run began, too.
        self._anchors = [*anchors, *([newest] if (newest := max(known, default=None)) is not None else [])]
        self._most_edits = most_edits
        self._since: int | None = None
        self._total = 0
        self._edits = 0
        # Whether somebody is believed to be gone who was not asked for.
        self._inferred = False
        self._axes: dict[str, tuple[int, Axis]] = {}

    async def read_all(self, told: Callable[[], None]) -> None:
        """Walk along ``date_joined``, several spans side by side; ``told`` is called after every page.

        Raises:
            FilterIgnoredError: The server does not honour its filters.
            IntegrationError: See ``AuthentikClient.get``.
        """
        first = await read_page(self._client, USERS, {"ordering": f"-{UPDATED}"}, PageSize(1))
        newest = [moment for row in first.rows if (moment := to_micros(row.get(UPDATED))) is not None]
        if newest:
            # Whoever is moved behind the reader from now on carries a newer stamp.
            self._since = max(newest) + 1
            self._anchors += newest

        async def accept(rows: list[RawRecord]) -> int:
            new = await self._accounts.accept(rows)
            told()
            return new

        spans = await plan_spans(self._client, Span(JOINED), first.count, self._width)
        self.evidence.ranges = len(spans)
        for attempt in range(_MOST_WALKS):
            self.evidence.ranges_reread += len(spans) if attempt else 0
            spans = await self._walk_each(spans, accept)
            if not spans:
                break

    async def refresh(self) -> bool:
        """Read the users of the newest stamps and of the highest keys; return whether they stood still meanwhile.

        Raises:
            UnsettledError: Of a run that has to find every edit: there are too many, or a stamp went back.
            FilterIgnoredError: See ``read_all``.
            IntegrationError: See ``AuthentikClient.get``.
        """
        axis = self._axis(UPDATED)
        newest = newest_span(axis, self._anchors, self._since)
        if self._most_edits is not None and leaves_the_last_hour(axis, newest):
            raise UnsettledError("too_many_changes")
        shown: set[int] = set()
        steady: list[bool] = []

        async def take(rows: list[RawRecord]) -> int:
            shown.update(pk for row in rows if (pk := user_pk(row)) is not None)
            return await self._take(rows)

        async def read_newest() -> None:
            parts = axis.parts(newest, -(-axis.count(newest) // self._size.rows))
            steady.append(not await self._walk_each(parts, take, self._refuse_more_than(axis.count(newest))))

        async def read_keys() -> None:
            self.evidence.late_joiners += await read_newest_keys(self._client, self._accounts)

        async def count_everyone() -> None:
            self._total = await count_users(self._client, EVERYONE)

        await side_by_side((read_newest, read_keys, count_everyone), self._width)
        # Stamps only move forward: who carried one of the newest and is not among them now is gone, or went back.
        self._refuse_difference(self._total)
        vanished = (axis.pks(newest) - shown) & self._accounts.index.pks
        if len(vanished) > MOST_ASKED:
            if self._most_edits is not None:
                raise UnsettledError("too_many_changes")
            return False
        await read_users_again(self._client, self._accounts, vanished, self._width)
        return all(steady)

    async def settle_presence(self) -> None:
        """Find who vanished or appeared, where the count of everybody says that somebody did.

        Raises:
            UnsettledError: See ``refresh``.
            FilterIgnoredError: See ``read_all``.
            IntegrationError: See ``AuthentikClient.get``.
        """
        if self._accounts.without_pk or self._total == len(self._accounts.index):
            return
        whole = {Span(JOINED): self._total}
        await self._read_again(await locate(self._client, self._axis(JOINED), whole, self._width))

    def questions(self) -> dict[Question, int]:
        """Return the counts that prove who is there and, in a run that has to find every edit, that none was missed."""
        if self._accounts.without_pk:
            return {}
        joined = self._axis(JOINED)
        bounds = {part.end for part in joined.parts(Span(JOINED), _PARTS_OF_JOINED) if part.end is not None}
        bounds |= growing(joined, FEWEST_READ // 4)
        asked = whole_questions(self._accounts.index)
        asked += [Question(Span(JOINED, None, bound)) for bound in sorted(bounds) if bound > FIRST_MICROS]
        if self._most_edits is not None:
            updated = self._axis(UPDATED)
            newest = newest_span(updated, self._anchors, self._since)
            asked += [Question(Span(UPDATED, None, rung)) for rung in rungs(updated, newest, self._anchors)]
        return {question: self._known(question) for question in asked}

    async def resolve(self, counted: Mapping[Question, int]) -> bool:
        """Find who vanished, appeared or changed where counts differ: first who is there, then traits, then edits.

        Returns:
            Whether somebody was found; if not, the newest have to be read again.

        Raises:
            UnsettledError: See ``refresh``.
            FilterIgnoredError: See ``read_all``.
            IntegrationError: See ``AuthentikClient.get``.
        """
        differing = [question for question, number in counted.items() if number != self._known(question)]
        joined, updated = _below(counted, JOINED), _below(counted, UPDATED)
        self._total = joined[None]
        self._refuse_difference(self._total)
        before = self._accounts.index.revision
        axis = self._axis(JOINED)
        if any(question.span.field == JOINED and question.trait is EVERYBODY for question in differing):
            await self._read_again(await locate(self._client, axis, between(joined, JOINED), self._width))
        elif traits := [question for question in differing if question.trait is not EVERYBODY]:
            for question in traits:
                whole = {question.span: counted[question]}
                await self._read_again(await locate(self._client, axis, whole, self._width, trait=question.trait))
        elif differing:
            await self._find_edits({**updated, None: joined[None]})
        found = self._accounts.index.revision != before and not self._inferred
        self._inferred = False
        return found

    def _refuse_difference(self, total: int) -> None:
        most = max(MOST_ASKED, len(self._accounts.index) // 100)
        if self._most_edits is not None and abs(total - len(self._accounts.index)) > most:
            raise UnsettledError("too_many_changes")

    def _refuse_more_than(self, known: int) -> Callable[[int], None]:
        def refuse(count: int) -> None:
            if self._most_edits is not None and count > known + self._most_edits:
                raise UnsettledError("too_many_changes")

        return refuse

    async def _find_edits(self, below: Mapping[int | None, int]) -> None:
        axis = self._axis(UPDATED)
        if any(number > axis.count(Span(UPDATED, None, rung)) for rung, number in below.items()):
            raise UnsettledError("stamps_went_back")
        # Beyond the last rung everything is read in any case.
        counts = {span: number for span, number in between(below, UPDATED).items() if span.end is not None}
        spans = await locate(self._client, axis, counts, self._width, only_more=True)
        self.evidence.ranges_reread += len(spans)
        await self._walk_each(spans, self._take)

    async def _read_again(self, spans: list[Span]) -> None:
        """Read every user of some spans of ``date_joined``; who is known there and does not come is gone."""
        self.evidence.ranges_reread += len(spans)
        axis = self._axis(JOINED)
        absent = {pk for span in spans for pk in axis.pks(span)}

        async def take(rows: list[RawRecord]) -> int:
            absent.difference_update(pk for row in rows if (pk := user_pk(row)) is not None)
            return await self._take(rows)

        if await self._walk_each(spans, take):
            return
        absent &= self._accounts.index.pks
        if len(absent) <= MOST_ASKED:
            # Who was moved out of the span while it was read is there all the same.
            await read_users_again(self._client, self._accounts, absent, self._width)
            return
        self._inferred = True
        for pk in absent:
            await self._accounts.gone(pk)

    async def _take(self, rows: list[RawRecord]) -> int:
        index = self._accounts.index
        before = index.revision
        new = await take_news(self._accounts, rows)
        self.evidence.late_joiners += new
        self._edits += index.revision - before
        if self._most_edits is not None and self._edits > self._most_edits:
            raise UnsettledError("too_many_changes")
        return new

    async def _walk_each(
        self,
        spans: Iterable[Span],
        accept: Callable[[list[RawRecord]], Awaitable[int]],
        refuse: Callable[[int], None] = lambda _count: None,
    ) -> list[Span]:
        """Walk spans side by side; return those whose users would not stand still.

        Raises:
            FilterIgnoredError: One walk showed it; raised when all have ended.
        """
        unsteady: list[Span] = []
        ignored: list[FilterIgnoredError] = []

        async def walk_one(span: Span) -> None:
            # Neither may end the walks beside this one, whose users may be on their way to the sink.
            try:
                async for rows in walk(self._client, span, self._size, self._width, refuse=refuse):
                    await accept(rows)
            except UnsteadyTieError:
                unsteady.append(span)
            except FilterIgnoredError as error:
                ignored.append(error)

        await side_by_side((partial(walk_one, span) for span in spans), self._width)
        if ignored:
            raise ignored[0]
        return unsteady

    def _known(self, question: Question) -> int:
        return self._axis(question.span.field).count(question.span, question.trait)

    def _axis(self, field: str) -> Axis:
        index = self._accounts.index
        known = self._axes.get(field)
        if known is None or known[0] != index.revision:
            known = self._axes[field] = (index.revision, Axis(field, index))
        return known[1]


def _below(counted: Mapping[Question, int], field: str) -> dict[int | None, int]:
    """Return what was counted of everybody below each bound of a timestamp; None is no bound."""
    return {q.span.end: number for q, number in counted.items() if q.span.field == field and q.trait is EVERYBODY}
