"""The worker: the queue hands it attempts of runs, and three threads keep it honest."""

import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from openlane_authentik.host.database.connections import SQLITE
from openlane_authentik.host.errors import DatabaseError, HostBusyError
from openlane_authentik.host.retention import forget_run_details
from openlane_authentik.host.scheduling.attempts import Attempts, Execute
from openlane_authentik.host.scheduling.queue import RunQueue, check_sqlite
from openlane_authentik.host.scheduling.tick import tick
from openlane_authentik.host.scheduling.workers import (
    BEAT_SECONDS,
    beat,
    new_worker_id,
    only_worker,
    reap,
    reap_all,
    sign_off,
)
from openlane_authentik.log import get_logger

if TYPE_CHECKING:
    from openlane_authentik.host.host import Host

_GUARD_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 10.0
_FORGET_EVERY: Final = timedelta(days=1)
_log = get_logger()


class Engine:
    """Looks for what is due and works on it, until it is stopped; one a process."""

    _started: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, host: "Host", execute: Execute) -> None:
        self.worker_id = new_worker_id()
        self._host = host
        self._attempts = Attempts(host, self.worker_id, execute)
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._hurried = threading.Event()
        self._woken = threading.Event()
        self._threads: list[threading.Thread] = []
        self._held = ExitStack()
        self._queue = RunQueue(host, self.worker_id)
        self._running = False
        self._beaten_at = 0.0
        self._forget_at = host.clock.now()

    def start(self) -> None:
        """Begin; return at once.

        Raises:
            HostBusyError: Another worker is on this SQLite database, or in this process.
            HostSettingError: This Python and this SQLite do not work together.
            DatabaseUnreachableError: See ``transaction``.
        """
        check_sqlite(self._host.database.dialect.name, sys.version_info[:2], sqlite3.sqlite_version_info)
        with ExitStack() as held:
            held.enter_context(only_worker(self._host.database))
            if not self._started.acquire(blocking=False):
                raise HostBusyError("an engine runs in this process already")
            held.callback(self._started.release)
            if self._host.database.dialect.name == SQLITE:
                reap_all(self._host, self._host.clock.now())
            self._beat()
            held.callback(self._queue.end)
            self._queue.launch(self._work_on)
            self._held = held.pop_all()
        self._running = True
        self._begin("beat", self._keep_beating)
        self._begin("guard", self._keep_guard)
        self._begin("tick", self._keep_ticking)
        _log.info("worker started", worker_id=self.worker_id)

    def wake(self) -> None:
        """Look for work now, without waiting for the next tick."""
        self._woken.set()

    def stop(self, grace_seconds: float = 30.0) -> None:
        """Take no new run, let those under way end for so long, give the rest back, and end."""
        if not self._running:
            return
        self._stopping.set()
        self._woken.set()
        self._queue.take_no_more()
        self._wait_for_attempts(grace_seconds, self._hurried)
        self._attempts.hand_over()
        self._wait_for_attempts(_STOP_SECONDS, self._ended)
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._running = False
        self._held.close()
        try:
            sign_off(self._host.database, self.worker_id)
        except DatabaseError:
            _log.warning("worker not signed off", worker_id=self.worker_id)
        _log.info("worker stopped", worker_id=self.worker_id)

    def hurry(self) -> None:
        """Let ``stop`` wait for no run any more: what is under way is given back at once."""
        self._hurried.set()

    def _begin(self, name: str, keep: Callable[[], None]) -> None:
        thread = threading.Thread(target=keep, name=f"openlane-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            _tried("beat", self._attempts.look)
            _tried("beat", self._beat)

    def _keep_guard(self) -> None:
        """Stop everything when this worker could not say for too long that it lives: others may have taken over.

        Touches no database, which may hang. With SQLite nobody can take over, and a beat may wait for a long write.
        """
        while not self._ended.wait(_GUARD_SECONDS):
            silent = time.monotonic() - self._beaten_at
            alone = self._host.database.dialect.name == SQLITE
            if not alone and silent > self._host.settings.worker_lost_seconds and self._attempts.current():
                _log.error("worker cut off", worker_id=self.worker_id, seconds=round(silent))
                self._attempts.stop_all()

    async def _work_on(self, run_id: str, attempt: int) -> str:
        # What was taken from the queue just before stays in the ledger, for another worker.
        return "stopping" if self._stopping.is_set() else await self._attempts.work_on(run_id, attempt)

    def _keep_ticking(self) -> None:
        while not self._stopping.is_set():
            _tried("tick", self._tick)
            self._woken.wait(self._host.settings.tick_seconds)
            self._woken.clear()

    def _beat(self) -> None:
        begun = time.monotonic()
        beat(self._host.database, self.worker_id, self._host.clock)
        self._beaten_at = begun

    def _tick(self) -> None:
        now = self._host.clock.now()
        self._queue.cancel(reap(self._host, now))
        tick(self._host, self._queue.put, now)
        if now >= self._forget_at:
            self._forget_at = now + _FORGET_EVERY
            forget_run_details(self._host, now)
            # The ledger keeps its own.
            self._queue.forget(now - timedelta(days=self._host.settings.retention_days))

    def _wait_for_attempts(self, seconds: float, cut_short: threading.Event) -> None:
        deadline = time.monotonic() + seconds
        while self._attempts.current() and time.monotonic() < deadline and not cut_short.is_set():
            cut_short.wait(0.05)


def _tried(what: str, call: Callable[[], None]) -> None:
    """Call, and go on if it fails: the next time it may not."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - a thread that ends here would leave the worker half dead
        _log.warning("worker stumbled", during=what, error=type(error).__name__)
