"""The engine in this process: what is due runs, within its limits, and everything ends as the ledger says."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from openlane_authentik.clock import SystemClock, rfc3339
from openlane_authentik.errors import TokenRejectedError
from openlane_authentik.host import runs
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import open_database, reading, transaction
from openlane_authentik.host.database.tables import run_attempt, sync_run, worker
from openlane_authentik.host.errors import (
    DatabaseUnreachableError,
    DisconnectedError,
    HostBusyError,
    HostSettingError,
)
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.runs import ClaimedRun
from openlane_authentik.host.scheduling.engine import Engine
from openlane_authentik.host.scheduling.queue import check_sqlite
from tests.host.running import SOON_SECONDS, add_installation, end_well, look_at, look_up, wait_until

POSTGRESQL_ONLY = pytest.mark.parametrize("make_database", ["postgresql"], indirect=True)
Work = Callable[[Host, ClaimedRun], Any]
StartEngine = Callable[..., Engine]


@pytest.fixture
def settings(settings: HostSettings) -> HostSettings:
    """Return settings of a host that looks for work often."""
    return settings.model_copy(update={"tick_seconds": 0.2})


@pytest.fixture
def host(settings: HostSettings) -> Iterator[Host]:
    """Open a host in real time, which DBOS knows only."""
    opened = open_host(settings)
    yield opened
    opened.close()


@pytest.fixture
def start_engine(host: Host) -> Iterator[StartEngine]:
    """Start engines whose runs do as they are told; stopped at the end of the test."""
    engines: list[Engine] = []

    def start(work: Work, *, on: Host = host) -> Engine:
        engines.append(Engine(on, _executing(work)))
        engines[-1].start()
        return engines[-1]

    yield start
    for engine in engines:
        engine.stop(grace_seconds=0)


def test_due_installation_is_run_and_others_are_not(host: Host, start_engine: StartEngine) -> None:
    """The engine runs what is due, once, and tells the ledger who did it."""
    add_installation(host.database)
    add_installation(host.database, "later", next_run_at=rfc3339(datetime.now(UTC) + timedelta(hours=1)))
    engine = start_engine(_well)
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))
    (run,) = look_up(host.database, sync_run)
    (attempt,) = look_up(host.database, run_attempt)
    assert (run.installation_id, run.trigger) == ("one", "schedule")
    assert (attempt.worker_id, attempt.outcome) == (engine.worker_id, "completed")
    assert look_at(host.database).next_run_at > rfc3339(datetime.now(UTC))


def test_manual_run_starts_when_the_engine_is_woken(
    host: Host, settings: HostSettings, start_engine: StartEngine
) -> None:
    """Who asks for a run need not wait for the next tick."""
    add_installation(host.database, next_run_at=None)
    slow = open_host(settings.model_copy(update={"tick_seconds": 3600}))
    engine = start_engine(_well, on=slow)
    with transaction(host.database) as held:
        runs.request_run(held, "one", "manual", datetime.now(UTC))
    engine.wake()
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))
    engine.stop()
    slow.close()


def test_engine_of_its_own_knows_nothing_but_ids(host: Host, settings: HostSettings, start_engine: StartEngine) -> None:
    """What DBOS stores of a run is its id, its attempt and a word."""
    add_installation(host.database, name="Secret name", credential="sealed")
    start_engine(_well).wake()
    wait_until(lambda: _workflows(settings, "SUCCESS"))
    (workflow,) = _workflows(settings, "SUCCESS")
    (run,) = look_up(host.database, sync_run)
    assert workflow.workflow_uuid == f"{run.id}:1"
    stored = str(_all_rows(settings))
    assert json.loads(_all_rows(settings)["workflow_input"][0].inputs) == {
        "positionalArgs": [run.id, 1],
        "namedArgs": {},
    }
    assert "Secret name" not in stored
    assert "sealed" not in stored
    assert workflow.application_version == "1"


def test_run_beyond_its_time_limit_is_stopped(host: Host, start_engine: StartEngine) -> None:
    """The installation's time limit ends a run that hangs; it is tried again later."""
    add_installation(host.database, timeout_seconds=1)
    start_engine(_hang)
    waited = wait_until(lambda: look_up(host.database, sync_run, status="FAILED"))
    assert waited < 10
    (run,) = look_up(host.database, sync_run)
    assert (run.error["code"], run.error["recovery"]) == ("deadline_exceeded", "retry")
    assert look_up(host.database, run_attempt)[0].outcome == "timed_out"
    assert (look_at(host.database).status, look_at(host.database).failures_in_a_row) == ("CONNECTED", 1)


def test_closed_run_is_stopped_within_seconds(host: Host, start_engine: StartEngine) -> None:
    """Whoever disconnects need not wait: the run is told to stop, and changes nothing after."""
    stopped = threading.Event()

    async def hang(_host: Host, _claimed: ClaimedRun) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    add_installation(host.database)
    start_engine(hang)
    wait_until(lambda: look_up(host.database, sync_run, status="RUNNING"))
    (run,) = look_up(host.database, sync_run)
    with transaction(host.database) as held:
        assert runs.close_run(held, run.id, DisconnectedError("disconnected"), datetime.now(UTC))
    assert stopped.wait(SOON_SECONDS)
    assert look_up(host.database, sync_run)[0].error["code"] == "disconnected"
    assert look_up(host.database, run_attempt)[0].outcome == "cancelled"


def test_error_that_escapes_is_told_without_its_text(
    host: Host, start_engine: StartEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug closes its run as failed; its text, which may quote the directory, is neither stored nor logged."""

    async def broken(_host: Host, _claimed: ClaimedRun) -> None:
        raise ValueError("ada@example.com")

    add_installation(host.database)
    start_engine(broken)
    wait_until(lambda: look_up(host.database, sync_run, status="FAILED"))
    (run,) = look_up(host.database, sync_run)
    assert run.error["code"] == "collection_failed"
    assert "ValueError" in run.error["message"]
    assert "ada@" not in str(run.error) + str([record.__dict__ for record in caplog.records])
    assert look_at(host.database).status == "CONNECTED"


def test_terminal_error_that_escapes_stops_the_schedule(host: Host, start_engine: StartEngine) -> None:
    """What a person must mend is not tried again."""

    async def refused(_host: Host, _claimed: ClaimedRun) -> None:
        raise TokenRejectedError("refused")

    add_installation(host.database)
    start_engine(refused)
    wait_until(lambda: look_at(host.database).status == "ERRORED")
    assert look_at(host.database).next_run_at is None
    assert look_at(host.database).reason["code"] == "token_rejected"


def test_run_that_nobody_works_on_is_given_back(host: Host, start_engine: StartEngine) -> None:
    """A run whose end could not be written, since the database was away, gets another attempt."""

    async def once_unreachable(host: Host, claimed: ClaimedRun) -> None:
        if claimed.attempt == 1:
            raise DatabaseUnreachableError("away")
        end_well(host, claimed)

    add_installation(host.database)
    start_engine(once_unreachable)
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))
    assert [row.outcome for row in look_up(host.database, run_attempt)] == ["lost", "completed"]


def test_attempt_that_dbos_has_done_with_is_made_anew(host: Host) -> None:
    """A run that still waits after DBOS ended its workflow gets a new attempt, and with it a new workflow."""
    add_installation(host.database)

    async def claims_the_second_only(host: Host, run_id: str, attempt: int, worker_id: str) -> str:
        if attempt == 1:
            return "could not claim"
        claimed = runs.claim(host.database, run_id, attempt, worker_id, host.clock.now())
        assert claimed is not None
        end_well(host, claimed)
        return "completed"

    engine = Engine(host, claims_the_second_only)
    engine.start()
    try:
        wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))
    finally:
        engine.stop()
    assert look_up(host.database, sync_run)[0].attempt == 2
    assert [row.attempt for row in look_up(host.database, run_attempt)] == [2]


def test_stop_lets_a_run_end(host: Host, start_engine: StartEngine) -> None:
    """A run that ends soon is waited for, and no other is begun."""
    may_end = threading.Event()

    async def until_told(host: Host, claimed: ClaimedRun) -> None:
        await asyncio.to_thread(may_end.wait)
        end_well(host, claimed)

    add_installation(host.database)
    engine = start_engine(until_told)
    wait_until(lambda: look_up(host.database, sync_run, status="RUNNING"))
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    add_installation(host.database, "two")
    may_end.set()
    stopping.join()
    (run,) = look_up(host.database, sync_run, installation_id="one")
    assert run.status == "COMPLETED"
    assert look_up(host.database, sync_run, installation_id="two", status="RUNNING") == []
    assert look_up(host.database, worker) == []


def test_stop_gives_the_rest_back(host: Host, start_engine: StartEngine) -> None:
    """A run that does not end in time is given back at once, and the next engine takes it on."""
    add_installation(host.database)
    engine = start_engine(_hang)
    wait_until(lambda: look_up(host.database, sync_run, status="RUNNING"))
    begun = time.monotonic()
    engine.stop(grace_seconds=0.1)
    assert time.monotonic() - begun < 10
    assert look_up(host.database, sync_run, status="PENDING")[0].attempt == 2
    start_engine(_well)
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))
    outcomes = {row.attempt: row.outcome for row in look_up(host.database, run_attempt)}
    assert outcomes == {1: "cancelled", 2: "completed"}


def test_nothing_is_left_of_an_engine(host: Host, start_engine: StartEngine, capfd: pytest.CaptureFixture[str]) -> None:
    """An engine that was stopped leaves no thread, and none of its parts writes to the console by itself."""
    before = set(threading.enumerate())
    add_installation(host.database)
    engine = start_engine(_well)
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))
    engine.stop()
    wait_until(lambda: set(threading.enumerate()) <= before)
    assert capfd.readouterr() == ("", "")
    logger = logging.getLogger("dbos")
    assert logger.propagate
    assert logger.level == logging.WARNING
    assert {type(handler) for handler in logger.handlers} <= {logging.NullHandler}


def test_process_has_one_engine(host: Host, start_engine: StartEngine) -> None:
    """A second engine of the process is refused and leaves the first alone."""
    start_engine(_well)
    with pytest.raises(HostBusyError):
        start_engine(_well)
    add_installation(host.database)
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))


def test_old_workflows_are_deleted(host: Host, settings: HostSettings, start_engine: StartEngine) -> None:
    """What DBOS remembers of runs is kept no longer than their details; the ledger's own stays."""
    add_installation(host.database)
    engine = start_engine(_well)
    wait_until(lambda: _workflows(settings, "SUCCESS"))
    engine.stop()
    later = open_host(settings, clock=_LaterClock(days=settings.retention_days + 1))
    engine = start_engine(_hang, on=later)
    wait_until(lambda: not _workflows(settings, "SUCCESS"))
    engine.stop(grace_seconds=0)
    later.close()
    assert look_up(host.database, sync_run, status="COMPLETED")


@POSTGRESQL_ONLY
def test_worker_that_is_cut_off_stops_by_itself(host: Host, settings: HostSettings, start_engine: StartEngine) -> None:
    """Who cannot say that it lives stops its runs before others take them; when it can again, all goes on."""
    stopped = threading.Event()

    async def hang_once(host: Host, claimed: ClaimedRun) -> None:
        if claimed.attempt > 1:
            return end_well(host, claimed)
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    add_installation(host.database)
    quick = open_host(settings.model_copy(update={"worker_lost_seconds": 3.0}))
    engine = start_engine(hang_once, on=quick)
    wait_until(lambda: look_up(host.database, sync_run, status="RUNNING"))
    with host.database.begin() as held:
        held.exec_driver_sql("ALTER TABLE worker RENAME TO not_there")
    assert stopped.wait(SOON_SECONDS)
    with host.database.begin() as held:
        held.exec_driver_sql("ALTER TABLE not_there RENAME TO worker")
    wait_until(lambda: look_up(host.database, sync_run, status="COMPLETED"))
    assert [row.outcome for row in look_up(host.database, run_attempt)] == ["lost", "completed"]
    engine.stop()
    quick.close()


def test_python_that_sqlite_is_too_old_for_is_refused() -> None:
    """DBOS on Python 3.12 needs SQLite 3.42; PostgreSQL, or an older Python, does not."""
    with pytest.raises(HostSettingError, match=r"SQLite 3\.42"):
        check_sqlite("sqlite", (3, 12), (3, 41, 9))
    check_sqlite("sqlite", (3, 12), (3, 42, 0))
    check_sqlite("sqlite", (3, 11), (3, 40, 1))
    check_sqlite("postgresql", (3, 13), (3, 40, 1))


class _LaterClock(SystemClock):
    def __init__(self, days: int) -> None:
        self._ahead = timedelta(days=days)

    def now(self) -> datetime:
        return super().now() + self._ahead


def _executing(work: Work) -> Callable[[Host, str, int, str], Any]:
    async def execute(host: Host, run_id: str, attempt: int, worker_id: str) -> str:
        claimed = await asyncio.to_thread(runs.claim, host.database, run_id, attempt, worker_id, host.clock.now())
        if claimed is None:
            return "superseded"
        await work(host, claimed)
        return "completed"

    return execute


async def _well(host: Host, claimed: ClaimedRun) -> None:
    await asyncio.to_thread(end_well, host, claimed)


async def _hang(_host: Host, _claimed: ClaimedRun) -> None:
    await asyncio.Event().wait()


def _workflows(settings: HostSettings, status: str) -> list[Any]:
    """Return what DBOS stores of workflows with a status."""
    return [row for row in _all_rows(settings)["workflow_status"] if row.status == status]


def _all_rows(settings: HostSettings) -> dict[str, list[Any]]:
    """Return all that DBOS stores, by table."""
    sqlite = settings.database_address.startswith("sqlite")
    engine = open_database(f"sqlite:///{settings.data_dir / 'engine.sqlite'}" if sqlite else settings.database_address)
    tables = sa.MetaData(schema=None if sqlite else "dbos")
    try:
        tables.reflect(engine)
        with reading(engine) as held:
            return {table.name: list(held.execute(sa.select(table))) for table in tables.tables.values()}
    finally:
        engine.dispose()
