"""Workers in processes of their own: killed, frozen, and many at once."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import installation, run_attempt, sync_run, worker
from openlane_authentik.host.host import Host, open_host
from tests.host.running import SOON_SECONDS, add_installation, age_workers, look_at, look_up, wait_until
from tests.processes import bound

SQLITE_ONLY = pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)
POSTGRESQL_ONLY = pytest.mark.parametrize("make_database", ["postgresql"], indirect=True)
ROOT = Path(__file__).parents[2]
Process = subprocess.Popen[bytes]
StartWorker = Callable[..., Process]


@pytest.fixture
def host(settings: HostSettings) -> Iterator[Host]:
    """Open the host that the workers share, which makes its key."""
    opened = open_host(settings)
    yield opened
    opened.close()


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Return the file in which workers note what happens to runs."""
    file = tmp_path / "records.ndjson"
    file.touch()
    return file


@pytest.fixture
def start_worker(host: Host, records: Path) -> Iterator[StartWorker]:
    """Start workers; ended by their ids at the end of the test."""
    processes: list[Process] = []

    def start(*, seconds: float = 0.0, hold: Path | None = None, **settings: Any) -> Process:
        given = {
            "settings": {
                "data_dir": str(host.settings.data_dir),
                "database_url": host.settings.database_url,
                **settings,
            },
            "records": str(records),
            "seconds": seconds,
            "hold": str(hold) if hold else None,
        }
        command = [sys.executable, "-m", "tests.host.worker_process", json.dumps(given)]
        processes.append(subprocess.Popen(bound(command), cwd=ROOT))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
        process.wait()


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """Return a file that keeps runs from ending while it exists."""
    file = tmp_path / "hold"
    file.touch()
    return file


@POSTGRESQL_ONLY
@pytest.mark.soak
def test_run_of_a_killed_worker_is_taken_over(host: Host, start_worker: StartWorker, records: Path, hold: Path) -> None:
    """With the settings as they are shipped, another worker has taken the run over within 30 seconds."""
    add_installation(host.database)
    killed = start_worker(hold=hold)
    wait_until(lambda: _noted(records, "begin"))
    start_worker()
    wait_until(lambda: len(look_up(host.database, worker)) == 2)
    killed.kill()
    killed.wait()
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"), 30)
    first, second = look_up(host.database, run_attempt)
    assert (first.outcome, second.outcome) == ("lost", "completed")
    assert first.worker_id != second.worker_id
    assert look_at(host.database).failures_in_a_row == 0


@POSTGRESQL_ONLY
@pytest.mark.soak
def test_frozen_worker_that_wakes_up_late_changes_nothing(
    host: Host, start_worker: StartWorker, records: Path, hold: Path
) -> None:
    """A worker that was silent for too long finds its run taken over; what it still tries to write is refused."""
    add_installation(host.database)
    frozen = start_worker(hold=hold, worker_lost_seconds=600, tick_seconds=1)
    wait_until(lambda: _noted(records, "begin"))
    os.kill(frozen.pid, signal.SIGSTOP)
    age_workers(host.database)
    start_worker(worker_lost_seconds=600, tick_seconds=1)
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))
    before = [look_up(host.database, table) for table in (installation, sync_run, run_attempt)]
    hold.unlink()
    os.kill(frozen.pid, signal.SIGCONT)
    wait_until(lambda: _noted(records, "lost"))
    assert [record["pid"] for record in _noted(records, "lost")] == [frozen.pid]
    assert [look_up(host.database, table) for table in (installation, sync_run, run_attempt)] == before
    # It is a worker again like any other.
    wait_until(lambda: len(look_up(host.database, worker)) == 2)


@POSTGRESQL_ONLY
def test_fifty_due_at_once_run_once_each_and_never_twice_at_a_time(
    host: Host, start_worker: StartWorker, records: Path
) -> None:
    """Two workers share what is due; each due time of an installation makes one run, by ledger and by workers."""
    names = [f"i{number:02}" for number in range(50)]
    for name in names:
        add_installation(host.database, name, frequency_seconds=86400, next_run_at=None)
    for _ in range(2):
        start_worker(seconds=0.05, tick_seconds=0.5, runs_at_once=8)
    wait_until(lambda: len(look_up(host.database, worker)) == 2)
    for due_times in (1, 2):
        with transaction(host.database) as held:
            held.execute(sa.update(installation).values(next_run_at=rfc3339(datetime.now(UTC))))
        wait_until(lambda: len(look_up(host.database, sync_run, status="COMPLETED")) == 50 * due_times, 60)  # noqa: B023
    found = look_up(host.database, sync_run)
    assert len(found) == 100
    assert {run.attempt for run in found} == {1}
    assert len({attempt.worker_id for attempt in look_up(host.database, run_attempt)}) == 2
    whose = {run.id: run.installation_id for run in found}
    by_ledger = defaultdict(list)
    for attempt in look_up(host.database, run_attempt):
        by_ledger[whose[attempt.run_id]].append((attempt.started_at, attempt.ended_at))
    by_workers = defaultdict(list)
    begun = {(record["run"], record["attempt"]): record["at"] for record in _noted(records, "begin")}
    for record in _noted(records, "end"):
        by_workers[record["installation"]].append((begun[record["run"], record["attempt"]], record["at"]))
    for spans in (by_ledger, by_workers):
        assert sorted(spans) == names
        for (_, first_ended), (second_begun, _) in map(sorted, spans.values()):
            assert first_ended <= second_begun


@SQLITE_ONLY
def test_second_host_on_a_sqlite_database_is_refused_until_the_first_is_gone(
    host: Host, start_worker: StartWorker, records: Path, hold: Path
) -> None:
    """A SQLite database has one worker; when it was killed, the next takes its run over as it starts."""
    add_installation(host.database)
    first = start_worker(hold=hold)
    wait_until(lambda: _noted(records, "begin"))
    assert start_worker().wait(SOON_SECONDS) == 75
    assert [row.outcome for row in look_up(host.database, run_attempt)] == [None]
    first.kill()
    first.wait()
    start_worker()
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))
    assert [row.outcome for row in look_up(host.database, run_attempt)] == ["lost", "completed"]


def test_worker_ends_in_order_when_it_is_told_to(
    host: Host, start_worker: StartWorker, records: Path, hold: Path
) -> None:
    """SIGTERM gives a run that does not end back, at once and not as lost, and the worker signs off."""
    add_installation(host.database)
    process = start_worker(hold=hold)
    wait_until(lambda: _noted(records, "begin"))
    process.terminate()
    assert process.wait(SOON_SECONDS) == 0
    assert [row.outcome for row in look_up(host.database, run_attempt)] == ["cancelled"]
    assert [(row.status, row.attempt) for row in look_up(host.database, sync_run)] == [("PENDING", 2)]
    assert look_up(host.database, worker) == []


def _noted(records: Path, event: str) -> list[dict[str, Any]]:
    # The last line may be half written.
    lines = records.read_text().split("\n")[:-1]
    return [record for line in lines if (record := json.loads(line))["event"] == event]
