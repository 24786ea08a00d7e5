"""Envelopes as rows: what is compared between two runs, what is searched, and what only lies beside it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from openlane_authentik.emit.envelope import Envelope, Schema

Row = dict[str, Any]

# What every run moves, and what has a column of its own.
_ASIDE: Final = frozenset(
    {"last_seen_at", "observed_at", "last_login_at", "profile", "directory_account_id", "directory_group_id"}
)
_SEARCHED: Final = ("display_name", "canonical_email", "external_id", "secondary_key")
_sorted_json: Final = msgspec.json.Encoder(order="sorted")


def row_of(envelope: Envelope, now: str) -> Row:
    """Return the row of the staged table that takes a record of this kind.

    Args:
        envelope: The record.
        now: When it came, for an integration that does not tell when it saw it.
    """
    record = envelope.record
    stable = {key: value for key, value in record.items() if key not in _ASIDE}
    row = _BESIDE[envelope.schema](envelope)
    row["record"] = _sorted_json.encode(stable).decode()
    row["seen_at"] = record.get("last_seen_at") or now
    return row


def search_text(record: Mapping[str, Any]) -> str:
    """Return what a record is found by, without regard to case: its name, e-mail address, id and username."""
    found = (record.get(key) for key in _SEARCHED)
    # PostgreSQL stores no NUL.
    return " ".join(text for text in found if text).casefold().replace("\x00", "")


def _account(envelope: Envelope) -> Row:
    return _group(envelope) | {"last_login_at": envelope.record.get("last_login_at")}


def _group(envelope: Envelope) -> Row:
    return {
        "external_id": envelope.record["external_id"],
        "profile": _sorted_json.encode(envelope.payload).decode(),
        "search": search_text(envelope.record),
    }


def _membership(envelope: Envelope) -> Row:
    record = envelope.record
    return {"account_id": record["directory_account_id"], "group_id": record["directory_group_id"]}


_BESIDE: Final[Mapping[Schema, Callable[[Envelope], Row]]] = {
    Schema.ACCOUNT: _account,
    Schema.GROUP: _group,
    Schema.MEMBERSHIP: _membership,
}
