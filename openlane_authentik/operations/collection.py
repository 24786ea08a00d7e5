"""Read the whole directory, account by account handed over on the way, and hold all of it against each other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.authentik.releases import Release
from openlane_authentik.directory.groups import GroupReader
from openlane_authentik.directory.keyset import USERS
from openlane_authentik.directory.memberships import Differences, compare_memberships
from openlane_authentik.directory.roster import Roster
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.directory.sight import Extent, Sight, read_me, read_sight
from openlane_authentik.directory.users import UserReader, UsersEvidence
from openlane_authentik.errors import NotFoundError
from openlane_authentik.operations.accounts import AccountEmitter
from openlane_authentik.settings import DirectorySyncConfig

# Told after every page: how many users were read, and how many there are about.
Progress = Callable[[int, int], None]

MOST_ROUNDS: Final = 3
MOST_USERS_REREAD: Final = 500


@dataclass(slots=True)
class Collected:
    """What was read, and what speaks for it being everything.

    Attributes:
        sight: What the token could see, at the start and at the end: the lesser of both.
        users: Evidence of the users.
        groups: The groups, still to be handed over; None when they are switched off.
        differences: Between both sides of the memberships, after what differed was read again.
        users_reread: How many users were read again for that.
    """

    sight: Sight
    users: UsersEvidence
    groups: GroupReader | None
    differences: Differences
    users_reread: int


async def collect(
    client: AuthentikClient,
    release: Release | None,
    config: DirectorySyncConfig,
    accounts: AccountEmitter,
    roster: Roster,
    *,
    with_groups: bool,
    progress: Progress,
) -> Collected:
    """Read users, groups and both sides of every membership.

    Raises:
        IntegrationError: See ``AuthentikClient.get``.
    """
    before = await read_sight(client, await read_me(client), release)
    groups = GroupReader(client, config.page_size, config.concurrency) if with_groups else None
    if groups is not None:
        await groups.count()
    reader = UserReader(client, release, config.page_size, config.concurrency)

    async def accept(rows: list[RawRecord]) -> int:
        new = await accounts.accept(rows)
        progress(len(roster), reader.expected)
        return new

    users = await reader.read(accept)
    differences, reread = Differences(), 0
    if groups is not None:
        await groups.read()
        settling = _Settling(client, accounts, roster, groups, config.concurrency)
        sees_all = before.users is not Extent.PARTIAL and before.groups is not Extent.PARTIAL
        differences = await settling.settle() if sees_all else compare_memberships(roster, groups.rows())
        reread = settling.users_reread
    after = await read_sight(client, await read_me(client), release)
    sight = Sight(_lesser(before.users, after.users), _lesser(before.groups, after.groups))
    return Collected(sight, users, groups, differences, reread)


def _lesser(one: Extent, other: Extent) -> Extent:
    return max(one, other, key=[Extent.FULL, Extent.UNPROVEN, Extent.PARTIAL].index)


class _Settling:
    """Reads again where users and groups tell different memberships, until they agree or will not."""

    def __init__(
        self, client: AuthentikClient, accounts: AccountEmitter, roster: Roster, groups: GroupReader, width: int
    ) -> None:
        self.users_reread = 0
        self._client = client
        self._accounts = accounts
        self._roster = roster
        self._groups = groups
        self._width = width

    async def settle(self) -> Differences:
        for _ in range(MOST_ROUNDS):
            differences = compare_memberships(self._roster, self._groups.rows())
            users = differences.users | differences.dangling.keys()
            if not users or len(users) > MOST_USERS_REREAD:
                return differences
            self.users_reread += len(users)
            await side_by_side((partial(self._read_user_again, pk) for pk in sorted(users)), self._width)
            await self._groups.read()
        return compare_memberships(self._roster, self._groups.rows())

    async def _read_user_again(self, pk: int) -> None:
        try:
            raw = (await self._client.get(f"{USERS}{pk}/")).data
        except NotFoundError:
            # Deleted since: the groups, read again, must not name the user any more.
            return
        if isinstance(raw, dict) and raw.get("pk") == pk:
            if pk in self._roster:
                self._accounts.note_again(pk, raw)
            else:
                await self._accounts.accept([raw])
