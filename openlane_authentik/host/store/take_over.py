"""Take a run over into the directory: everything of it in one transaction, or nothing.

    hold the run  ->  who is no more  ->  breaker  ->  log  ->  episodes  ->  ledger and schedule

Nothing of a run is visible before this, and all of it is after.
"""

from typing import Any

import sqlalchemy as sa

from openlane_authentik.clock import Clock, rfc3339
from openlane_authentik.emit.envelope import PayloadSetClosing, Schema, SyncRun
from openlane_authentik.host import runs
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.runs import ClaimedRun
from openlane_authentik.host.store.breaker import Limits, check_removals, raise_attention, settle_attention
from openlane_authentik.host.store.changes import (
    Moment,
    begin_episodes,
    change_episodes,
    confirm_episodes,
    count_changes,
    log_endings,
)
from openlane_authentik.host.store.endings import end_episodes, find_endings, proven
from openlane_authentik.host.store.kinds import KINDS, Kind, ending
from openlane_authentik.host.store.staging import Staging


def take_over(claimed: ClaimedRun, staging: Staging, run: SyncRun, checkpoint: bytes | None, clock: Clock) -> bool:
    """Make a run that came to its end the newest state of the directory.

    Args:
        claimed: The run, as long as it is this worker's.
        staging: What it emitted.
        run: The line that closed it.
        checkpoint: Where the next can begin.
        clock: For the time at which it becomes visible.

    Returns:
        Whether an operator is asked anew about what it would remove.

    Raises:
        RunLostError: The run is no longer this worker's; nothing was changed.
        DatabaseUnreachableError: Nothing was changed.
    """
    staging.flush()
    with staging.begin():
        return _take_over(staging.held, claimed, staging, run, checkpoint, clock)


def _take_over(
    held: sa.Connection, claimed: ClaimedRun, staging: Staging, run: SyncRun, checkpoint: bytes | None, clock: Clock
) -> bool:
    runs.hold(held, claimed)
    now = clock.now()
    moment = Moment(claimed.installation_id, claimed.id, claimed.number, rfc3339(now))
    closings = staging.closings
    find_endings(held, claimed.installation_id, closings)
    left = {schema: _left(held, kind, moment.installation_id) for schema, kind in KINDS.items()}
    too_much = check_removals(held, moment.installation_id, _limits(held, moment.installation_id), left)
    asked = False
    if too_much is not None:
        asked = raise_attention(held, moment.installation_id, moment.run_id, too_much, moment.now)
        # Only a full run finds again who is no more.
        checkpoint = None
    log_endings(held, moment)
    end_episodes(held, moment.installation_id, moment.now)
    confirmed = {}
    for schema, closing in closings.items():
        unchanged = closing.delta and proven(closing) and too_much is None
        confirmed[schema.value] = _take_in(held, KINDS[schema], moment, closing.counts.emitted, all_present=unchanged)
    if too_much is None:
        settle_attention(held, moment.installation_id, moment.run_id, moment.now)
    changes = count_changes(held, moment)
    delta_count = sum(sum(kinds.values()) for kinds in changes.values())
    ledger = _ledger(run, closings, changes, confirmed) | {"delta_count": delta_count}
    runs.complete_run(held, claimed, ledger, now)
    runs.settle_installation(held, claimed, checkpoint=checkpoint, changes=delta_count, now=now)
    return asked


def _take_in(held: sa.Connection, kind: Kind, moment: Moment, received: int, *, all_present: bool) -> int:
    """Take the records received over; gives how many this run has seen."""
    begun = begin_episodes(held, kind, moment)
    if begun == received and not all_present:
        return begun
    change_episodes(held, kind, moment)
    return begun + confirm_episodes(held, kind, moment, all_present=all_present)


def _left(held: sa.Connection, kind: Kind, installation_id: str) -> int:
    """Count what would be present after the run."""
    present = sa.select(sa.func.count()).select_from(kind.table).where(kind.present(installation_id))
    new = (
        sa.select(sa.func.count())
        .select_from(kind.staged)
        .where(~sa.exists().where(kind.present(installation_id), kind.same(kind.staged)))
    )
    ends = sa.select(sa.func.count()).select_from(ending).where(ending.c.schema == kind.schema.value)
    return (held.scalar(present) or 0) + (held.scalar(new) or 0) - (held.scalar(ends) or 0)


def _limits(held: sa.Connection, installation_id: str) -> Limits:
    columns = installation.c
    found = held.execute(
        sa.select(columns.breaker_share, columns.breaker_least).where(columns.id == installation_id)
    ).one()
    return Limits(found.breaker_share, found.breaker_least)


def _ledger(
    run: SyncRun,
    closings: dict[Schema, PayloadSetClosing],
    changes: dict[str, dict[str, int]],
    confirmed: dict[str, int],
) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    sets: dict[str, Any] = {}
    for schema, closing in closings.items():
        lines = changes.get(schema.value, {})
        received = closing.counts
        counts[schema.value] = {
            "read": received.read,
            "emitted": received.emitted,
            "filtered": received.filtered,
            "failed": received.failed,
            "added": lines.get("added", 0),
            "changed": lines.get("changed", 0),
            "returned": lines.get("returned", 0),
            "removed": lines.get("removed", 0),
            "leftScope": lines.get("left_scope", 0),
            "confirmed": confirmed[schema.value],
        }
        sets[schema.value] = {
            "snapshotComplete": closing.snapshot_complete,
            "delta": closing.delta,
            "proven": proven(closing),
            "reasons": closing.reasons,
            "failedBy": closing.failed_by,
            "filteredBy": closing.filtered_by,
            "evidence": closing.evidence,
        }
    for schema_name, lines in changes.items():
        # A schema that is synced no more closes no set, but leaves the scope.
        counts.setdefault(schema_name, {"leftScope": lines.get("left_scope", 0)})
    return {
        "mode": run.mode,
        "full_reason": run.full_reason,
        "scope": run.scope,
        "release": run.release,
        "exit_code": run.exit_code,
        "full_count": run.full_count,
        "counts": counts,
        "sets": sets,
        "warnings": [{"code": warning.code, "message": warning.message} for warning in run.warnings],
        "stats": run.stats,
    }
