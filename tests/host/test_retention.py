"""Details of old runs are forgotten, and nothing that an auditor asks for."""

import time
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.database.tables import change, installation, run_attempt, sync_run
from openlane_authentik.host.host import Host
from openlane_authentik.host.retention import forget_run_details
from openlane_authentik.host.runs import Run, get_run
from openlane_authentik.host.scheduling.engine import Engine
from openlane_authentik.host.sync import execute
from openlane_authentik.testing import Server
from tests.host.support import connect_demo, dump
from tests.support import START, SimulatedClock

_DETAILS = ("sets", "warnings", "stats", "attempts")


@pytest.fixture
def installation_id(host: Host, server: Server) -> str:
    """Connect a directory whose runs these tests write themselves."""
    return connect_demo(host, server.url, server.fake.token("viewer")).id


def _add_run(host: Host, installation_id: str, number: int, status: str, *, days: float) -> str:
    """Write a run of so many days ago, with everything that a run can have, and a line of the change log."""
    run_id = f"run-{installation_id[:8]}-{number}"
    at = rfc3339(START - timedelta(days=days))
    values: dict[str, Any] = {
        "counts": {"DirectoryAccount": {"emitted": 3}},
        "sets": {"DirectoryAccount": {"evidence": {"pages": 1}}},
        "warnings": [{"code": "clock_skew", "message": "clocks differ"}],
        "stats": {"requests": 5},
        "scope": "all",
        "exit_code": 0,
        "full_count": 3,
        "delta_count": 1,
        "completed_at": None if status in {"PENDING", "RUNNING"} else at,
        "error": {"code": "deadline_exceeded"} if status == "FAILED" else sa.null(),
    }
    with transaction(host.database) as held:
        held.execute(
            sa.insert(sync_run).values(
                id=run_id,
                installation_id=installation_id,
                number=number,
                trigger="schedule",
                status=status,
                attempt=1,
                requested_at=at,
                started_at=at,
                **values,
            )
        )
        held.execute(sa.insert(run_attempt).values(run_id=run_id, attempt=1, worker_id="w", started_at=at))
        held.execute(
            sa.insert(change).values(
                installation_id=installation_id,
                run_id=run_id,
                number=number,
                schema="DirectoryAccount",
                external_id="a",
                group_id="",
                kind="added",
                after="{}",
                search="",
                since=at,
                at=at,
            )
        )
    return run_id


def _run(host: Host, run_id: str) -> Run:
    with reading(host.database) as held:
        return get_run(held, run_id)


def _has_details(run: Run) -> list[bool]:
    return [bool(getattr(run, name)) for name in _DETAILS]


def test_old_runs_keep_what_they_counted_and_how_they_ended(host: Host, installation_id: str) -> None:
    """Evidence, warnings, figures and attempts go; counts, status, scope and error code stay."""
    completed = _add_run(host, installation_id, 1, "COMPLETED", days=91)
    failed = _add_run(host, installation_id, 2, "FAILED", days=91)
    _add_run(host, installation_id, 3, "COMPLETED", days=1)
    assert forget_run_details(host, START) == 2
    for run_id, status in ((completed, "COMPLETED"), (failed, "FAILED")):
        run = _run(host, run_id)
        assert _has_details(run) == [False] * 4
        assert (run.status, run.scope, run.full_count, run.delta_count) == (status, "all", 3, 1)
        assert run.counts == {"DirectoryAccount": {"emitted": 3}}
    assert _run(host, failed).error == {"code": "deadline_exceeded"}
    assert forget_run_details(host, START) == 0


@pytest.mark.parametrize(
    ("status", "days"), [("COMPLETED", 89.9), ("FAILED", 89.9), ("PENDING", 200), ("RUNNING", 200)]
)
def test_young_and_active_runs_are_left_alone(host: Host, installation_id: str, status: str, days: float) -> None:
    """Within the retention time, and as long as it has not ended, a run keeps everything."""
    run_id = _add_run(host, installation_id, 1, status, days=days)
    _add_run(host, installation_id, 2, "COMPLETED", days=1)
    assert forget_run_details(host, START) == 0
    assert _has_details(_run(host, run_id)) == [True] * 4


def test_the_newest_completed_run_is_kept_whole(host: Host, installation_id: str) -> None:
    """What the directory stands on can be proven however long nothing ran since; failures after it change nothing."""
    old = _add_run(host, installation_id, 1, "COMPLETED", days=300)
    newest = _add_run(host, installation_id, 2, "COMPLETED", days=200)
    failed = _add_run(host, installation_id, 3, "FAILED", days=100)
    assert forget_run_details(host, START) == 2
    assert _has_details(_run(host, newest)) == [True] * 4
    assert _has_details(_run(host, old)) == _has_details(_run(host, failed)) == [False] * 4


def test_nothing_but_runs_is_touched(host: Host, installation_id: str, clock: SimulatedClock) -> None:
    """The change log, the directory and the installation are as before, whatever the age."""
    for number in range(1, 4):
        _add_run(host, installation_id, number, "COMPLETED", days=1000)
    before = dump(host.database)
    assert forget_run_details(host, clock.now()) == 2
    after = dump(host.database)
    assert {name for name in before if before[name] != after[name]} == {"sync_run", "run_attempt"}


def test_more_runs_than_are_forgotten_at_a_time(
    host: Host, installation_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All old runs are forgotten, however many there are."""
    monkeypatch.setattr("openlane_authentik.host.retention._RUNS", 2)
    for number in range(1, 7):
        _add_run(host, installation_id, number, "FAILED", days=100)
    assert forget_run_details(host, START) == 6


def test_a_worker_forgets_by_itself(host: Host, installation_id: str) -> None:
    """Whoever runs a worker needs to do nothing for it."""
    old = _add_run(host, installation_id, 1, "FAILED", days=100)
    with transaction(host.database) as held:
        held.execute(sa.update(installation).values(next_run_at=None))
    engine = Engine(host, execute)
    engine.start()
    try:
        deadline = time.monotonic() + 30
        while any(_has_details(_run(host, old))):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        engine.stop(0)
