"""A user's place in a group becomes a DirectoryMembership."""

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


def map_membership(identity: RawRecord, group_pk: str, context: MappingContext) -> DirectoryMembership:
    """Map one membership.

    Raises:
        UnmappableRecordError: The member has no ``uid``.
    """
    return {
        "directory_account_id": identifier(identity, "uid"),
        "directory_group_id": group_pk,
        "role": "MEMBER",
        "directory_instance_id": context.directory_instance_id,
        "last_seen_at": context.seen_at,
        "observed_at": context.seen_at,
    }
