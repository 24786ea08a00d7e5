"""Tokens, the accounts they belong to, and which Authorization header lets in whom."""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.grants import Access, Grants
from openlane_authentik.testing.kinds import KINDS, NO_ACCOUNT, Kind
from openlane_authentik.testing.raw import SERVICE_ACCOUNT_PATH, instant_text
from openlane_authentik.testing.releases import Release

INVALID: Final = "Token invalid/expired"
"""The ``detail`` of the 403 for a token that is not taken: in English whatever the brand's locale."""

_ADMINS: Final = "authentik Admins"
_ROLE_HOLDERS: Final = "Readers (role holders)"
_SPACE: Final = uuid.UUID("746f6b65-6e73-4f66-8661-6b6561757468")


class RefusedTokenError(Exception):
    """The Authorization header does not let in; the message is the ``detail`` of the 403."""


@dataclass(slots=True)
class Token:
    """A token as the server keeps it; ``key`` is the secret, ``owner`` the UUID of the account ``user``."""

    key: str
    pk: str
    identifier: str
    user: int
    owner: str
    intent: str
    expires: datetime
    expiring: bool = True


@dataclass(slots=True)
class Tokens:
    """The tokens of one server; accounts are users of its directory, made when their first token is."""

    directory: Directory
    release: Release
    grants: Grants = field(init=False)
    _held: dict[str, Token] = field(default_factory=dict)
    _set_up: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin without any permission."""
        self.grants = Grants(self.directory)

    def issue(
        self,
        kind: str,
        *,
        identifier: str | None = None,
        expires: datetime | timedelta | None = None,
        expiring: bool | None = None,
        visible_users: Iterable[int] | None = None,
        visible_groups: Iterable[str] | None = None,
    ) -> str:
        """The token of a kind, made when it is new; see ``FakeAuthentik.token``.

        Raises:
            ValueError: no such kind; the message lists those there are.
        """
        if kind in NO_ACCOUNT:
            return NO_ACCOUNT[kind]
        if kind not in KINDS:
            raise ValueError(f"no kind of token {kind}; there are {', '.join((*KINDS, *NO_ACCOUNT))}")
        name = identifier or f"tok-{kind}"
        with self.directory.lock:
            token = next((held for held in self._held.values() if held.identifier == name), None)
            token = token or self._made(kind, name)
            if visible_users is not None or visible_groups is not None:
                self.grants.see_only(kind, visible_users, visible_groups)
            if expires is not None:
                token.expires = self.directory.clock() + expires if isinstance(expires, timedelta) else expires
            if expiring is not None:
                token.expiring = expiring
        return token.key

    def account(self, kind: str) -> int:
        """The key of the user a kind of token belongs to.

        Raises:
            KeyError: the kind has no account, or no token of it was asked for yet.
        """
        username = f"it-{KINDS[kind].account or kind}"
        for token in self._held.values():
            if self._is_named(token.user, username):
                return token.user
        raise KeyError(kind)

    def permit(self, kind: str, *codenames: str) -> None:
        """Set the global permissions of a kind's role from now on; none of them takes all away.

        Raises:
            ValueError: the kind has no role.
        """
        self.grants.permit(kind, *codenames)

    def narrow(self, kind: str, users: Iterable[int] | None, groups: Iterable[str] | None) -> None:
        """Take the global permissions of a kind's account away; see ``FakeAuthentik.narrow``."""
        self.issue(kind)
        self.grants.narrow(KINDS[kind].account or kind, self.account(kind), users, groups)

    def widen(self, kind: str) -> None:
        """Give back what ``narrow`` took; see ``FakeAuthentik.widen``."""
        self.grants.widen(KINDS[kind].account or kind, self.account(kind))

    def authenticate(self, header: str | None) -> Access | None:
        """What an Authorization header gives access to; None when there is none, or nothing to read in it.

        Schemes other than Bearer are not looked at: measured on authentik 2026.2. An expired token is deleted on its
        first use, except from 2026.5 on.

        Raises:
            RefusedTokenError: a header that does not let in.
        """
        scheme, _, key = (header or "").strip().partition(" ")
        if not key or scheme.lower() != "bearer":
            return None
        token = self._held.get(key)
        if token is None:
            raise RefusedTokenError(INVALID)
        if token.expiring and token.expires < self.directory.clock():
            if not self.release.keeps_expired_tokens:
                del self._held[key]
            raise RefusedTokenError(INVALID)
        if not self._has_owner(token) or not self.directory.users[token.user]["is_active"] or token.intent != "api":
            raise RefusedTokenError(INVALID)
        return self.grants.access(token.user, self.directory)

    def visible_to(self, access: Access) -> list[Token]:
        """The tokens an account is shown, by identifier: a superuser all, anybody else its own."""
        owned = [token for token in self._held.values() if self._has_owner(token)]
        shown = [token for token in owned if access.superuser or token.user == access.user]
        return sorted(shown, key=lambda token: token.identifier)

    def _has_owner(self, token: Token) -> bool:
        # After a restore another account may have the key that the token's account had.
        user = self.directory.users.get(token.user)
        return user is not None and user["uuid"] == token.owner

    def _is_named(self, pk: int, username: str) -> bool:
        user = self.directory.users.get(pk)
        return user is not None and user["username"] == username

    def _made(self, kind: str, identifier: str) -> Token:
        traits = KINDS[kind]
        user = self._account_of(traits.account or kind)
        key = hashlib.sha256(f"token {identifier}".encode()).hexdigest()
        expires = self.directory.clock() + traits.lifetime
        pk = str(uuid.uuid5(_SPACE, identifier))
        owner = self.directory.users[user]["uuid"]
        token = Token(key, pk, identifier, user, owner, traits.intent, expires)
        self._held[key] = token
        return token

    def _account_of(self, kind: str) -> int:
        username = f"it-{kind}"
        traits, directory = KINDS[kind], self.directory
        pk = next((pk for pk in directory.users if self._is_named(pk, username)), None)
        if pk is None:
            pk = directory.create_user(
                username=username, type=traits.user_type, path=SERVICE_ACCOUNT_PATH, is_active=traits.active
            )
        elif kind in self._set_up:
            return pk
        self._set_up.add(kind)
        if traits.superuser:
            directory.add_member(self._group_named(_ADMINS, superuser=True), pk)
        if traits.permissions or traits.object_level:
            self._give_role(kind, traits, pk)
        return pk

    def _give_role(self, kind: str, traits: Kind, pk: int) -> None:
        directory, name = self.directory, f"role-{kind}"
        if self.release.user_roles and not traits.via_group:
            role = directory.give_role(name, user=pk)
        else:
            # Before 2025.12 a role could hang on groups only.
            group = self._group_named(_ROLE_HOLDERS if traits.via_group else f"Holders of {name}")
            role = directory.give_role(name, group=group)
            directory.add_member(group, pk)
        self.grants.give(role, traits.permissions, object_level=traits.object_level)

    def _group_named(self, name: str, *, superuser: bool = False) -> str:
        found = (pk for pk, group in self.directory.groups.items() if group["name"] == name)
        return next(found, None) or self.directory.create_group(name, is_superuser=superuser)


def token_row(token: Token) -> dict[str, Any]:
    """A token as ``core/tokens/`` writes it, without the user: no key, so an account's tokens can't be told apart."""
    return {
        "pk": token.pk,
        "managed": None,
        "identifier": token.identifier,
        "intent": token.intent,
        "user": token.user,
        "user_obj": None,
        "description": "",
        "expires": instant_text(token.expires),
        "expiring": token.expiring,
    }
