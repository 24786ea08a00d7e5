"""Read single users and groups again where users and groups tell different memberships, until they agree."""

from collections.abc import Collection
from functools import partial
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import read_user
from openlane_authentik.directory.groups import GroupReader
from openlane_authentik.directory.memberships import Differences, compare_memberships
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.directory.users import Accounts
from openlane_authentik.errors import NotFoundError

MOST_ASKED: Final = 200
MOST_USERS_REREAD: Final = MOST_ASKED
_MOST_ROUNDS: Final = 3


async def settle_memberships(
    client: AuthentikClient, accounts: Accounts, groups: GroupReader, width: int
) -> tuple[Differences, int]:
    """Compare both sides of the memberships, and read again those users where they differ, and then all groups.

    Args:
        client: Of this run.
        accounts: Takes users read again.
        groups: Read before, and again here.
        width: Requests at a time.

    Returns:
        What still differs, and how many users were read again.

    Raises:
        IntegrationError: See ``AuthentikClient.get``.
    """
    reread = 0
    for _ in range(_MOST_ROUNDS):
        differences, more = await _reread(client, accounts, groups, width)
        reread += more
        if not more:
            return differences, reread
        # Often they agree now: the groups were read after the users.
        differences = compare_memberships(accounts.index, groups.rows())
        if not differences:
            return differences, reread
        await groups.read()
    return compare_memberships(accounts.index, groups.rows()), reread


async def _reread(
    client: AuthentikClient, accounts: Accounts, groups: GroupReader, width: int
) -> tuple[Differences, int]:
    differences = compare_memberships(accounts.index, groups.rows())
    users = differences.users | differences.dangling.keys()
    if len(users) > MOST_USERS_REREAD:
        return differences, 0
    await read_users_again(client, accounts, users, width)
    return differences, len(users)


async def read_users_again(client: AuthentikClient, accounts: Accounts, pks: Collection[int], width: int) -> None:
    """Read some users one by one, ``width`` at a time.

    Raises:
        IntegrationError: See ``AuthentikClient.get``.
    """

    async def read(pk: int) -> None:
        try:
            raw = await read_user(client, pk)
        except NotFoundError:
            await accounts.gone(pk)
        else:
            await accounts.accept_again(pk, raw)

    await side_by_side((partial(read, pk) for pk in sorted(pks)), width)
