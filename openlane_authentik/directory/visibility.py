"""What the token may see: all, a part, or nobody knows.

A token with object-level permissions gets a silently partial list with status 200, and an internal service account
without any permission an empty one. Neither shows in the lists; it shows in the roles of the token's account.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import user_pk
from openlane_authentik.authentik.refusals import ME
from openlane_authentik.authentik.releases import Release
from openlane_authentik.errors import (
    IntegrationError,
    NotAuthentikError,
    NotFoundError,
    ParameterRefusedError,
    PermissionDeniedError,
)

_NO_ROLE: Final = "00000000-0000-0000-0000-000000000000"


class Extent(StrEnum):
    """How much of a list the token may see, as far as it can be proven."""

    FULL = "full"
    PARTIAL = "partial"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Me:
    """The token's own account, as ``core/users/me/`` gives it."""

    pk: int
    uid: str
    username: str
    email: str
    is_superuser: bool
    role_pks: tuple[str, ...]
    group_pks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Visibility:
    """How much the token may see of each list."""

    users: Extent
    groups: Extent

    def covers(self, *, groups: bool) -> bool:
        """Whether it is proven that the token sees all users, and all groups if they matter."""
        return self.users is Extent.FULL and (not groups or self.groups is Extent.FULL)

    def lesser(self, other: "Visibility") -> "Visibility":
        """Return what is proven by this and by the other."""
        return Visibility(_lesser(self.users, other.users), _lesser(self.groups, other.groups))


EVERYTHING: Final = Visibility(Extent.FULL, Extent.FULL)


def _lesser(one: Extent, other: Extent) -> Extent:
    return max(one, other, key=[Extent.FULL, Extent.UNPROVEN, Extent.PARTIAL].index)


async def read_me(client: AuthentikClient) -> Me:
    """Read the token's own account.

    Raises:
        NotAuthentikError: JSON came, but no account.
        IntegrationError: See ``AuthentikClient.get``.
    """
    return (await client.get(ME, shape=_me)).data


def _me(data: Any) -> Me:
    match data:
        case {"user": {"pk": int(pk), "uid": str(uid), "username": str(username), **rest}} if user_pk({"pk": pk}):
            email = rest.get("email")
            return Me(
                pk=pk,
                uid=uid,
                username=username,
                email=email if isinstance(email, str) else "",
                is_superuser=rest.get("is_superuser") is True,
                role_pks=_pks(rest.get("roles")),
                group_pks=_pks(rest.get("groups")),
            )
        case _:
            raise NotAuthentikError(f"{ME} answered JSON that is no account")


async def read_visibility(client: AuthentikClient, me: Me, release: Release | None) -> Visibility:
    """Find out how much of the directory the token may see.

    Full for a superuser, and where a role of the token's account has the global permission. Before 2025.12 the
    account does not name its roles; there the roles of the account's groups are looked through, and if none has the
    permission the account may still have it by a role of its own: unproven.

    Raises:
        IntegrationError: See ``AuthentikClient.get``; a refusal of the permission list is no error but unproven.
    """
    if me.is_superuser:
        return EVERYTHING
    if me.role_pks or (release is not None and release.names_own_roles):
        roles, otherwise = me.role_pks, Extent.PARTIAL
    else:
        roles, otherwise = await _roles_of_groups(client, me), Extent.UNPROVEN
    try:
        users = await _any_grants(client, roles, "view_user")
        groups = await _any_grants(client, roles, "view_group")
        if (users or groups) and await _ignores_role(client):
            return Visibility(Extent.UNPROVEN, Extent.UNPROVEN)
    except PermissionDeniedError:
        return Visibility(Extent.UNPROVEN, Extent.UNPROVEN)
    return Visibility(Extent.FULL if users else otherwise, Extent.FULL if groups else otherwise)


async def _roles_of_groups(client: AuthentikClient, me: Me) -> tuple[str, ...]:
    roles: list[str] = []
    for pk in me.group_pks:
        try:
            answer = await client.get(f"core/groups/{pk}/", {"include_users": "false"}, shape=_roles_of_group)
        except (PermissionDeniedError, NotFoundError):
            continue
        roles.extend(answer.data)
    return tuple(roles)


def _roles_of_group(data: Any) -> list[str]:
    match data:
        case {"pk": str(), "roles": list(roles)}:
            return [role for role in roles if isinstance(role, str)]
        case _:
            raise NotAuthentikError("core/groups/ answered JSON that is no group")


async def _any_grants(client: AuthentikClient, roles: tuple[str, ...], codename: str) -> bool:
    for role in roles:
        if await _grants(client, role, codename):
            return True
    return False


async def _grants(
    client: AuthentikClient, role: str, codename: str, surrender: tuple[type[IntegrationError], ...] = ()
) -> bool:
    params: dict[str, str | int] = {"role": role, "codename": codename, "page_size": 1}
    answer = await client.get(
        "rbac/permissions/", params, shape=lambda data: _names(data, codename), surrender=surrender
    )
    return answer.data


def _names(data: Any, codename: str) -> bool:
    """Whether a list of permissions, narrowed to this one, has it."""
    match data:
        case {"results": [{"codename": str(found), "app_label": "authentik_core"}, *_]}:
            return found == codename
        case {"results": list()}:
            return False
        case _:
            raise NotAuthentikError("rbac/permissions/ answered JSON that is no list of permissions")


async def _ignores_role(client: AuthentikClient) -> bool:
    """Whether the server lists the permission for a role that does not exist, so that its answers tell nothing.

    A server that looks at ``role`` refuses this one as no valid choice (a ``ModelChoiceFilter`` in authentik's source),
    or lists nothing.
    """
    try:
        return await _grants(client, _NO_ROLE, "view_user", surrender=(ParameterRefusedError,))
    except ParameterRefusedError as error:
        if "role" not in error.refused:
            raise
        return False


def _pks(entries: Any) -> tuple[str, ...]:
    if not isinstance(entries, list):
        return ()
    return tuple(entry["pk"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("pk"), str))
