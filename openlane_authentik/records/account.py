"""A user of authentik becomes a DirectoryAccount."""

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

AccountType = Literal["USER", "SERVICE", "SHARED", "GUEST"]
AccountStatus = Literal["ACTIVE", "INACTIVE", "SUSPENDED", "DELETED"]

# User types of authentik 2023.8 and later; a type of a later release counts as a person, and is reported.
ACCOUNT_TYPES: Final[dict[str, AccountType]] = {
    "internal": "USER",
    "external": "GUEST",
    "service_account": "SERVICE",
    "internal_service_account": "SERVICE",
}

# The same mapping for a host that maps by itself, but for what only a run knows: its times, the directory's identity,
# the primary switch, and the hash. CEL has no lower-casing in its standard functions, so the e-mail stays as it is.
MAP_EXPR: Final = """{
  'external_id': payload.uid,
  'secondary_key': has(payload.username) && payload.username != '' ? payload.username : null,
  'canonical_email': has(payload.email) && payload.email != null ? payload.email : '',
  'display_name': has(payload.name) && payload.name != null && payload.name != '' ? payload.name
    : (has(payload.username) && payload.username != null ? payload.username : ''),
  'status': has(payload.is_active) && payload.is_active == true ? 'ACTIVE' : 'INACTIVE',
  'account_type': !has(payload.type) ? 'USER' : (payload.type == 'external' ? 'GUEST'
    : (payload.type in ['service_account', 'internal_service_account'] ? 'SERVICE' : 'USER')),
  'added_at': has(payload.date_joined) && payload.date_joined != '' ? payload.date_joined : null,
  'last_login_at': has(payload.last_login) && payload.last_login != '' ? payload.last_login : null,
  'organization_unit': has(payload.path) && payload.path != '' ? payload.path : null,
  'metadata': has(payload.attributes) && payload.attributes != null ? payload.attributes : {},
  'profile': payload
}"""


class DirectoryAccount(TypedDict):
    """A person, guest or service account of the directory; a field that the release lacks is absent."""

    external_id: Annotated[str, Field(description="authentik's `uid`.", min_length=1)]
    secondary_key: NotRequired[Annotated[str, Field(description="`username`; absent when there is none.")]]
    canonical_email: Annotated[str, Field(description="E-mail in lower case; empty when there is none.")]
    display_name: Annotated[str, Field(description="`name`, else `username`.")]
    status: Annotated[AccountStatus, Field(description="From `is_active`.")]
    account_type: Annotated[AccountType, Field(description="From `type`; a type not known here is USER.")]
    directory_instance_id: Annotated[str, Field(description="Which authentik: its base URL without the scheme.")]
    primary_source: Annotated[bool, Field(description="Whether this is the organisation's primary directory.")]
    metadata: Annotated[dict[str, Any], Field(description="authentik's free-form `attributes`.")]
    added_at: NotRequired[Annotated[Timestamp, Field(description="`date_joined`.")]]
    organization_unit: NotRequired[Annotated[str, Field(description="`path`.")]]
    last_login_at: NotRequired[Annotated[Timestamp, Field(description="`last_login`; absent when never.")]]
    last_seen_at: Annotated[Timestamp, Field(description="When this run read the account.")]
    observed_at: Annotated[Timestamp, Field(description="When this snapshot was recorded.")]
    profile_hash: Annotated[Sha256, Field(description="Changes with what an auditor asks about, not with every run.")]
    profile: NotRequired[
        Annotated[dict[str, Any], Field(description="The raw user; left out where the payload stands beside it.")]
    ]


def map_account(raw: RawRecord, context: MappingContext) -> DirectoryAccount:
    """Map one user.

    Raises:
        UnmappableRecordError: The user has no ``uid``.
    """
    told = raw.get
    kind = told("type")
    account_type = ACCOUNT_TYPES.get(kind) if isinstance(kind, str) else None
    if account_type is None:
        account_type = "USER"
        if kind is not None:
            context.unknown_types[text(kind) or "not a text"] += 1
    record: DirectoryAccount = {
        "external_id": identifier(raw, "uid"),
        "canonical_email": text(told("email")).lower(),
        "display_name": text(told("name")) or text(told("username")),
        "status": "ACTIVE" if told("is_active") is True else "INACTIVE",
        "account_type": account_type,
        "directory_instance_id": context.directory_instance_id,
        "primary_source": context.primary,
        "metadata": attributes(raw),
    }  # type: ignore[typeddict-item]
    if username := text(told("username")):
        record["secondary_key"] = username
    if added_at := text(told("date_joined")):
        record["added_at"] = added_at
    if organization_unit := text(told("path")):
        record["organization_unit"] = organization_unit
    record["profile_hash"] = profile_hash(record)
    if last_login_at := text(told("last_login")):
        record["last_login_at"] = last_login_at
    record["last_seen_at"] = record["observed_at"] = context.seen_at
    return record
