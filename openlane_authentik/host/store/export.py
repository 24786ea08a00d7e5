"""Who has what: every account with each of its groups, for an access review, now or as of a past run."""

import csv
import io
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.clock import Clock, SystemClock, rfc3339
from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.store.about import About, about_export
from openlane_authentik.host.store.history import check_run_number, directory

_ROWS: Final = 2_000
# By it a spreadsheet knows that the text is UTF-8.
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# What a spreadsheet runs as a formula, in either width, where a cell begins: by the separators of any country, too.
_FORMULA: Final = re.compile(r"(^|[;,|\t\r\n])(?=[\s\"']*[=+\-@\uff1d\uff0b\uff0d\uff20])|^(?=[\t\r\n])")


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
    username: str | None
    last_login_at: str | None


def export(
    engine: sa.Engine,
    installation_id: str,
    shape: ExportFormat,
    *,
    as_of: int | None = None,
    clock: Clock | None = None,
) -> Iterator[bytes]:
    """Write who has what, chunk by chunk, from one state of the database, by account and group.

    An export says of what it is: see ``About``. In NDJSON that is the first line, ``{"export": {…}}``. In CSV it is
    columns at the end of each line, so that readers find the header and the rows where they look for them, and so that
    sorting, cutting and joining tables keeps it; an export of nobody has one line without an account.

    CSV is for people: it begins with a byte order mark, and an apostrophe stands before whatever a spreadsheet would
    take for a formula, at the beginning of a text and behind each separator in it. NDJSON gives every text as it is.
    ``since`` is when the membership was first seen, unbroken by what the filter kept out meanwhile; ``lastLoginAt`` is
    empty as of a past run.

    Raises:
        UnknownRecordError: There is no such run.
    """
    now = rfc3339((clock or SystemClock()).now())
    with reading(engine) as held:
        check_run_number(held, installation_id, as_of)
        about = about_export(held, installation_id, as_of, now)
        lines = _lines(held, installation_id, as_of)
        yield from _table(about, lines) if shape is ExportFormat.CSV else _ndjson(about, lines)


def _table(about: About, chunks: Iterator[list[Access]]) -> Iterator[bytes]:
    fields = [field.encode_name for field in msgspec.structs.fields(Access)]
    yield _BYTE_ORDER_MARK + _csv([(*fields, *about.columns())])
    cells = about.cells()
    if not about.rows:
        yield _csv([(*[None] * len(fields), *cells)])
    for lines in chunks:
        yield _csv([(*msgspec.structs.astuple(line), *cells) for line in lines])


def _ndjson(about: About, chunks: Iterator[list[Access]]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    yield encoder.encode_lines([{"export": about}])
    yield from map(encoder.encode_lines, chunks)


def _lines(held: sa.Connection, installation_id: str, as_of: int | None) -> Iterator[list[Access]]:
    """Go through accounts and memberships side by side, both in the order of the account's id."""

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
            username=record.get("secondary_key"),
            last_login_at=account.last_login_at,
        )


def _csv(rows: list[tuple[str | None, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([tuple(map(_harmless, row)) for row in rows])
    return text.getvalue().encode()


def _harmless(text: str | None) -> str:
    if text is None:
        return ""
    return _FORMULA.sub(r"\1'", text)
