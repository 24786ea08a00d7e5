"""Read the whole directory, account by account handed over on the way, and hold all of it against each other."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.authentik.releases import Release
from openlane_authentik.directory.groups import GroupReader
from openlane_authentik.directory.memberships import Differences, compare_memberships
from openlane_authentik.directory.sight import Extent, Sight, read_me, read_sight
from openlane_authentik.directory.users import UserReader, UsersEvidence
from openlane_authentik.operations.accounts import AccountEmitter
from openlane_authentik.operations.settling import settle_memberships
from openlane_authentik.settings import DirectorySyncConfig

# Told after every page: how many users were read, and how many there are about.
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Collected:
    """What was read, and what speaks for it being everything.

    Attributes:
        started: The server's clock before the first user was read, if it said.
        sight: What the token could see, at the start and at the end: the lesser of both.
        users: Evidence of the users.
        groups: The groups, still to be handed over; None when they are switched off.
        differences: Between both sides of the memberships, after what differed was read again.
        users_reread: How many users were read again for that.
    """

    started: datetime | None
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
        progress(len(accounts.roster), reader.expected)
        return new

    users = await reader.read(accept)
    differences, reread = Differences(), 0
    if groups is not None:
        await groups.read()
        if Extent.PARTIAL in (before.users, before.groups):
            differences = compare_memberships(accounts.roster, groups.rows())
        else:
            differences, reread = await settle_memberships(client, accounts, groups, config.concurrency)
    sight = before.lesser(await read_sight(client, await read_me(client), release))
    return Collected(reader.started, sight, users, groups, differences, reread)
