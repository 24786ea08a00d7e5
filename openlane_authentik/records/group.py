"""A group of authentik becomes a DirectoryGroup."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.records.context import (
    MappingContext,
    Sha256,
    Timestamp,
    attributes,
    identifier,
    profile_hash,
    text,
)

GroupStatus = Literal["ACTIVE", "INACTIVE", "DELETED"]
GroupClassification = Literal["TEAM", "SECURITY", "DISTRIBUTION", "DYNAMIC"]

MAP_EXPR: Final = """{
  'external_id': payload.pk,
  'display_name': has(payload.name) && payload.name != null ? payload.name : '',
  'status': 'ACTIVE',
  'classification': has(payload.is_superuser) && payload.is_superuser == true ? 'SECURITY' : 'TEAM',
  'member_count': has(payload.users) && payload.users != null ? size(payload.users) : 0,
  'metadata': has(payload.attributes) && payload.attributes != null ? payload.attributes : {},
  'profile': payload
}"""


class DirectoryGroup(TypedDict):
    """A group of the directory."""

    external_id: Annotated[str, Field(description="authentik's `pk`, a UUID.", min_length=1)]
    display_name: Annotated[str, Field(description="`name`.")]
    status: Annotated[GroupStatus, Field(description="A group that authentik lists is ACTIVE.")]
    classification: Annotated[GroupClassification, Field(description="SECURITY when it makes its members superusers.")]
    member_count: Annotated[int, Field(description="Direct members in authentik, whatever the filter keeps.", ge=0)]
    directory_instance_id: Annotated[str, Field(description="Which authentik: its base URL without the scheme.")]
    metadata: Annotated[dict[str, Any], Field(description="authentik's free-form `attributes`.")]
    last_seen_at: Annotated[Timestamp, Field(description="When this run read the group.")]
    observed_at: Annotated[Timestamp, Field(description="When this snapshot was recorded.")]
    profile_hash: Annotated[Sha256, Field(description="Changes with what an auditor asks about, not with every run.")]
    profile: NotRequired[
        Annotated[dict[str, Any], Field(description="The raw group; left out where the payload stands beside it.")]
    ]


def map_group(raw: RawRecord, context: MappingContext) -> DirectoryGroup:
    """Map one group.

    Raises:
        UnmappableRecordError: The group has no ``pk``.
    """
    users = raw.get("users")
    record: DirectoryGroup = {
        "external_id": identifier(raw, "pk"),
        "display_name": text(raw.get("name")),
        "status": "ACTIVE",
        "classification": "SECURITY" if raw.get("is_superuser") is True else "TEAM",
        "member_count": len(users) if isinstance(users, list) else 0,
        "directory_instance_id": context.directory_instance_id,
        "metadata": attributes(raw),
    }  # type: ignore[typeddict-item]
    record["profile_hash"] = profile_hash(record)
    record["last_seen_at"] = record["observed_at"] = context.seen_at
    return record
