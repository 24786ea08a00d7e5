"""All of a run becomes visible at one moment, or nothing of it ever does."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from openlane_authentik import Schema
from openlane_authentik.host import runs
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import change, sync_run
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.staging import Staging
from openlane_authentik.host.sync import execute
from tests.host.in_process import stored, sync_now
from tests.host.scripted import Script, scripted
from tests.host.support import checkpoint_of, request_run
from tests.support import SimulatedClock

_STRIDE = 4


class _PulledPlugError(Exception):
    """What a test breaks a statement with."""


@contextmanager
def _before_each_statement(engine: sa.Engine, call: Callable[[], object]) -> Iterator[None]:
    """Call before each statement of the transaction that takes a run over."""
    taking_over = threading.local()

    def begun(held: sa.Connection) -> None:
        # Only that transaction writes on a connection without a pool.
        options = held.get_execution_options()
        taking_over.now = options.get("reads_only") is False

    def before(*_: Any) -> None:
        if getattr(taking_over, "now", False):
            taking_over.now = False
            try:
                call()
            finally:
                taking_over.now = True

    def ended(_held: sa.Connection) -> None:
        taking_over.now = False

    sa.event.listen(engine, "begin", begun)
    sa.event.listen(engine, "before_cursor_execute", before)
    sa.event.listen(engine, "commit", ended)
    sa.event.listen(engine, "rollback", ended)
    try:
        yield
    finally:
        for name, listener in (
            ("begin", begun),
            ("before_cursor_execute", before),
            ("commit", ended),
            ("rollback", ended),
        ):
            sa.event.remove(engine, name, listener)


def _seen(host: Host, installation_id: str) -> Any:
    """Return what anybody can see of an installation: its directory, its runs, its checkpoint, its log."""
    with reading(host.database) as held:
        lines = held.scalar(sa.select(sa.func.count()).select_from(change))
        ended = held.execute(sa.select(sync_run.c.number, sync_run.c.counts).where(sync_run.c.status == "COMPLETED"))
        runs_seen = sorted(map(str, ended))
    return stored(host, installation_id), runs_seen, checkpoint_of(host, installation_id), lines


def _prepared(host: Host, clock: SimulatedClock) -> tuple[Host, Script, str]:
    """Return a directory of which a second run would add, change, remove and return something of every kind."""
    opened, script, saved = scripted(host)
    script.people(40, groups=2)
    sync_now(opened, saved.id)
    script.drop("u003", "u004")
    script.checkpoint = b"two"
    clock.elapsed += 60
    sync_now(opened, saved.id)
    script.people(42, groups=2)
    script.drop("u007", "u004")
    script.accounts["u001"] = {"display_name": "Renamed"}
    script.groups["g1"] = {"display_name": "Renamed"}
    script.checkpoint = b"three"
    clock.elapsed += 60
    return opened, script, saved.id


def test_a_reader_sees_all_of_a_run_or_nothing(host: Host, clock: SimulatedClock) -> None:
    """Whoever reads between any two statements of a take-over sees the run before, and right after it the new one."""
    opened, _, installation_id = _prepared(host, clock)
    before = _seen(opened, installation_id)
    between: list[Any] = []

    def look() -> None:
        reader = threading.Thread(target=lambda: between.append(_seen(opened, installation_id)))
        reader.start()
        reader.join()

    with _before_each_statement(opened.database, look):
        run = sync_now(opened, installation_id)
    after = _seen(opened, installation_id)
    assert len(between) > 20
    assert all(seen == before for seen in between)
    assert after != before
    assert run.counts is not None
    assert {name: count for name, count in run.counts["DirectoryAccount"].items() if name != "read"} == {
        "emitted": 40,
        "filtered": 0,
        "failed": 0,
        "gone": 0,
        "withheld": 0,
        "added": 2,
        "changed": 1,
        "returned": 1,
        "succeeded": 0,
        "removed": 1,
        "replaced": 0,
        "inScope": 0,
        "outOfScope": 0,
        "confirmed": 40,
        "unasked": 1,
        "unaskedInScope": 1,
        "present": 40,
        "known": 40,
    }
    assert after[2] == b"three"


def test_a_take_over_that_breaks_anywhere_changes_nothing(host: Host, clock: SimulatedClock) -> None:
    """Broken off before a statement, early or late, a take-over leaves all as it was; the next attempt completes it."""
    opened, _, installation_id = _prepared(host, clock)
    before = _seen(opened, installation_id)
    run_id = request_run(opened, installation_id)
    attempt, broken = 0, True
    while broken:
        attempt += 1
        broken = _broken_at(opened, run_id, attempt, 1 + _STRIDE * (attempt - 1))
        if broken:
            assert _seen(opened, installation_id) == before, f"broken off in attempt {attempt}"
            # A worker is lost only so often before its run is closed; this one stops in an orderly way.
            assert runs.give_back(opened.database, run_id, attempt, clock.now(), outcome="cancelled")
    assert attempt > 10
    after = stored(opened, installation_id)
    assert (len(after[Schema.ACCOUNT]), len(after[Schema.MEMBERSHIP])) == (40, 80)
    assert checkpoint_of(opened, installation_id) == b"three"


def _broken_at(host: Host, run_id: str, attempt: int, statement: int) -> bool:
    """Work on an attempt, of whose take-over a statement breaks; return whether there were that many."""
    seen = 0

    def break_off() -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            raise _PulledPlugError

    with _before_each_statement(host.database, break_off):
        try:
            asyncio.run(execute(host, run_id, attempt, "worker-1"))
        except _PulledPlugError:
            return True
    return False


def test_who_is_cancelled_in_a_take_over_leaves_it_whole(host: Host, clock: SimulatedClock) -> None:
    """Cancelled between two statements of a take-over, a worker waits until it is whole, and only then is cancelled."""
    opened, _, installation_id = _prepared(host, clock)
    run_id = request_run(opened, installation_id)
    left_at: list[int] = []
    statements = 0

    async def work() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(execute(opened, run_id, 1, "worker-1"))
        task.add_done_callback(lambda _: left_at.append(statements))

        def cancel() -> None:
            nonlocal statements
            statements += 1
            if statements in {5, 9}:
                # The worker has every opportunity to leave before the next statement.
                asyncio.run_coroutine_threadsafe(_cancelled(task), loop).result()

        with _before_each_statement(opened.database, cancel), pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    assert left_at == [statements]
    assert statements > 20
    assert checkpoint_of(opened, installation_id) == b"three"
    assert len(stored(opened, installation_id)[Schema.ACCOUNT]) == 40


async def _cancelled(task: "asyncio.Future[str]") -> None:
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)


def test_who_is_cancelled_while_records_are_staged_waits_for_them(
    host: Host, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is cancelled while a thread writes what it collected gives the connection back after that thread."""
    opened, script, installation_id = _prepared(host, clock)
    monkeypatch.setattr("openlane_authentik.host.store.staging._ROWS", 10)
    before = _seen(opened, installation_id)
    run_id = request_run(opened, installation_id)
    order: list[str] = []
    write, leave = Staging._write, Staging.__exit__  # noqa: SLF001 - where the two meet

    async def work() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(execute(opened, run_id, 1, "worker-1"))

        def slow_write(staging: Staging, *args: Any) -> None:
            if not order:
                asyncio.run_coroutine_threadsafe(_cancelled(task), loop).result()
            write(staging, *args)
            order.append("written")

        def noted_exit(staging: Staging, *args: Any) -> None:
            order.append("left")
            leave(staging, *args)

        monkeypatch.setattr(Staging, "_write", slow_write)
        monkeypatch.setattr(Staging, "__exit__", noted_exit)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    assert order == ["written", "left"]
    assert _seen(opened, installation_id) == before
    assert script.seen[-1] == b"two"
