"""What mapping one run's records needs beside the record."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from pydantic import Field

from openlane_authentik.authentik.pages import RawRecord

Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_sorted_json = msgspec.json.Encoder(order="sorted")


@dataclass(slots=True)
class MappingContext:
    """One run's circumstances, and what mapping noticed.

    Attributes:
        directory_instance_id: Which authentik the records are of.
        primary: Whether this is the organisation's primary directory.
        seen_at: When the records at hand were read, RFC 3339; moved on page by page.
        unknown_types: User types this package does not know, with how often each was met.
    """

    directory_instance_id: str
    primary: bool
    seen_at: str
    unknown_types: Counter[str] = field(default_factory=Counter)


class UnmappableRecordError(Exception):
    """A record lacks what identifies it; the run counts it failed by ``cause`` and goes on."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def identifier(raw: RawRecord, key: str) -> str:
    """Return a record's identifier.

    Raises:
        UnmappableRecordError: It is missing, empty or no text.
    """
    value = raw.get(key)
    if not isinstance(value, str) or not value:
        raise UnmappableRecordError(f"no_{key}")
    return value


def text(value: Any) -> str:
    """Return a text, or "" for anything else."""
    return value if isinstance(value, str) else ""


def attributes(raw: RawRecord) -> dict[str, Any]:
    """Return a record's free-form attributes, or none."""
    value = raw.get("attributes")
    return value if isinstance(value, dict) else {}


def profile_hash(stable: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the mapped record as compact UTF-8 JSON with sorted keys.

    Taken over all of the record but itself, ``profile``, the run's times and the last login, so that it changes when
    something that an auditor asks about does.
    """
    return hashlib.sha256(_sorted_json.encode(stable)).hexdigest()
