"""Lines of the change log and ids of records, as people read them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import change
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.history import directory
from openlane_authentik.host.store.lists import Change

# By (schema, id), the name.
Names = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that a change changed."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Line:
    """A change, with names for its ids."""

    change: Change
    name: str
    group_name: str | None
    differences: list[Difference]


def lines(host: Host, installation_id: str, changes: list[Change]) -> list[Line]:
    """Return changes with the names of what they are about: at that time, else now."""
    of_memberships = [change for change in changes if change.schema == Schema.MEMBERSHIP]
    names = display_names(host, installation_id, ((change.external_id, change.group_id) for change in of_memberships))
    return [_line(change, names) for change in changes]


def _line(change: Change, names: Names) -> Line:
    before, after = _record(change.before), _record(change.after)
    account = names.get((Schema.ACCOUNT, change.external_id))
    name = after.get("display_name") or before.get("display_name") or account or change.external_id
    group = names.get((Schema.GROUP, change.group_id), change.group_id) if change.group_id else None
    differences = [Difference(field, before.get(field), after.get(field)) for field in change.fields or ()]
    return Line(change, name, group, differences)


def display_names(
    host: Host, installation_id: str, pairs: Iterable[tuple[str, str | None]], as_of: int | None = None
) -> Names:
    """Return the names of the accounts and groups of memberships: as of then, else the last that the log knows."""
    listed = list(pairs)
    wanted = {
        Schema.ACCOUNT: {account for account, _ in listed},
        Schema.GROUP: {group for _, group in listed if group},
    }
    found: Names = {}
    with reading(host.database) as held:
        for schema, ids in wanted.items():
            records = directory(schema, installation_id, as_of)
            query = sa.select(records.c.external_id, records.c.record).where(records.c.external_id.in_(sorted(ids)))
            there = {row.external_id: row.record for row in held.execute(query)} if ids else {}
            gone = ids - there.keys()
            there |= {row.external_id: row.record for row in held.execute(_told(schema, installation_id, gone))}
            for external_id, record in there.items():
                if name := msgspec.json.decode(record).get("display_name"):
                    found[schema, external_id] = name
    return found


def _told(schema: Schema, installation_id: str, ids: set[str]) -> sa.Select[Any]:
    """Ask the change log what it told of records, the last at the end."""
    columns = change.c
    return (
        sa.select(columns.external_id, sa.func.coalesce(columns.after, columns.before).label("record"))
        .where(
            columns.installation_id == installation_id,
            columns.schema == schema.value,
            columns.external_id.in_(sorted(ids)),
        )
        .order_by(columns.number)
    )


def _record(raw: msgspec.Raw | None) -> dict[str, Any]:
    decoded: dict[str, Any] = {} if raw is None else msgspec.json.decode(raw)
    return decoded
