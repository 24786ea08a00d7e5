"""The names of the records that lines of the change log are about."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import account, group
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.lists import Change

_TABLES: Final = ((Schema.ACCOUNT, account), (Schema.GROUP, group))


class Names:
    """Names by schema and external id; what has none is told by its id."""

    def __init__(self, names: dict[tuple[str, str], str]) -> None:
        self._names = names

    def of(self, change: Change) -> str:
        """Name the record of a line; a membership by its account and its group."""
        if change.schema == Schema.MEMBERSHIP.value:
            return f"{self._name(Schema.ACCOUNT, change.external_id)} in {self._name(Schema.GROUP, change.group_id)}"
        record = change.after or change.before
        return _name_in(bytes(record)) if record else change.external_id

    def _name(self, schema: Schema, external_id: str | None) -> str:
        return self._names.get((schema.value, external_id or "")) or external_id or ""


def names_of(host: Host, installation_id: str, changes: Sequence[Change]) -> Names:
    """Find the names of the accounts and groups of memberships, as they are or last were."""
    memberships = [change for change in changes if change.schema == Schema.MEMBERSHIP.value]
    wanted: dict[Schema, Iterable[Any]] = {
        Schema.ACCOUNT: {change.external_id for change in memberships},
        Schema.GROUP: {change.group_id for change in memberships},
    }
    names: dict[tuple[str, str], str] = {}
    with reading(host.database) as held:
        for schema, table in _TABLES:
            rows = held.execute(
                sa.select(table.c.external_id, table.c.record)
                .where(table.c.installation_id == installation_id, table.c.external_id.in_(wanted[schema]))
                .order_by(table.c.episode)
            )
            names |= {(schema.value, row.external_id): _name_in(row.record) for row in rows}
    return Names(names)


def _name_in(record: str | bytes) -> str:
    told = msgspec.json.decode(record)
    return str(told.get("display_name") or told.get("canonical_email") or told.get("external_id") or "")
