"""The directory now, or as of a past run: the same columns either way.

Now is what the episodes say that are open and in scope. As of a run is what the change log says: of each record the
newest line up to that run, unless that line ended it or took it out of scope.
"""

from typing import Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.tables import account, change, sync_run
from openlane_authentik.host.errors import UnknownRecordError
from openlane_authentik.host.store.kinds import KINDS

# Of an episode; but for the first unknown of the past, whose later confirmations have been written over.
SEEN: Final = ("first_seen_at", "last_seen_at", "last_confirmed_run_id", "last_login_at", "predecessor")
ENDED: Final = ("COMPLETED", "FAILED")
_UNKNOWN: Final = sa.cast(sa.null(), sa.Text)


def directory(schema: Schema, installation_id: str, as_of: int | None = None) -> sa.Subquery:
    """Return the records of one kind, with ``external_id``, ``group_id``, ``record``, ``search`` and ``SEEN``.

    Args:
        schema: Which kind.
        installation_id: Whose.
        as_of: The number of a run; None for now.
    """
    return _now(schema, installation_id) if as_of is None else _as_of(schema, installation_id, as_of)


def mapped(schema: str, external_id: str, group_id: str, stored: str) -> msgspec.Raw:
    """Return a stored record as it was mapped: a membership's two ids stand in columns of their own."""
    if schema != Schema.MEMBERSHIP.value:
        return msgspec.Raw(stored.encode())
    ids = {"directory_account_id": external_id, "directory_group_id": group_id}
    return msgspec.Raw(msgspec.json.encode(ids | msgspec.json.decode(stored)))


def check_run_number(held: sa.Connection, installation_id: str, number: int | None) -> None:
    """Check that there was such a run, and that it has ended; one that failed changed nothing.

    Raises:
        UnknownRecordError: There was none, or it has not ended.
    """
    if number is None:
        return
    columns = sync_run.c
    run = sa.select(columns.status).where(columns.installation_id == installation_id, columns.number == number)
    status = held.scalar(run)
    if status is None:
        raise UnknownRecordError(f"the installation has no run {number}")
    if status not in ENDED:
        raise UnknownRecordError(f"run {number} has not ended: ask as of one that has, or without a run for now")


def lineage(held: sa.Connection, installation_id: str, external_id: str) -> list[str]:
    """Return the id of a record, and of an account those under which the same person was there before."""
    columns = account.c
    found: dict[str, None] = {}
    ids = [external_id]
    while ids:
        found |= dict.fromkeys(ids)
        before = sa.select(columns.predecessor).where(
            columns.installation_id == installation_id, columns.external_id.in_(ids), columns.predecessor.is_not(None)
        )
        ids = sorted(set(held.scalars(before)) - found.keys())
    return list(found)


def _now(schema: Schema, installation_id: str) -> sa.Subquery:
    kind = KINDS[schema]
    table = kind.table
    external_id, group_id = kind.log_keys(table)
    search = sa.literal("") if schema is Schema.MEMBERSHIP else table.c.search
    return (
        sa.select(
            external_id.label("external_id"),
            group_id.label("group_id"),
            table.c.record,
            search.label("search"),
            *(table.c[name] if name in table.c else _UNKNOWN.label(name) for name in SEEN),
        )
        .where(kind.present(installation_id))
        .subquery()
    )


def _as_of(schema: Schema, installation_id: str, number: int) -> sa.Subquery:
    columns = change.c
    newest_first = sa.func.row_number().over(
        partition_by=(columns.external_id, columns.group_id), order_by=columns.number.desc()
    )
    lines = (
        sa.select(
            columns.external_id,
            columns.group_id,
            columns.after.label("record"),
            columns.search,
            columns.since.label("first_seen_at"),
            newest_first.label("age"),
        )
        .where(columns.installation_id == installation_id, columns.schema == schema.value, columns.number <= number)
        .subquery()
    )
    return (
        sa.select(
            lines.c.external_id,
            lines.c.group_id,
            lines.c.record,
            lines.c.search,
            *(lines.c[name] if name in lines.c else _UNKNOWN.label(name) for name in SEEN),
        )
        .where(lines.c.age == 1, lines.c.record.is_not(None))
        .subquery()
    )
