"""How much of the directory the token sees, in words and numbers: users, groups, and how many of how many.

Related lists are not filtered by permission: groups name members whom the list of users does not show, and users name
groups that the list of groups does not show.
"""

from dataclasses import dataclass
from typing import Any, Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import read_pages
from openlane_authentik.directory.groups import GROUPS
from openlane_authentik.directory.keyset import USERS
from openlane_authentik.directory.visibility import EVERYTHING, Extent, Visibility
from openlane_authentik.errors import TryAgainError
from openlane_authentik.operations.health_report import Check, CheckName, failed, passed, warned

# A lean page of 100 groups takes 0.4 s, one of users 0.3 to 0.6 s (2025.12 and 2026.2, measured).
_MOST_GROUP_PAGES: Final = 25
_MOST_USER_PAGES: Final = 5


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a list, as far as it was read, has and names.

    Attributes:
        count: How many rows the server says it has.
        keys: The keys of those that were read.
        named: The keys of the other list that they name.
        whole: Whether all of it was read.
    """

    count: int
    keys: frozenset[Any]
    named: frozenset[Any]
    whole: bool


@dataclass(frozen=True, slots=True)
class _Crossed:
    """Both lists, each held against what the other names."""

    users: _Keys
    groups: _Keys

    @property
    def hidden_users(self) -> frozenset[Any]:
        """Members that groups name and the whole list of users does not have."""
        return self.groups.named - self.users.keys if self.users.whole else frozenset()

    @property
    def hidden_groups(self) -> frozenset[Any]:
        """Groups that users name and the whole list of groups does not have."""
        return self.users.named - self.groups.keys if self.groups.whole else frozenset()

    @property
    def names_more(self) -> bool:
        """Whether groups name more users than the list of users has."""
        return len(self.groups.named) > self.users.count


async def check_visibility(
    client: AuthentikClient, visibility: Visibility, *, users: int | None, groups: int | None
) -> Check:
    """Return how much the token sees of the lists that matter.

    If the roles of the account leave it unproven, it is partial when one list names what the other does not show, in
    two readings: a record that comes or goes between two requests does not look so twice.

    Args:
        client: Of this check.
        visibility: What the roles of the account tell.
        users: How many can be seen; None if the token may not list them.
        groups: As ``users``; None also if they are not synced.

    Raises:
        IntegrationError: See ``AuthentikClient.get``; a list that cannot be read just now is not held against the
            token.
    """
    crossed = None
    if users is not None and groups is not None and visibility != EVERYTHING:
        crossed = await _cross(client)
    if crossed is not None and Extent.UNPROVEN in (visibility.users, visibility.groups):
        visibility = await _settled(client, visibility, crossed)
    said = []
    if users is not None:
        said.append(_Said("users", "'Can view User'", visibility.users, _users_in_numbers(users, crossed)))
    if groups is not None:
        said.append(_Said("groups", "'Can view Group'", visibility.groups, _groups_in_numbers(groups, crossed)))
    return _told(said)


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of one list."""

    things: str
    permission: str
    extent: Extent
    numbers: str

    def __str__(self) -> str:
        match self.extent:
            case Extent.FULL:
                return f"all {self.things}"
            case Extent.PARTIAL:
                return f"only a part of the {self.things} ({self.numbers})"
            case Extent.UNPROVEN:
                return f"perhaps not all {self.things} ({self.numbers})"


def _users_in_numbers(count: int, crossed: _Crossed | None) -> str:
    numbers = f"{count:,} can be seen"
    if crossed is not None and (crossed.names_more or crossed.hidden_users):
        numbers += f", groups name {len(crossed.groups.named):,}"
        if crossed.hidden_users:
            numbers += f", {len(crossed.hidden_users):,} of them unseen"
    return numbers


def _groups_in_numbers(count: int, crossed: _Crossed | None) -> str:
    numbers = f"{count:,} can be seen"
    if crossed is not None and crossed.hidden_groups:
        by = "users" if crossed.users.whole else f"{len(crossed.users.keys):,} users"
        numbers += f", {by} name {len(crossed.hidden_groups):,} more"
    return numbers


def _told(said: list[_Said]) -> Check:
    lacking = [one for one in said if one.extent is not Extent.FULL]
    if not lacking:
        return passed(
            CheckName.VISIBILITY, "the token sees " + ("the whole directory" if len(said) > 1 else f"{said[0]}")
        )
    seen = f"the token sees {' and '.join(map(str, said))}"
    permissions = " and ".join(one.permission for one in lacking)
    if any(one.extent is Extent.PARTIAL for one in lacking):
        return failed(CheckName.VISIBILITY, "partial_visibility", seen, permissions)
    return warned(CheckName.VISIBILITY, "visibility_unproven", f"{seen}: authentik does not tell", permissions)


async def _settled(client: AuthentikClient, visibility: Visibility, first: _Crossed) -> Visibility:
    """Make what is unproven partial where two readings show it."""
    if not (first.names_more or first.hidden_users or first.hidden_groups):
        return visibility
    second = await _cross(client)
    if second is None:
        return visibility
    users = first.hidden_users & second.hidden_users or (first.names_more and second.names_more)
    groups = first.hidden_groups & second.hidden_groups
    return Visibility(
        Extent.PARTIAL if users and visibility.users is Extent.UNPROVEN else visibility.users,
        Extent.PARTIAL if groups and visibility.groups is Extent.UNPROVEN else visibility.groups,
    )


async def _cross(client: AuthentikClient) -> _Crossed | None:
    """Read both lists, as far as is quickly done; None when the server cannot answer just now."""
    try:
        users = await _read(client, USERS, "groups", _MOST_USER_PAGES)
        groups = await _read(client, GROUPS, "users", _MOST_GROUP_PAGES, include_users="false")
    except TryAgainError:
        return None
    return _Crossed(users, groups)


async def _read(client: AuthentikClient, path: str, names: str, most: int, **params: str) -> _Keys:
    listed = await read_pages(client, path, {"ordering": "pk", **params}, most)
    keys = frozenset(key for row in listed.rows if (key := row.get("pk")) is not None and _is_key(key))
    named = frozenset(key for row in listed.rows for key in _named(row.get(names)))
    return _Keys(listed.count, keys, named, listed.whole)


def _named(others: Any) -> list[Any]:
    return [key for key in others if _is_key(key)] if isinstance(others, list) else []


def _is_key(key: Any) -> bool:
    return isinstance(key, int | str)
