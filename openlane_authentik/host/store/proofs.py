"""What the newest run has proven of what is shown."""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.tables import sync_run


class Proof(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Whether a run proved that it read a set completely, and what stands against it."""

    proven: bool
    reasons: list[str]

    def __str__(self) -> str:
        return "proven" if self.proven else f"not proven ({', '.join(self.reasons) or 'no reason told'})"


def newest_run(installation_id: str, as_of: int | None) -> sa.Select[Any]:
    """Find the newest run that had ended well, now or as of the run of a number."""
    columns = sync_run.c
    ended = sa.select(sync_run).where(columns.installation_id == installation_id, columns.status == "COMPLETED")
    if as_of is not None:
        ended = ended.where(columns.number <= as_of)
    return ended.order_by(columns.number.desc()).limit(1)


def proof_of(told: Mapping[str, Any]) -> Proof:
    """Return the proof that a run's ledger tells of a set."""
    return Proof(proven=told["proven"], reasons=told["reasons"])


def read_proof(held: sa.Connection, installation_id: str, schema: Schema, as_of: int | None) -> Proof | None:
    """Return what was proven of a list; None when the run's details are no longer kept, or there was no such set."""
    run = held.execute(newest_run(installation_id, as_of)).one_or_none()
    told = (run.sets or {}).get(schema.value) if run is not None else None
    return proof_of(told) if told is not None else None
