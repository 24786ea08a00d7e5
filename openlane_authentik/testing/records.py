"""The users, the groups and ``users/me`` of one directory: the server's own, or a replica of it."""

from collections.abc import Callable
from typing import Any, Final

from openlane_authentik.testing.answers import Answer, json_answer, refusal
from openlane_authentik.testing.calls import API, GROUPS, USERS, Call
from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.grants import Access
from openlane_authentik.testing.lists import group_listing, user_listing
from openlane_authentik.testing.messages import Language
from openlane_authentik.testing.permissions import SYSTEM_PERMISSIONS
from openlane_authentik.testing.releases import Release
from openlane_authentik.testing.rendering import Renderer
from openlane_authentik.testing.tokens import INVALID, Tokens

ME: Final = f"{API}core/users/me/"


class Records:
    """Answers what is asked of the users and groups of a directory, as one release of authentik does."""

    def __init__(self, directory: Directory, release: Release, tokens: Tokens, language: Language) -> None:
        self._directory = directory
        self._release = release
        self._tokens = tokens
        self.renderer = Renderer(directory, release)
        self._users = user_listing(directory, release, self.renderer, language)
        self._groups = group_listing(directory, release, self.renderer, language)

    def handler(self, path: str) -> Callable[[Call, Access], Answer] | None:
        """What answers at a path, None when it is not about users and groups."""
        answered = self._route(path)
        if answered is None:
            return None

        def seen_here(call: Call, access: Access) -> Answer:
            if self._directory is self._tokens.directory:
                return answered(call, access)
            if access.user not in self._directory.users:
                # The account has not arrived here yet, and its token neither.
                return refusal(403, INVALID)
            return answered(call, self._tokens.grants.access(access.user, self._directory))

        return seen_here

    def _route(self, path: str) -> Callable[[Call, Access], Answer] | None:
        if path == ME:
            return self._me
        for prefix, listing in ((USERS, self._users), (GROUPS, self._groups)):
            if path == prefix:
                return lambda call, access: listing.page(access, call.parameters)
            key = path.removeprefix(prefix).removesuffix("/")
            if path == f"{prefix}{key}/" and key and not set("/.") & set(key):
                return lambda call, access: listing.detail(access, key, call.parameters)
        return None

    def _me(self, _call: Call, access: Access) -> Answer:
        directory, pk = self._directory, access.user
        user = directory.users[pk]
        told: dict[str, Any] = {name: user[name] for name in ("pk", "username", "name", "is_active")}
        told["is_superuser"] = access.superuser
        groups = [directory.groups[group] for group in directory.all_groups_of(pk)]
        told["groups"] = sorted(({"name": g["name"], "pk": g["pk"]} for g in groups), key=lambda g: g["name"])
        if self._release.user_roles:
            told["roles"] = [{"name": directory.role_names[role], "pk": role} for role in directory.roles_of(pk)]
        told |= {name: user[name] for name in ("email", "avatar", "uid")}
        told["settings"] = user["attributes"].get("settings", {})
        told["type"] = user["type"]
        told["system_permissions"] = [name for name in SYSTEM_PERMISSIONS if access.may(name)]
        return json_answer({"user": told})
