"""How a run ends, and what that means for its installation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.errors import DeadlineError, IntegrationError, Recovery
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import installation, run_attempt, sync_run
from openlane_authentik.host.errors import RunLostError
from openlane_authentik.host.runs.claims import (
    ACTIVE,
    SCHEDULE,
    ClaimedRun,
    Outcome,
    as_claimed,
    end_attempt,
    hold,
    lock_installation,
    wait_briefly,
)
from openlane_authentik.host.runs.schedule import (
    bounds_of,
    due_after_failure,
    due_after_run,
    interval_after_failure,
    interval_after_run,
    shorter,
)
from openlane_authentik.remedies import Surface, retold

# A run that takes its worker down each time must not take them down for ever.
MOST_LOST: Final = 5


def complete_run(held: sa.Connection, claimed: ClaimedRun, values: Mapping[str, Any], now: datetime) -> None:
    """Close a run that ended well, with what it found.

    Args:
        held: A transaction.
        claimed: The run.
        values: Columns of ``sync_run``.
        now: When it ended.

    Raises:
        RunLostError: See ``hold``.
    """
    hold(held, claimed)
    end_attempt(held, claimed.id, claimed.attempt, "completed", now)
    _close(held, claimed.id, {**values, "status": "COMPLETED", "error": None}, now)


def settle_installation(
    held: sa.Connection, claimed: ClaimedRun, *, checkpoint: bytes | None, changes: int, now: datetime
) -> None:
    """Tell an installation that its run ended well.

    It is connected, its failures are forgotten, and its next run is due by how much this one found. The checkpoint is
    this run's, or none: one of older records is good for nothing beside these. An installation that was saved while the
    run was under way has none, and keeps what the save said: a run that is due at once.
    """
    row = _installation(held, claimed.installation_id)
    known = row.status != "DISABLED" and not _saved_since(row, claimed)
    checkpoint = checkpoint if known else None
    values: dict[str, Any] = {"failures_in_a_row": 0, "checkpoint": checkpoint}
    values["checkpoint_number"] = claimed.number if checkpoint is not None else None
    if row.status != "DISABLED":
        values |= {"status": "CONNECTED", "reason": sa.null()}
    if known:
        interval = interval_after_run(row.interval_seconds, changes, bounds_of(incremental=checkpoint is not None))
        if claimed.trigger != SCHEDULE:
            interval = shorter(row.interval_seconds, interval)
        due = due_after_run(
            row.frequency_seconds, interval, started=datetime.fromisoformat(claimed.started_at), now=now
        )
        values |= {"interval_seconds": interval, "next_run_at": rfc3339(due)}
    _update_installation(held, claimed.installation_id, values)


def fail_run(held: sa.Connection, claimed: ClaimedRun, error: IntegrationError, now: datetime) -> bool:
    """Close a run that failed, and tell its installation.

    An error that time mends is tried again later and later, where the schedule asked for the run: what a person asks
    for moves no schedule away. One that a person must mend marks the installation ERRORED and stops its schedule,
    unless it was saved while the run was under way: the next run will tell.

    Returns:
        Whether the installation became ERRORED by it, so that somebody is to be told.

    Raises:
        RunLostError: See ``hold``.
    """
    hold(held, claimed)
    outcome: Outcome = "timed_out" if isinstance(error, DeadlineError) else "failed"
    end_attempt(held, claimed.id, claimed.attempt, outcome, now)
    _close(held, claimed.id, {"status": "FAILED", "error": _told(error)}, now)
    return _tell_failure(held, claimed, error, now)


def close_run(held: sa.Connection, run_id: str, error: IntegrationError, now: datetime) -> bool:
    """Close a run from outside, whether a worker is on it or not; its installation is left to the caller.

    The worker finds out within seconds and stops; what it collected is thrown away.

    Returns:
        Whether it was active.
    """
    installation_id = held.scalar(sa.select(sync_run.c.installation_id).where(sync_run.c.id == run_id))
    if installation_id is None:
        return False
    lock_installation(held, installation_id)
    attempt = held.scalar(
        sa.select(sync_run.c.attempt)
        .where(sync_run.c.id == run_id, sync_run.c.status.in_(ACTIVE))
        .with_for_update(key_share=True)
    )
    if attempt is None:
        return False
    end_attempt(held, run_id, attempt, "cancelled", now)
    _close(held, run_id, {"status": "FAILED", "error": _told(error)}, now)
    return True


def give_back(engine: sa.Engine, run_id: str, attempt: int, now: datetime, *, outcome: Outcome = "lost") -> bool:
    """Take an attempt from its worker, so that another worker can make a new one.

    A run whose workers were lost too often is closed as failed instead, and tried again later.

    Args:
        engine: The host's database.
        run_id: The run.
        attempt: The attempt that ends.
        now: When.
        outcome: ``lost`` with its worker, or ``cancelled`` by a worker that stops in an orderly way.

    Returns:
        Whether that attempt was under way.

    Raises:
        DatabaseUnreachableError: See ``transaction``, and ``wait_briefly``.
    """
    with transaction(engine) as held:
        wait_briefly(held)
        installation_id = held.scalar(sa.select(sync_run.c.installation_id).where(sync_run.c.id == run_id))
        if installation_id is None:
            return False
        lock_installation(held, installation_id)
        row = held.execute(
            sa.select(sync_run)
            .where(sync_run.c.id == run_id, sync_run.c.attempt == attempt, sync_run.c.status == "RUNNING")
            .with_for_update(key_share=True)
        ).one_or_none()
        if row is None:
            return False
        end_attempt(held, run_id, attempt, outcome, now)
        lost = held.scalar(
            sa.select(sa.func.count()).where(run_attempt.c.run_id == run_id, run_attempt.c.outcome == "lost")
        )
        if outcome == "lost" and (lost or 0) >= MOST_LOST:
            claimed = as_claimed(row)
            error = RunLostError(f"{lost} workers were lost one after the other while they were on it")
            _close(held, run_id, {"status": "FAILED", "error": _told(error)}, now)
            _tell_failure(held, claimed, error, now)
        else:
            held.execute(
                sa.update(sync_run)
                .where(sync_run.c.id == run_id)
                .values(status="PENDING", attempt=attempt + 1, worker_id=None, started_at=None)
            )
        return True


def _tell_failure(held: sa.Connection, claimed: ClaimedRun, error: IntegrationError, now: datetime) -> bool:
    row = _installation(held, claimed.installation_id)
    if row.status == "DISABLED" or _saved_since(row, claimed):
        return False
    failures = row.failures_in_a_row + 1
    if error.recovery is Recovery.RECONFIGURE:
        reason = {"code": error.code, "message": str(error), "remedy": retold(error.remedy, Surface.HOST)}
        stopped = {"status": "ERRORED", "reason": reason, "failures_in_a_row": failures, "next_run_at": None}
        _update_installation(held, claimed.installation_id, stopped)
        return bool(row.status != "ERRORED")
    later: dict[str, Any] = {"failures_in_a_row": failures}
    if claimed.trigger == SCHEDULE or row.next_run_at is None:
        interval = interval_after_failure(row.interval_seconds, bounds_of(incremental=row.checkpoint is not None))
        due = due_after_failure(row.frequency_seconds, interval, failures=failures, now=now)
        later |= {"interval_seconds": interval, "next_run_at": rfc3339(due)}
    _update_installation(held, claimed.installation_id, later)
    return False


def _saved_since(row: sa.Row[Any], claimed: ClaimedRun) -> bool:
    """Whether the installation was saved after the attempt was claimed, which may have read it as it was before."""
    return bool(row.version != claimed.version)


def _told(error: IntegrationError) -> dict[str, str]:
    return {
        "code": error.code,
        "message": str(error),
        "remedy": retold(error.remedy, Surface.HOST),
        "recovery": error.recovery.value,
    }


def _close(held: sa.Connection, run_id: str, values: Mapping[str, Any], now: datetime) -> None:
    # JSON columns would store None as the JSON text "null".
    columns = {name: sa.null() if value is None else value for name, value in values.items()}
    held.execute(sa.update(sync_run).where(sync_run.c.id == run_id).values(**columns, completed_at=rfc3339(now)))


def _installation(held: sa.Connection, installation_id: str) -> sa.Row[Any]:
    return held.execute(sa.select(installation).where(installation.c.id == installation_id)).one()


def _update_installation(held: sa.Connection, installation_id: str, values: Mapping[str, Any]) -> None:
    held.execute(sa.update(installation).where(installation.c.id == installation_id).values(**values))
