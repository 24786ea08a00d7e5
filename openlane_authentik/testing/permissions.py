"""The permissions authentik knows of, as ``rbac/permissions/`` tells them."""

from dataclasses import asdict, dataclass
from typing import Final

VIEW_USER: Final = "view_user"
VIEW_GROUP: Final = "view_group"
VIEW_ROLE: Final = "view_role"
VIEW_SYSTEM_INFO: Final = "view_system_info"

SYSTEM_PERMISSIONS: Final = (
    "change_initialpermissions",
    "change_role",
    "add_initialpermissions",
    "assign_role_permissions",
    "delete_role",
    "manage_media_files",
    "add_role",
    "delete_initialpermissions",
    "edit_system_settings",
    "view_media_files",
    "view_initialpermissions",
    VIEW_SYSTEM_INFO,
    VIEW_ROLE,
    "unassign_role_permissions",
    "access_admin_interface",
    "view_system_settings",
)
"""What ``system_permissions`` of ``users/me`` may name: permissions of the ``rbac`` app alone, never ``view_user``."""

_ACTIONS: Final = ("add", "change", "delete", "view")
_CORE_MODELS: Final = ("Group", "Application", "Token", "Source", "User", "Provider", "Brand", "Session")


@dataclass(frozen=True, slots=True)
class Permission:
    """One permission that exists."""

    id: int
    name: str
    codename: str
    model: str
    app_label: str
    app_label_verbose: str
    model_verbose: str


def _core_permissions() -> list[Permission]:
    pairs = [(model, action) for model in _CORE_MODELS for action in _ACTIONS]
    return [
        Permission(
            id=number,
            name=f"Can {action} {model}",
            codename=f"{action}_{model.lower()}",
            model=model.lower(),
            app_label="authentik_core",
            app_label_verbose="authentik Core",
            model_verbose=model,
        )
        for number, (model, action) in enumerate(pairs, start=1)
    ]


def _system_permissions(first: int) -> list[Permission]:
    return [
        Permission(
            id=number,
            name=f"Can {codename.replace('_', ' ')}",
            codename=codename,
            model="systempermission",
            app_label="authentik_rbac",
            app_label_verbose="authentik RBAC",
            model_verbose="System permission",
        )
        for number, codename in enumerate(SYSTEM_PERMISSIONS, start=first)
    ]


_CORE: Final = _core_permissions()

PERMISSION_ROWS: Final = tuple(asdict(permission) for permission in (*_CORE, *_system_permissions(len(_CORE) + 1)))
"""Every permission there is; the ids of ``view_group`` (4) and ``view_user`` (20) are those of authentik 2025.12.4."""
