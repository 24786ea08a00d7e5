"""The top-level fields a raw record can have, over all releases from 2023.10 to 2026.2.

Read off recorded answers of 2025.12.4, and off the OpenAPI schemas of sampled releases for what others have.
"""

from typing import Final

USER_FIELDS: Final = frozenset(
    {
        "attributes",
        "avatar",
        "date_joined",
        "email",
        "groups",
        "groups_obj",
        "is_active",
        "is_superuser",
        "last_login",
        "last_updated",
        "name",
        "password_change_date",
        "path",
        "pk",
        "roles",
        "roles_obj",
        "type",
        "uid",
        "username",
        "uuid",
    }
)
GROUP_FIELDS: Final = frozenset(
    {
        "attributes",
        "children",
        "children_obj",
        "inherited_roles_obj",
        "is_superuser",
        "name",
        "num_pk",
        "parent",
        "parent_name",
        "parents",
        "parents_obj",
        "pk",
        "roles",
        "roles_obj",
        "users",
        "users_obj",
    }
)
# A membership is judged on its account's payload, so it has no fields of its own.
KNOWN_FIELDS: Final = {"DirectoryAccount": USER_FIELDS, "DirectoryGroup": GROUP_FIELDS}
