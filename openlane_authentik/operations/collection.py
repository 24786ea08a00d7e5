"""Read the directory, whole or what changed, and hold all of it against the server."""

from collections.abc import Callable
from dataclasses import dataclass

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.releases import Release
from openlane_authentik.directory.checkpoint import Checkpoint
from openlane_authentik.directory.dated_users import DatedUsers
from openlane_authentik.directory.groups import GroupReader
from openlane_authentik.directory.keyset import USERS, FilterIgnoredError
from openlane_authentik.directory.logins import read_logins
from openlane_authentik.directory.moments import moment_micros
from openlane_authentik.directory.paged_users import PagedUsers
from openlane_authentik.directory.reconciliation import Reconciled, Reconciler
from openlane_authentik.directory.settling import read_users_again
from openlane_authentik.directory.unsettled import UnsettledError
from openlane_authentik.directory.users import Accounts, UsersEvidence, UserSource, read_beginning
from openlane_authentik.directory.visibility import EVERYTHING, Me, read_visibility
from openlane_authentik.log import get_logger
from openlane_authentik.operations.accounts import AccountEmitter
from openlane_authentik.operations.changed_accounts import ChangedAccounts
from openlane_authentik.settings import DirectorySyncConfig

# Told after every page: how many users were read, and how many there are about.
Progress = Callable[[int, int], None]

_log = get_logger()


@dataclass(slots=True)
class Collected:
    """What was read, and what speaks for it being everything.

    Attributes:
        users: Evidence of the users.
        groups: The groups, still to be handed over; None when they are switched off.
        reconciled: What the server said last.
        logins_from: The ``last_login`` from which logins were to be read; None for a full sync.
        logins_left: Logins that were not read.
    """

    users: UsersEvidence
    groups: GroupReader | None
    reconciled: Reconciled
    logins_from: int | None = None
    logins_left: int = 0


class Collector:
    """Collects for one run.

    Args:
        client: Of this run.
        release: Of the server; None when it would not say.
        me: The token's own account when the run began.
        config: Page size and concurrency.
        progress: Told after every page.
    """

    def __init__(
        self, client: AuthentikClient, release: Release | None, me: Me, config: DirectorySyncConfig, progress: Progress
    ) -> None:
        self._client = client
        self._release = release
        self._me = me
        self._size = config.page_size
        self._width = config.concurrency
        self._progress = progress
        self._began = moment_micros(client.clock.now())

    async def everything(self, accounts: AccountEmitter, *, with_groups: bool) -> Collected:
        """Read users, groups and both sides of every membership.

        Raises:
            IntegrationError: See ``AuthentikClient.get``.
        """
        visibility = await read_visibility(self._client, self._me, self._release)
        groups = GroupReader(self._client, self._size, self._width) if with_groups else None
        if groups is not None:
            await groups.count()
        beginning = await read_beginning(self._client)

        def told() -> None:
            self._progress(len(accounts.index), beginning.count)

        async def read(users: DatedUsers | PagedUsers) -> Collected:
            users.evidence.count_before = beginning.count
            await users.read_all(told)
            reconciled = await self._reconciler(users, accounts, groups, beginning.highest_pk).run(visibility)
            reconciled.agreed &= not accounts.uids_differ
            return self._collected(users.evidence, groups, reconciled)

        if self._release is not None and self._release.has_date_filters:
            try:
                dated = DatedUsers(self._client, accounts, self._size, self._width, anchors=[self._began])
                return await read(dated)
            except FilterIgnoredError:
                _log.warning("filter ignored", list=USERS, consequence="reading by page numbers")
        return await read(PagedUsers(self._client, accounts, self._size, self._width))

    async def changes(self, accounts: ChangedAccounts, known: Checkpoint) -> Collected:
        """Bring what a checkpoint knows up to date.

        Raises:
            UnsettledError: That cannot be proven this time.
            IntegrationError: See ``AuthentikClient.get``.
        """
        users = DatedUsers(
            self._client,
            accounts,
            self._size,
            self._width,
            anchors=[moment_micros(known.taken_at)],
            most_edits=accounts.most_edits,
        )
        users.evidence.count_before = len(known.index)
        groups = None
        if known.groups is not None:
            groups = GroupReader(self._client, self._size, self._width, known.groups)
        logins_left = 0

        async def read_outdated() -> None:
            await read_users_again(self._client, accounts, known.outdated, self._width)

        async def read_new_logins() -> None:
            nonlocal logins_left
            if known.logins_from is not None:
                logins_left = await read_logins(self._client, accounts, known.logins_from, self._size, self._width)

        highest = max(known.index.pks, default=0)
        try:
            reconciled = await self._reconciler(users, accounts, groups, highest).run(
                EVERYTHING, read_outdated, read_new_logins
            )
        except FilterIgnoredError as error:
            raise UnsettledError("filter_ignored") from error
        if not reconciled.visibility.covers(groups=groups is not None):
            raise UnsettledError("visibility_changed")
        if not reconciled.agreed:
            raise UnsettledError("counts_disagree")
        if reconciled.differences:
            raise UnsettledError("memberships_differ")
        if groups is not None and not groups.proven:
            raise UnsettledError("groups_kept_changing")
        return self._collected(users.evidence, groups, reconciled, known.logins_from, logins_left)

    def _reconciler(
        self, users: UserSource, accounts: Accounts, groups: GroupReader | None, highest_pk: int
    ) -> Reconciler:
        return Reconciler(
            self._client,
            self._release,
            users,
            accounts,
            groups,
            self._width,
            own_uid=self._me.uid,
            highest_pk=highest_pk,
        )

    @staticmethod
    def _collected(
        users: UsersEvidence,
        groups: GroupReader | None,
        reconciled: Reconciled,
        logins_from: int | None = None,
        logins_left: int = 0,
    ) -> Collected:
        users.proven = reconciled.agreed
        users.count_after = reconciled.count
        return Collected(users, groups, reconciled, logins_from, logins_left)
