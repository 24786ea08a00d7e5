"""What ``autocomplete`` of the lists of users and groups carries from 2026.2 on: the fields a search may name.

By authentik's published source. On a measured 2026.5 it took 638 bytes for users and 328 for groups, near what is here.
"""

from typing import Any, Final

import msgspec

from openlane_authentik.testing.raw import USER_TYPES

_TEXT: Final = {"type": "str", "nullable": False, "options": None}
_FLAG: Final = {"type": "bool", "nullable": True, "options": None}


def _suggestions(model: str, fields: dict[str, Any]) -> bytes:
    attributes = f"authentik_core.{model}_attributes"
    searched = {
        **fields,
        "attributes": {"type": "relation", "nullable": False, "options": None, "relation": attributes},
    }
    current = f"authentik_core.{model}"
    return msgspec.json.encode({"current_model": current, "models": {current: searched, attributes: {}}})


USER_SUGGESTIONS: Final = _suggestions(
    "user",
    {
        **dict.fromkeys(("username", "name", "email", "path"), _TEXT),
        "is_active": _FLAG,
        "type": {**_TEXT, "options": USER_TYPES},
    },
)
GROUP_SUGGESTIONS: Final = _suggestions("group", {"name": _TEXT, "is_superuser": _FLAG})
