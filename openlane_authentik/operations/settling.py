"""Read again where users and groups tell different memberships, until they agree or will not."""

from collections.abc import Iterable
from functools import partial
from typing import Final, Protocol

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.groups import GroupReader
from openlane_authentik.directory.keyset import USERS
from openlane_authentik.directory.memberships import Differences, compare_memberships
from openlane_authentik.directory.roster import Roster
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.errors import NotFoundError

MOST_ROUNDS: Final = 3
MOST_USERS_REREAD: Final = 500


class Accounts(Protocol):
    """Takes users who are read again."""

    @property
    def roster(self) -> Roster:
        """Everybody known."""
        ...

    async def accept_again(self, pk: int, raw: RawRecord) -> None:
        """Take a user as it is now."""
        ...

    async def gone(self, pk: int) -> None:
        """Take note that a user is gone."""
        ...


async def settle_memberships(
    client: AuthentikClient, accounts: Accounts, groups: GroupReader, width: int
) -> tuple[Differences, int]:
    """Compare both sides of the memberships, and read again those users and all groups where they differ.

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
    for _ in range(MOST_ROUNDS):
        differences = compare_memberships(accounts.roster, groups.rows())
        users = differences.users | differences.dangling.keys()
        if not users or len(users) > MOST_USERS_REREAD:
            return differences, reread
        reread += len(users)
        await read_users_again(client, accounts, users, width)
        await groups.read()
    return compare_memberships(accounts.roster, groups.rows()), reread


async def read_users_again(client: AuthentikClient, accounts: Accounts, pks: Iterable[int], width: int) -> None:
    """Read some users one by one, ``width`` at a time.

    Raises:
        IntegrationError: See ``AuthentikClient.get``.
    """

    async def read(pk: int) -> None:
        try:
            raw = (await client.get(f"{USERS}{pk}/")).data
        except NotFoundError:
            await accounts.gone(pk)
            return
        if isinstance(raw, dict) and raw.get("pk") == pk:
            await accounts.accept_again(pk, raw)

    await side_by_side((partial(read, pk) for pk in sorted(pks)), width)
