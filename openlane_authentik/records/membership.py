"""A user's place in a group becomes a DirectoryMembership."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import Field
from typing_extensions import TypedDict

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.records.context import MappingContext, Timestamp, identifier

MembershipRole = Literal["MEMBER", "MAINTAINER", "MANAGER", "OWNER"]

MAP_EXPR: Final = """{
  'directory_account_id': payload.uid,
  'directory_group_id': resource,
  'role': 'MEMBER'
}"""


class DirectoryMembership(TypedDict):
    """That an account is a direct member of a group; authentik tells nothing else of it."""

    directory_account_id: Annotated[str, Field(description="The member's `uid`.", min_length=1)]
    directory_group_id: Annotated[str, Field(description="The group's `pk`.", min_length=1)]
    role: Annotated[MembershipRole, Field(description="authentik knows members only.")]
    directory_instance_id: Annotated[str, Field(description="Which authentik: its base URL without the scheme.")]
    last_seen_at: Annotated[Timestamp, Field(description="When this run confirmed it.")]
    observed_at: Annotated[Timestamp, Field(description="When this snapshot was recorded.")]


def map_memberships(identity: RawRecord, groups: Iterable[str], context: MappingContext) -> list[DirectoryMembership]:
    """Map one user's memberships in some groups.

    Raises:
        UnmappableRecordError: The member has no ``uid``.
    """
    uid, instance, seen_at = identifier(identity, "uid"), context.directory_instance_id, context.seen_at
    return [
        {
            "directory_account_id": uid,
            "directory_group_id": group,
            "role": "MEMBER",
            "directory_instance_id": instance,
            "last_seen_at": seen_at,
            "observed_at": seen_at,
        }
        for group in groups
    ]
