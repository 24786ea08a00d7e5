"""Which workers live, and what becomes of the runs of those that do not.

On PostgreSQL a worker says so itself, every two seconds, by the database's own clock, so that workers whose clocks
differ agree on who is late. On SQLite there is one worker at a time, which a lock on a file beside the database
ensures; whatever else was under way when it starts is lost.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import sqlalchemy as sa

from openlane_authentik.clock import Clock, rfc3339
from openlane_authentik.host.database.connections import POSTGRESQL, SQLITE, insert, reading, transaction
from openlane_authentik.host.database.tables import run_attempt, sync_run, worker
from openlane_authentik.host.errors import DatabaseError, HostBusyError
from openlane_authentik.host.runs import give_back
from openlane_authentik.log import get_logger

if TYPE_CHECKING:
    from openlane_authentik.host.host import Host

BEAT_SECONDS: Final = 2.0
# A run and which attempt of it.
Attempted = tuple[str, int]
_log = get_logger()


def new_worker_id() -> str:
    """Name this process, as no other ever was named."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:12]}"


def beat(engine: sa.Engine, worker_id: str, clock: Clock) -> None:
    """Say that a worker lives.

    Raises:
        DatabaseUnreachableError: See ``transaction``.
    """
    with transaction(engine) as held:
        now = rfc3339(_now(held, clock))
        held.execute(
            insert(held, worker)
            .values(id=worker_id, started_at=now, beat_at=now)
            .on_conflict_do_update(index_elements=[worker.c.id], set_={"beat_at": now})
        )


def sign_off(engine: sa.Engine, worker_id: str) -> None:
    """Say that a worker ends in an orderly way.

    Raises:
        DatabaseUnreachableError: See ``transaction``.
    """
    with transaction(engine) as held:
        held.execute(sa.delete(worker).where(worker.c.id == worker_id))


def live_workers(host: "Host") -> frozenset[str]:
    """Name the workers that have said so lately."""
    with reading(host.database) as held:
        return frozenset(held.scalars(sa.select(worker.c.id).where(worker.c.beat_at >= _late(held, host))))


def reap(host: "Host", now: datetime) -> list[Attempted]:
    """Give back the runs of workers that were silent for too long, and forget these workers.

    On SQLite no worker is ever late: a lost one has lost its lock, and the next gives its runs back as it starts. A
    worker that froze in the middle of a transaction keeps its locks; its run is given back when they are free.

    Returns:
        The attempts that were lost.

    Raises:
        DatabaseUnreachableError: See ``transaction``.
    """
    with reading(host.database) as held:
        live = sa.select(worker.c.id).where(worker.c.beat_at >= _late(held, host))
        rows = held.execute(
            sa.select(sync_run.c.id, sync_run.c.attempt).where(
                sync_run.c.status == "RUNNING", sync_run.c.worker_id.not_in(live)
            )
        ).all()
    lost = _give_back([(row.id, row.attempt) for row in rows], host, now)
    with transaction(host.database) as held:
        # One that froze as it beat has its row locked.
        late = sa.select(worker.c.id).where(worker.c.beat_at < _late(held, host)).with_for_update(skip_locked=True)
        held.execute(sa.delete(worker).where(worker.c.id.in_(late)))
    return lost


def reap_all(host: "Host", now: datetime) -> list[Attempted]:
    """Give back every run that is under way, for a worker that knows itself the only one; forget all workers.

    Raises:
        DatabaseUnreachableError: See ``transaction``.
    """
    with transaction(host.database) as held:
        rows = held.execute(sa.select(sync_run.c.id, sync_run.c.attempt).where(sync_run.c.status == "RUNNING")).all()
        held.execute(sa.delete(worker))
    return _give_back([(row.id, row.attempt) for row in rows], host, now)


def attempts_of(engine: sa.Engine, worker_id: str) -> list[Attempted]:
    """Return the attempts that a worker is on, by the ledger's word."""
    with reading(engine) as held:
        rows = held.execute(
            sa.select(sync_run.c.id, sync_run.c.attempt).where(
                sync_run.c.status == "RUNNING", sync_run.c.worker_id == worker_id
            )
        )
        return [(row.id, row.attempt) for row in rows]


def taken_away(engine: sa.Engine, attempts: list[Attempted]) -> list[Attempted]:
    """Return those of the attempts that were ended from outside: closed, or given to another worker."""
    if not attempts:
        return []
    with reading(engine) as held:
        rows = held.execute(
            sa.select(run_attempt.c.run_id, run_attempt.c.attempt).where(
                run_attempt.c.run_id.in_([run_id for run_id, _ in attempts]),
                run_attempt.c.outcome.in_(("cancelled", "lost")),
            )
        )
        ended = {(row.run_id, row.attempt) for row in rows}
    return [attempt for attempt in attempts if attempt in ended]


@contextmanager
def only_worker(engine: sa.Engine) -> Iterator[None]:
    """Keep other workers from a SQLite database while the block runs; PostgreSQL takes as many as there are.

    Raises:
        HostBusyError: There is one already.
    """
    if engine.dialect.name == POSTGRESQL:
        yield
        return
    path = Path(f"{engine.url.database}.lock")
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system frees it however the process ends
        except OSError:
            raise HostBusyError(f"another host works on the database {engine.url.database}") from None
        yield


def _now(held: sa.Connection, clock: Clock) -> datetime:
    if held.dialect.name == POSTGRESQL:
        moment: datetime = held.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return moment
    return clock.now()


def _late(held: sa.Connection, host: "Host") -> str:
    """Return the moment before which a last beat is too long ago; with SQLite there is none."""
    if held.dialect.name == SQLITE:
        return ""
    return rfc3339(_now(held, host.clock) - timedelta(seconds=host.settings.worker_lost_seconds))


def _give_back(attempts: list[Attempted], host: "Host", now: datetime) -> list[Attempted]:
    lost = []
    for run_id, attempt in attempts:
        try:
            if give_back(host.database, run_id, attempt, now):
                lost.append((run_id, attempt))
                _log.warning("run lost", run_id=run_id, attempt=attempt)
        except DatabaseError:
            _log.warning("run cannot be given back yet", run_id=run_id, attempt=attempt)
    return lost
