"""Read what changed since a checkpoint, and prove by counts that it is all that changed.

The server tells who was edited (``last_updated``), from 2026.2 who logged in, and the lean list of groups tells all
memberships. It does not tell who was deleted, nor whom an e-mail verification made active: for these its counts are
held against who is known. Nothing is handed over before all of it agrees.
"""

from datetime import datetime, timedelta
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import PageSize, read_count, read_page
from openlane_authentik.authentik.releases import Release
from openlane_authentik.directory.checkpoint import Checkpoint
from openlane_authentik.directory.groups import GroupReader
from openlane_authentik.directory.headcount import Headcount
from openlane_authentik.directory.keyset import USERS, FilterIgnoredError, Span, UnsteadyTieError, walk
from openlane_authentik.directory.memberships import Differences
from openlane_authentik.directory.moments import from_micros, moment_micros
from openlane_authentik.directory.passes import PagedList
from openlane_authentik.directory.sight import Extent, Sight, read_me, read_sight
from openlane_authentik.directory.spans import JOINED
from openlane_authentik.directory.users import OVERLAP, UsersEvidence
from openlane_authentik.operations.changed_accounts import ChangedAccounts
from openlane_authentik.operations.collection import Collected
from openlane_authentik.operations.settling import read_users_again, settle_memberships
from openlane_authentik.operations.unsettled import UnsettledError
from openlane_authentik.settings import DirectorySyncConfig

MOST_ROUNDS: Final = 4
# The server's Date header has whole seconds: who joined in the second before it was there before this run.
_DATE_RESOLUTION: Final = timedelta(seconds=1)


class ChangeReader:
    """Reads the changes of one run.

    Args:
        client: Of this run.
        release: Of the server.
        config: Page size and concurrency.
        accounts: Takes who changed.
        checkpoint: What was known.
    """

    def __init__(
        self,
        client: AuthentikClient,
        release: Release | None,
        config: DirectorySyncConfig,
        accounts: ChangedAccounts,
        checkpoint: Checkpoint,
    ) -> None:
        self._client = client
        self._release = release
        self._size = PageSize(config.page_size)
        self._width = config.concurrency
        self._accounts = accounts
        self._checkpoint = checkpoint
        self._spans_read = 0

    async def collect(self) -> Collected:
        """Bring the roster up to date, and prove it.

        Raises:
            UnsettledError: That is not possible this time.
            IntegrationError: See ``AuthentikClient.get``.
        """
        try:
            return await self._collect()
        except FilterIgnoredError as error:
            raise UnsettledError("filter_ignored") from error
        except UnsteadyTieError as error:
            raise UnsettledError("users_kept_changing") from error

    async def _collect(self) -> Collected:
        await self._check_sight()
        first = await read_page(self._client, USERS, {}, PageSize(1))
        started = first.date
        if started is None:
            raise UnsettledError("no_server_time")
        await read_users_again(self._client, self._accounts, self._checkpoint.outdated, self._width)
        await self._read_edited_since(self._checkpoint.cursor - OVERLAP)
        if self._release is not None and self._release.has_login_filter:
            await self._read_logins_since(self._checkpoint.cursor - OVERLAP)
        groups, differences, reread = self._group_reader(), Differences(), 0
        for _ in range(MOST_ROUNDS):
            await self._settle_headcount(started - _DATE_RESOLUTION)
            if groups is not None:
                await groups.read()
                differences, more = await settle_memberships(self._client, self._accounts, groups, self._width)
                reread += more
                if differences or not groups.proven:
                    raise UnsettledError("memberships_differ" if differences else "groups_kept_changing")
            if not await self._read_edited_since(started - OVERLAP):
                break
        else:
            raise UnsettledError("users_kept_changing")
        sight = await self._check_sight()
        users = UsersEvidence("delta", first.count, len(self._accounts.roster), self._spans_read, proven=True)
        return Collected(started, sight, users, groups, differences, reread)

    async def _check_sight(self) -> Sight:
        """Make sure that the token still sees everything that the checkpoint knows."""
        sight = await read_sight(self._client, await read_me(self._client), self._release)
        needed = [sight.users] if self._checkpoint.groups is None else [sight.users, sight.groups]
        if any(extent is not Extent.FULL for extent in needed):
            raise UnsettledError("sight_changed")
        return sight

    def _group_reader(self) -> GroupReader | None:
        known = self._checkpoint.groups
        return None if known is None else GroupReader(self._client, self._size.rows, self._width, known)

    async def _read_edited_since(self, start: datetime) -> int:
        """Take who was edited or created since a moment; gives how many were not yet known so."""
        span = Span("last_updated", moment_micros(start))
        if await read_count(self._client, USERS, span.params()) > self._accounts.most:
            raise UnsettledError("too_many_changes")
        new = 0
        async for rows in walk(self._client, span, self._size, self._width):
            new += await self._accounts.accept(rows)
        return new

    async def _read_logins_since(self, start: datetime) -> None:
        params: dict[str, str | int] = {"last_login__gt": from_micros(moment_micros(start)), "ordering": "pk"}
        if await read_count(self._client, USERS, params) > self._accounts.most:
            raise UnsettledError("too_many_changes")
        logins = PagedList(self._client, USERS, params, self._size.rows, self._width)
        if not await logins.read_until_proven(self._accounts.accept):
            raise UnsettledError("users_kept_changing")

    async def _settle_headcount(self, until: datetime) -> None:
        """Find who vanished, and whose activity or type changed without a trace, among those who joined before."""
        end = moment_micros(until)
        late = {head.pk for head in self._accounts.roster.heads() if head.joined >= end}
        if late:
            await self._read_span(Span(JOINED, end), late)
        for _ in range(MOST_ROUNDS):
            headcount = Headcount(self._client, self._accounts.roster, end, self._width)
            spans = await headcount.disagreements()
            if not spans:
                return
            for span in spans:
                await self._read_span(span, headcount.known_in(span))
        raise UnsettledError("counts_disagree")

    async def _read_span(self, span: Span, known: set[int]) -> None:
        """Read every user of a span, and take note of those known who are not there."""
        self._spans_read += 1
        absent = set(known)
        roster = self._accounts.roster
        async for rows in walk(self._client, span, self._size, self._width):
            present = {row["pk"]: row for row in rows if isinstance(row.get("pk"), int)}
            absent -= present.keys()
            await self._accounts.accept([row for pk, row in present.items() if not roster.tells(pk, row)])
        for pk in absent:
            await self._accounts.gone(pk)
