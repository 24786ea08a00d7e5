"""Lists that a sync never asks for: who may read them, and the little that is in them here.

Measured on authentik 2026.2: without the permission a 403 in JSON, never a 404; only ``authenticators/admin/all/`` is a
200 of nothing then. Nobody has a device here and nothing is logged: those lists are empty for whoever may read them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from openlane_authentik.testing.answers import READ_ONLY, Answer, json_answer
from openlane_authentik.testing.calls import API, Call
from openlane_authentik.testing.permissions import VIEW_ROLE
from openlane_authentik.testing.state import DirectoryState

ALL_DEVICES: Final = f"{API}authenticators/admin/all/"
STATIC_DEVICES: Final = f"{API}authenticators/admin/static/"
_DEVICE_TYPES: Final = ("duo", "email", "endpoint", "sms", "static", "totp", "webauthn")


@dataclass(frozen=True, slots=True)
class OtherList:
    """A list, and the permission without which it is refused."""

    permission: str
    rows: Callable[[], list[dict[str, Any]]]


def other_lists(directory: DirectoryState) -> dict[str, OtherList]:
    """The lists by path."""

    def roles() -> list[dict[str, Any]]:
        return sorted(({"pk": pk, "name": name} for pk, name in directory.role_names.items()), key=_name_of)

    devices = {f"{API}authenticators/admin/{kind}/": OtherList(f"view_{kind}device", list) for kind in _DEVICE_TYPES}
    return {
        f"{API}rbac/roles/": OtherList(VIEW_ROLE, roles),
        f"{API}events/events/": OtherList("view_event", list),
        **devices,
    }


def all_devices(call: Call, directory: DirectoryState) -> Answer:
    """The devices of one user, or of all: none; whoever asks, a user who does not exist is a 400.

    The words are those of Django REST Framework.
    """
    text = call.parameters.get("user", ("",))[-1]
    if text and not text.isdecimal():
        return json_answer({"user": ["Incorrect type. Expected pk value, received str."]}, 400, READ_ONLY)
    if text and int(text) not in directory.users:
        return json_answer({"user": [f'Invalid pk "{text}" - object does not exist.']}, 400, READ_ONLY)
    return json_answer([], allow=READ_ONLY)


def _name_of(role: dict[str, Any]) -> str:
    name: str = role["name"]
    return name
