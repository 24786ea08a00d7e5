"""Which workers live, and what becomes of the runs of those that do not."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host import runs
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import installation, run_attempt, sync_run, worker
from openlane_authentik.host.errors import HostBusyError
from openlane_authentik.host.host import Host
from openlane_authentik.host.runs import ClaimedRun
from openlane_authentik.host.scheduling.tick import Waiting, tick
from openlane_authentik.host.scheduling.workers import (
    attempts_of,
    beat,
    live_workers,
    new_worker_id,
    only_worker,
    reap,
    reap_all,
    sign_off,
    taken_away,
)
from tests.host.running import LONG_AGO, add_installation, end_well, look_up
from tests.support import START, SimulatedClock

SQLITE_ONLY = pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)
POSTGRESQL_ONLY = pytest.mark.parametrize("make_database", ["postgresql"], indirect=True)


def test_workers_have_names_of_their_own() -> None:
    """No worker is ever named as another was, not even in the same process."""
    assert len({new_worker_id() for _ in range(100)}) == 100


def test_worker_lives_from_its_first_beat_until_it_signs_off(host: Host) -> None:
    """A worker is one row, however often it beats."""
    for _ in range(3):
        beat(host.database, "w1", host.clock)
    assert live_workers(host) == {"w1"}
    assert len(look_up(host.database, worker)) == 1
    sign_off(host.database, "w1")
    assert live_workers(host) == frozenset()


@POSTGRESQL_ONLY
def test_runs_of_silent_workers_are_given_back(host: Host) -> None:
    """A worker that was silent for too long loses its run and is forgotten; one that beats keeps its own."""
    _worker_silent_since_long_ago(host, "silent")
    beat(host.database, "live", host.clock)
    lost, kept, nobodys = (
        _begin(host, name, on) for name, on in (("one", "silent"), ("two", "live"), ("three", "never seen"))
    )
    assert sorted(reap(host, START)) == sorted([(lost.id, 1), (nobodys.id, 1)])
    assert [row.status for row in (_row(host, lost), _row(host, kept), _row(host, nobodys))] == [
        "PENDING",
        "RUNNING",
        "PENDING",
    ]
    assert {row.worker_id: row.outcome for row in look_up(host.database, run_attempt)} == {
        "silent": "lost",
        "live": None,
        "never seen": "lost",
    }
    assert [row.id for row in look_up(host.database, worker)] == ["live"]
    assert reap(host, START) == []


@POSTGRESQL_ONLY
def test_worker_that_froze_with_its_locks_keeps_nobody_else_from_anything(host: Host) -> None:
    """What a frozen worker has locked is passed over, and had when it is free; all else goes on."""
    for name in ("frozen", "silent"):
        _worker_silent_since_long_ago(host, name)
    locked, free = _begin(host, "one", "frozen"), _begin(host, "two", "silent")
    add_installation(host.database, "three")
    add_installation(host.database, "four")
    handed: list[Waiting] = []
    with host.database.begin() as frozen:
        frozen.execute(sa.select(worker).where(worker.c.id == "frozen").with_for_update())
        frozen.execute(sa.select(installation).where(installation.c.id.in_(("one", "three"))).with_for_update())
        assert reap(host, START) == [(free.id, 1)]
        tick(host, handed.extend, START)
        assert [row.id for row in look_up(host.database, worker)] == ["frozen"]
    names = {row.id: row.installation_id for row in look_up(host.database, sync_run)}
    assert {names[run.run_id] for run in handed} == {"two", "four"}
    assert reap(host, START) == [(locked.id, 1)]
    assert look_up(host.database, worker) == []


@POSTGRESQL_ONLY
def test_clocks_of_workers_may_differ(host: Host, clock: SimulatedClock) -> None:
    """Who is silent is told by the database's clock, so that a worker whose own is a day off loses no run."""
    beat(host.database, "w1", host.clock)
    run = _begin(host, "one", "w1")
    clock.elapsed += timedelta(days=4000).total_seconds()
    assert reap(host, clock.now()) == []
    assert _row(host, run).status == "RUNNING"


@SQLITE_ONLY
def test_no_worker_of_a_sqlite_database_is_late(host: Host) -> None:
    """A beat may wait for a long write there, so that silence proves nothing; the lock does."""
    _worker_silent_since_long_ago(host, "w1")
    run = _begin(host, "one", "w1")
    assert reap(host, START) == []
    assert _row(host, run).status == "RUNNING"


def test_only_worker_begins_with_nothing_under_way(host: Host) -> None:
    """Whoever knows itself the only worker gives back all that is under way, and forgets all workers."""
    beat(host.database, "w1", host.clock)
    run = _begin(host, "one", "w1")
    assert reap_all(host, START) == [(run.id, 1)]
    assert _row(host, run).status == "PENDING"
    assert look_up(host.database, worker) == []


@SQLITE_ONLY
def test_sqlite_database_takes_one_worker(host: Host) -> None:
    """A second worker is refused while the first is there, and let in after it."""
    with only_worker(host.database), pytest.raises(HostBusyError), only_worker(host.database):
        pass
    with only_worker(host.database):
        pass


@POSTGRESQL_ONLY
def test_postgresql_database_takes_many_workers(host: Host) -> None:
    """Workers of a PostgreSQL database share it."""
    with only_worker(host.database), only_worker(host.database):
        pass


def test_worker_learns_what_was_taken_from_it(host: Host) -> None:
    """What was closed or given to another is taken away; what ended by itself, or is under way, is not."""
    claimed = {name: _begin(host, name, "w1") for name in ("kept", "done", "closed", "given")}
    end_well(host, claimed["done"])
    with transaction(host.database) as held:
        runs.close_run(held, claimed["closed"].id, HostBusyError("any"), START)
    runs.give_back(host.database, claimed["given"].id, 1, START)
    mine = [(run.id, 1) for run in claimed.values()]
    assert set(taken_away(host.database, mine)) == {(claimed["closed"].id, 1), (claimed["given"].id, 1)}
    assert taken_away(host.database, []) == []
    assert attempts_of(host.database, "w1") == [(claimed["kept"].id, 1)]


def test_tick_hands_on_what_is_due_and_nothing_else(host: Host) -> None:
    """Due is what is connected, or was just saved, and whose time has come; the longest due comes first."""
    later, earlier = rfc3339(START + timedelta(seconds=1)), rfc3339(START - timedelta(seconds=1))
    add_installation(host.database, "due", timeout_seconds=77)
    add_installation(host.database, "now", next_run_at=rfc3339(START), status="PENDING")
    add_installation(host.database, "later", next_run_at=later)
    add_installation(host.database, "never", next_run_at=None)
    add_installation(host.database, "errored", next_run_at=earlier, status="ERRORED")
    add_installation(host.database, "disabled", next_run_at=earlier, status="DISABLED")
    handed: list[Waiting] = []
    tick(host, handed.extend, START)
    names = {row.id: row.installation_id for row in look_up(host.database, sync_run)}
    assert sorted(names[run.run_id] for run in handed) == ["due", "now"]
    assert {run.attempt for run in handed} == {1}
    assert {names[run.run_id]: run.timeout_seconds for run in handed}["due"] == 77


def test_tick_again_adds_nothing(host: Host) -> None:
    """As often as one ticks, a due time makes one run, whether it waits, is under way or has ended."""
    add_installation(host.database, frequency_seconds=3600)
    handed: list[Waiting] = []
    tick(host, handed.extend, START)
    tick(host, handed.extend, START)
    first, again = handed
    assert first == again
    claimed = runs.claim(host.database, first.run_id, 1, "w1", START)
    assert claimed is not None
    tick(host, handed.extend, START)
    end_well(host, claimed, now=START)
    tick(host, handed.extend, START)
    assert len(handed) == 2
    assert len(look_up(host.database, sync_run)) == 1
    tick(host, handed.extend, START + timedelta(hours=1))
    assert len(look_up(host.database, sync_run)) == 2


def test_tick_hands_on_what_a_person_asked_for(host: Host) -> None:
    """A run that waits is handed on, whoever asked for it and whenever it is due."""
    add_installation(host.database, next_run_at=None)
    with transaction(host.database) as held:
        run_id = runs.request_run(held, "one", "manual", START)
    handed: list[Waiting] = []
    tick(host, handed.extend, START)
    assert [run.run_id for run in handed] == [run_id]


def _worker_silent_since_long_ago(host: Host, worker_id: str) -> None:
    moment = rfc3339(LONG_AGO)
    with transaction(host.database) as held:
        held.execute(sa.insert(worker).values(id=worker_id, started_at=moment, beat_at=moment))


def _begin(host: Host, installation_id: str, worker_id: str) -> ClaimedRun:
    add_installation(host.database, installation_id)
    with transaction(host.database) as held:
        run_id = runs.request_run(held, installation_id, "schedule", START)
    assert run_id is not None
    claimed = runs.claim(host.database, run_id, 1, worker_id, START)
    assert claimed is not None
    return claimed


def _row(host: Host, run: ClaimedRun) -> Any:
    (row,) = look_up(host.database, sync_run, id=run.id)
    return row
