"""What of the newest runs needs somebody, though they came to their end: told by the ledger alone."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.tables import sync_run

# One run may be unlucky with a directory that keeps changing.
MOST_UNPROVEN: Final = 3


class Concern(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Something that no run mends by itself.

    Attributes:
        code: ``nobody_kept``: the newest run has left no account in the directory, though it read some; ``unproven``:
            none of the newest three runs has proven a set.
        message: What was seen.
        remedy: What to do.
        schema: Of which kind of record.
    """

    code: str
    message: str
    remedy: str
    schema: Schema


def list_concerns(held: sa.Connection, installation_id: str, *, until: int | None = None) -> list[Concern]:
    """Return what needs somebody, as of the newest run that ended well; ``until`` stops at the run of that number."""
    columns = sync_run.c
    newest = sa.select(columns.number, columns.counts, columns.sets).where(
        columns.installation_id == installation_id, columns.status == "COMPLETED"
    )
    if until is not None:
        newest = newest.where(columns.number <= until)
    rows = held.execute(newest.order_by(columns.number.desc()).limit(MOST_UNPROVEN)).all()
    if not rows:
        return []
    return [*_nobody_kept(rows[0]), *_unproven(rows)]


def _nobody_kept(run: Any) -> list[Concern]:
    counts = (run.counts or {}).get(Schema.ACCOUNT.value, {})
    there = max(counts.get("read", 0), counts.get("known", 0))
    if counts.get("present", 1) or not there:
        return []
    return [
        Concern(
            code="nobody_kept",
            message=f"run {run.number} kept none of {there:,} accounts, so that the directory is empty",
            remedy="Correct the filter expression in the settings of the installation; its warnings say what is odd.",
            schema=Schema.ACCOUNT,
        )
    ]


def _unproven(rows: Sequence[Any]) -> list[Concern]:
    concerns = []
    for schema in Schema:
        told = [one for row in rows if (one := (row.sets or {}).get(schema.value)) is not None]
        if len(told) < MOST_UNPROVEN or any(one["proven"] for one in told):
            continue
        reasons = ", ".join(told[0]["reasons"]) or "no reason told"
        seen = f"the {schema.plural} were not proven by the newest {MOST_UNPROVEN} runs ({reasons})"
        concerns.append(
            Concern(
                code="unproven",
                message=f"{seen}, so that none that ended is recorded as removed",
                remedy="Look at the warnings of the newest run, and do what they say.",
                schema=schema,
            )
        )
    return concerns
