"""Who has what: every account with each of its groups, for an access review, now or as of a past run."""

import csv
import io
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.store.history import check_run_number, directory

_ROWS: Final = 2_000
# A spreadsheet would run a cell that begins so as a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    NDJSON = "ndjson"


class Access(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """An account in a group; an account in none has one line without a group."""

    account_id: str
    display_name: str
    email: str
    account_type: str
    status: str
    group_id: str | None
    group_name: str | None
    group_classification: str | None
    role: str | None
    since: str | None


def export(
    engine: sa.Engine, installation_id: str, shape: ExportFormat, *, as_of: int | None = None
) -> Iterator[bytes]:
    """Write who has what, chunk by chunk, from one state of the database, by account and group.

    In CSV a text that a spreadsheet would take for a formula is led by an apostrophe. ``since`` is when the membership
    was first seen, unbroken by what the filter kept out meanwhile.

    Raises:
        UnknownRecordError: There is no such run.
    """
    encoder = msgspec.json.Encoder()
    if shape is ExportFormat.CSV:
        yield _csv([tuple(field.encode_name for field in msgspec.structs.fields(Access))])
    for lines in _lines(engine, installation_id, as_of):
        yield (
            _csv([msgspec.structs.astuple(line) for line in lines])
            if shape is ExportFormat.CSV
            else (encoder.encode_lines(lines))
        )


def _lines(engine: sa.Engine, installation_id: str, as_of: int | None) -> Iterator[list[Access]]:
    """Go through accounts and memberships side by side, both in the order of the account's id."""
    with reading(engine) as held:
        check_run_number(held, installation_id, as_of)

        def rows(schema: Schema) -> Iterator[Any]:
            found = directory(schema, installation_id, as_of)
            ordered = sa.select(found).order_by(found.c.external_id, found.c.group_id)
            return iter(held.execute(ordered, execution_options={"yield_per": _ROWS}))

        groups = {row.external_id: msgspec.json.decode(row.record) for row in rows(Schema.GROUP)}
        memberships = rows(Schema.MEMBERSHIP)
        membership = next(memberships, None)
        lines: list[Access] = []
        for account in rows(Schema.ACCOUNT):
            held_groups = []
            while membership is not None and membership.external_id <= account.external_id:
                if membership.external_id == account.external_id:
                    held_groups.append(membership)
                membership = next(memberships, None)
            lines += _accesses(account, held_groups, groups)
            if len(lines) >= _ROWS:
                yield lines
                lines = []
        yield lines


def _accesses(account: Any, memberships: list[Any], groups: dict[str, dict[str, Any]]) -> Iterator[Access]:
    record = msgspec.json.decode(account.record)
    for membership in memberships or [None]:
        group = groups.get(membership.group_id, {}) if membership else {}
        yield Access(
            account_id=account.external_id,
            display_name=record.get("display_name", ""),
            email=record.get("canonical_email", ""),
            account_type=record.get("account_type", ""),
            status=record.get("status", ""),
            group_id=membership.group_id if membership else None,
            group_name=group.get("display_name"),
            group_classification=group.get("classification"),
            role=msgspec.json.decode(membership.record).get("role") if membership else None,
            since=membership.first_seen_at if membership else None,
        )


def _csv(rows: list[tuple[str | None, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([tuple(map(_harmless, row)) for row in rows])
    return text.getvalue().encode()


def _harmless(text: str | None) -> str:
    if text is None:
        return ""
    return f"'{text}" if text.startswith(_FORMULA) else text
