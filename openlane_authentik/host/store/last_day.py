"""What the runs of the last 24 hours ended without an operator's word, and how much was there before them.

Every run leaves in its ledger how many records of each schema it ended unasked, and how many were there after it. Both
are kept of the directory and of everybody known: who is out of scope is known, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.tables import sync_run
from openlane_authentik.host.store.kinds import KINDS, Kind

_DAY: Final = timedelta(hours=24)
_NOTHING: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class LastDay:
    """The ledger of 24 hours.

    Attributes:
        before: By schema what was there 24 hours ago, ``present`` and ``known``; empty where no run tells.
        runs: By schema what each run since has left in its ledger.
    """

    before: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    runs: tuple[Mapping[str, Mapping[str, int]], ...] = ()

    def unasked(self, schema: Schema, key: str) -> int:
        """Return how many records the runs ended unasked; ``key`` is that of the ledger."""
        return sum(run.get(schema.value, _NOTHING).get(key, 0) for run in self.runs)

    def there_before(self, schema: Schema, key: str) -> int | None:
        """Return how many records there were 24 hours ago, or after the first run if that is later."""
        return self.before.get(schema.value, _NOTHING).get(key)


def read_last_day(held: sa.Connection, installation_id: str, now: datetime) -> LastDay:
    """Read the ledger of the last 24 hours, by this host's clock; a run that ended in the future belongs to them."""
    run, since = sync_run.c, rfc3339(now - _DAY)
    completed = sa.select(run.counts).where(run.installation_id == installation_id, run.status == "COMPLETED")
    before = held.scalar(completed.where(run.completed_at <= since).order_by(run.number.desc()).limit(1))
    runs = tuple(held.scalars(completed.where(run.completed_at > since).order_by(run.number)))
    return LastDay(before or (runs[0] if runs else {}), runs)


def count_there(held: sa.Connection, installation_id: str) -> dict[Schema, dict[str, int]]:
    """Count what is there of each schema, for the ledger: ``present`` in the directory, and ``known``."""
    return {
        schema: {
            "present": count(held, kind, kind.present(installation_id)),
            "known": count(held, kind, kind.open(installation_id)),
        }
        for schema, kind in KINDS.items()
    }


def count(held: sa.Connection, kind: Kind, which: sa.ColumnElement[Any]) -> int:
    """Count the episodes of a kind in a state."""
    return held.scalar(sa.select(sa.func.count()).select_from(kind.table).where(which)) or 0
