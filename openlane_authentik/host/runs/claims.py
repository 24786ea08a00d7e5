"""Who works on a run: a worker claims one attempt of it, and may change something only while it holds that attempt.

A worker that froze and wakes up late finds that its attempt is not the run's any more, and changes nothing. Whoever
locks both an installation and its run locks the installation first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.database.connections import POSTGRESQL, transaction
from openlane_authentik.host.database.tables import installation, run_attempt, sync_run
from openlane_authentik.host.errors import RunLostError

ACTIVE: Final = ("PENDING", "RUNNING")
SCHEDULE: Final = "schedule"
_BRIEFLY_SECONDS: Final = 2
Outcome = Literal["completed", "failed", "timed_out", "cancelled", "lost"]


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """One attempt of a run, and the worker that is on it.

    Attributes:
        id: Of the run.
        installation_id: Whose it is.
        number: Among the installation's runs.
        attempt: Which attempt, from 1.
        worker_id: Whose attempt.
        trigger: What asked for the run.
        started_at: When this attempt began.
        version: Of the installation, as the attempt found it.
    """

    id: str
    installation_id: str
    number: int
    attempt: int
    worker_id: str
    trigger: str
    started_at: str
    version: int


def claim(engine: sa.Engine, run_id: str, attempt: int, worker_id: str, now: datetime) -> ClaimedRun | None:
    """Take on an attempt that waits; None when it waits no more."""
    started_at = rfc3339(now)
    with transaction(engine) as held:
        row = held.execute(
            sa.update(sync_run)
            .where(sync_run.c.id == run_id, sync_run.c.attempt == attempt, sync_run.c.status == "PENDING")
            .values(status="RUNNING", worker_id=worker_id, started_at=started_at, version=_version_now())
            .returning(sync_run)
        ).one_or_none()
        if row is None:
            return None
        held.execute(
            sa.insert(run_attempt).values(run_id=run_id, attempt=attempt, worker_id=worker_id, started_at=started_at)
        )
    return as_claimed(row)


def as_claimed(row: sa.Row[Any]) -> ClaimedRun:
    """Return an attempt that is under way, from its row."""
    return ClaimedRun(
        row.id, row.installation_id, row.number, row.attempt, row.worker_id, row.trigger, row.started_at, row.version
    )


def note_input(engine: sa.Engine, claimed: ClaimedRun, user_input: Mapping[str, Any]) -> None:
    """Note which user input an attempt works with; a save meanwhile is of the next run."""
    with transaction(engine) as held:
        held.execute(
            sa.update(sync_run)
            .where(sync_run.c.id == claimed.id, sync_run.c.attempt == claimed.attempt)
            .values(user_input=dict(user_input))
        )


def _version_now() -> sa.ScalarSelect[int]:
    """Return the version of the installation of the run at hand."""
    return sa.select(installation.c.version).where(installation.c.id == sync_run.c.installation_id).scalar_subquery()


def renew_attempt(engine: sa.Engine, run_id: str, attempt: int) -> bool:
    """Return a run that waits a new attempt, when the engine cannot start the one it has any more.

    Returns:
        Whether that attempt waited.
    """
    with transaction(engine) as held:
        wait_briefly(held)
        renewed = held.execute(
            sa.update(sync_run)
            .where(sync_run.c.id == run_id, sync_run.c.attempt == attempt, sync_run.c.status == "PENDING")
            .values(attempt=attempt + 1)
        )
    return bool(renewed.rowcount == 1)


def find_claimed(held: sa.Connection, run_id: str, attempt: int, worker_id: str) -> ClaimedRun | None:
    """Return an attempt that a worker is on; None when it is not, or not any more."""
    row = held.execute(
        sa.select(sync_run).where(
            sync_run.c.id == run_id,
            sync_run.c.attempt == attempt,
            sync_run.c.worker_id == worker_id,
            sync_run.c.status == "RUNNING",
        )
    ).one_or_none()
    return None if row is None else as_claimed(row)


def hold(held: sa.Connection, claimed: ClaimedRun) -> None:
    """Keep the run from everybody else until this transaction ends; its installation too.

    Raises:
        RunLostError: The attempt is not the run's any more.
    """
    lock_installation(held, claimed.installation_id)
    kept = held.execute(
        sa.update(sync_run)
        .where(
            sync_run.c.id == claimed.id,
            sync_run.c.attempt == claimed.attempt,
            sync_run.c.worker_id == claimed.worker_id,
            sync_run.c.status == "RUNNING",
        )
        .values(worker_id=claimed.worker_id)
    )
    if kept.rowcount != 1:
        raise RunLostError(f"run {claimed.number} was taken over or closed meanwhile")


def lock_installation(held: sa.Connection, installation_id: str) -> None:
    """Keep an installation from everybody else until this transaction ends."""
    held.execute(
        sa.select(installation.c.id).where(installation.c.id == installation_id).with_for_update(key_share=True)
    )


def wait_briefly(held: sa.Connection) -> None:
    """Wait for nobody's lock for long in this transaction; it fails instead, as if the database did not answer.

    A worker that froze in the middle of a transaction keeps its locks, and must not freeze those who watch over it.
    """
    if held.dialect.name == POSTGRESQL:
        held.exec_driver_sql(f"SET LOCAL lock_timeout = '{_BRIEFLY_SECONDS}s'")


def end_attempt(held: sa.Connection, run_id: str, attempt: int, outcome: Outcome, now: datetime) -> None:
    """Write down how an attempt ended, if it ever began and has not ended."""
    held.execute(
        sa.update(run_attempt)
        .where(run_attempt.c.run_id == run_id, run_attempt.c.attempt == attempt, run_attempt.c.outcome.is_(None))
        .values(outcome=outcome, ended_at=rfc3339(now))
    )
