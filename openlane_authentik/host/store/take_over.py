"""Take a run over into the directory: everything of it in one transaction, or nothing.

    hold the run  ->  who is no more  ->  breaker  ->  who waits  ->  log  ->  episodes  ->  ledger and schedule

Nothing of a run is visible before this, and all of it is after: first the records that it received, then the end of
each account that it names. What it received of an account that it then names is not taken over, whether or not it may
end the account, which was gone when the reading ended.
"""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from openlane_authentik.clock import Clock, rfc3339
from openlane_authentik.emit.envelope import PayloadSetClosing, Schema, SyncRun
from openlane_authentik.emit.filter_copy import FilterCopy
from openlane_authentik.host import runs
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.runs import ClaimedRun
from openlane_authentik.host.store.breaker import Limits, check_removals, raise_attention, settle_attention
from openlane_authentik.host.store.changes import (
    ADDED,
    CHANGED,
    IN_SCOPE,
    RETURNED,
    Moment,
    begin_episodes,
    change_episodes,
    confirm_episodes,
    count_changes,
    log_endings,
    take_back_into_scope,
)
from openlane_authentik.host.store.checkpoint import seal_checkpoint
from openlane_authentik.host.store.continuing import SUCCEEDED, continue_episodes
from openlane_authentik.host.store.endings import end_episodes, find_endings, proven
from openlane_authentik.host.store.filter_copies import keep_copy
from openlane_authentik.host.store.kinds import KINDS, Kind, ending
from openlane_authentik.host.store.last_day import count_there, read_last_day
from openlane_authentik.host.store.moves import OUT_OF_SCOPE, REMOVED, REPLACED
from openlane_authentik.host.store.staging import Staging
from openlane_authentik.host.store.successions import (
    drop_the_gone,
    find_successions,
    withhold_successors,
)
from openlane_authentik.host.vault import Vault


@dataclass(frozen=True, slots=True)
class Found:
    """What a run came to besides its records.

    Attributes:
        run: The line that closed it.
        checkpoint: Where the next can begin.
        filter_copy: What filters are previewed on; None when none is kept.
    """

    run: SyncRun
    checkpoint: bytes | None = field(repr=False)
    filter_copy: FilterCopy | None = None


def take_over(claimed: ClaimedRun, staging: Staging, found: Found, vault: Vault, clock: Clock) -> bool:
    """Make a run that came to its end the newest state of the directory.

    Args:
        claimed: The run, as long as it is this worker's.
        staging: What it emitted.
        found: What else it came to.
        vault: Seals the checkpoint, and the copy that filters are previewed on.
        clock: For the time at which it becomes visible.

    Returns:
        Whether an operator is asked anew about what it would remove.

    Raises:
        RunLostError: The run is no longer this worker's; nothing was changed.
        VaultError: There is no key to seal with; nothing was changed.
        DatabaseUnreachableError: Nothing was changed.
    """
    staging.flush()
    with staging.begin():
        # In the order in which a key rotation takes both: see ``Vault.hold``.
        vault.hold(staging.held)
        checkpoint = seal_checkpoint(vault, claimed.installation_id, found.checkpoint)
        asked = _take_over(staging.held, claimed, staging, found.run, checkpoint, clock)
        if found.filter_copy is not None:
            keep_copy(staging.held, vault, claimed, found.filter_copy)
        return asked


def _take_over(
    held: sa.Connection, claimed: ClaimedRun, staging: Staging, run: SyncRun, checkpoint: bytes | None, clock: Clock
) -> bool:
    runs.hold(held, claimed)
    now = clock.now()
    moment = Moment(claimed.installation_id, claimed.id, claimed.number, rfc3339(now))
    closings = staging.closings
    gone = drop_the_gone(held)
    find_successions(held, moment.installation_id, closings[Schema.ACCOUNT])
    find_endings(held, moment.installation_id, closings)
    left = {schema: _left(held, kind, moment.installation_id) for schema, kind in KINDS.items()}
    last_day = read_last_day(held, moment.installation_id, now)
    removals = check_removals(held, moment.installation_id, _limits(held, moment.installation_id), left, last_day)
    too_much = any(removal.tripped for removal in removals.values())
    asked = False
    if too_much:
        asked = raise_attention(held, moment.installation_id, moment.run_id, removals, moment.now)
    withheld = withhold_successors(held, moment.installation_id)
    if too_much or withheld:
        # Only a full run finds again who is no more.
        checkpoint = None
    log_endings(held, moment)
    continued = {
        schema: continue_episodes(held, kind, moment, synced=schema in closings) for schema, kind in KINDS.items()
    }
    end_episodes(held, moment.installation_id, moment.now)
    seen: dict[Schema, dict[str, int]] = {}
    for schema, closing in closings.items():
        unchanged = closing.delta and proven(closing) and not too_much
        counts = {"gone": gone.get(schema, 0), "withheld": withheld.get(schema, 0)}
        received = closing.counts.emitted - counts["gone"] - counts["withheld"] - continued[schema]
        confirmed = _take_in(held, KINDS[schema], moment, received, all_present=unchanged)
        seen[schema] = {**counts, "confirmed": continued[schema] + confirmed}
    if not too_much:
        settle_attention(held, moment.installation_id, moment.run_id, moment.now)
    changes = count_changes(held, moment)
    delta_count = sum(sum(kinds.values()) for kinds in changes.values())
    ledger = _ledger(run, closings, changes, seen) | {"delta_count": delta_count}
    for schema, there in count_there(held, moment.installation_id).items():
        ended = removals.get(schema.value) if not too_much else None
        unasked = {"unasked": ended.unasked, "unaskedInScope": ended.unasked_in_scope} if ended is not None else {}
        if schema in closings or there["known"]:
            ledger["counts"].setdefault(schema.value, {}).update(there | unasked)
    runs.complete_run(held, claimed, ledger, now)
    runs.settle_installation(held, claimed, checkpoint=checkpoint, changes=delta_count, now=now)
    return asked


def _take_in(held: sa.Connection, kind: Kind, moment: Moment, received: int, *, all_present: bool) -> int:
    """Take over so many received records that nothing goes on from; return how many this run has seen."""
    begun = begin_episodes(held, kind, moment)
    if begun == received and not all_present:
        return begun
    take_back_into_scope(held, kind, moment)
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
    ends = present.where(sa.exists().where(kind.named(ending)))
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
    seen: dict[Schema, dict[str, int]],
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
            **seen[schema],
            "added": lines.get(ADDED, 0),
            "changed": lines.get(CHANGED, 0),
            "returned": lines.get(RETURNED, 0),
            "succeeded": lines.get(SUCCEEDED, 0),
            "inScope": lines.get(IN_SCOPE, 0),
            "removed": lines.get(REMOVED, 0),
            "replaced": lines.get(REPLACED, 0),
            "outOfScope": lines.get(OUT_OF_SCOPE, 0),
        }
        sets[schema.value] = {
            "readComplete": closing.read_complete,
            "snapshotComplete": closing.snapshot_complete,
            "delta": closing.delta,
            "proven": proven(closing),
            "reasons": closing.reasons,
            "failedBy": closing.failed_by,
            "filteredBy": closing.filtered_by,
            "evidence": closing.evidence,
        }
    for schema_name, lines in changes.items():
        # A schema that is no longer synced closes no set, but goes out of scope.
        ends = {"removed": REMOVED, "replaced": REPLACED, "outOfScope": OUT_OF_SCOPE}
        counts.setdefault(schema_name, {name: lines.get(kind, 0) for name, kind in ends.items()})
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
