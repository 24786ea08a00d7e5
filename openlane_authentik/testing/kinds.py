"""Kinds of token and what the accounts behind them are: the cases measured on authentik 2025.12.4."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from openlane_authentik.testing.permissions import VIEW_GROUP, VIEW_ROLE, VIEW_SYSTEM_INFO, VIEW_USER

_LIFETIME: Final = timedelta(days=200)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of token is, apart from ``viewer``'s traits.

    Attributes:
        permissions: Global permissions of the account's role; none at all means no role.
        account: The account's name, when it is another kind's.
        via_group: The role hangs on a group of the account's.
        object_level: The role may view chosen users and groups only.
        superuser: The account is in a superuser group.
        user_type: The account's type.
        active: Whether the account is.
        intent: What the token was made for.
        lifetime: Negative for one that has expired.
    """

    permissions: frozenset[str] = frozenset()
    account: str | None = None
    via_group: bool = False
    object_level: bool = False
    superuser: bool = False
    user_type: str = "service_account"
    active: bool = True
    intent: str = "api"
    lifetime: timedelta = _LIFETIME


_VIEWER: Final = frozenset({VIEW_USER, VIEW_GROUP})

KINDS: Final = {
    "viewer": Kind(_VIEWER),
    "viewer_plus": Kind(_VIEWER | {VIEW_ROLE, VIEW_SYSTEM_INFO}),
    "viewer_via_group": Kind(_VIEWER, via_group=True),
    "view_user_only": Kind(frozenset({VIEW_USER})),
    "view_group_only": Kind(frozenset({VIEW_GROUP})),
    "object_level": Kind(object_level=True),
    "superuser": Kind(superuser=True),
    "none": Kind(),
    "internal_sa_none": Kind(user_type="internal_service_account"),
    "app_password": Kind(superuser=True, account="superuser", intent="app_password"),
    "inactive": Kind(_VIEWER, active=False),
    "expired": Kind(_VIEWER, account="viewer", lifetime=timedelta(hours=-1)),
}
"""The kinds with an account; ``wrong``, ``malformed`` and ``no_header`` have none."""

NO_ACCOUNT: Final = {"wrong": "no-such-token", "malformed": "", "no_header": ""}
"""What stands for a token where there is none: a wrong one, an empty one, and no header at all."""
