"""Real workers, forked from one process that has everything imported, and killed at a point that they count.

Reads one JSON object a line and answers each with one. ``{"settings": ..., "trace": file, "at": [what, phase, n]}``
forks a worker, an ``Engine`` that runs ``sync.execute``, and gives its ``pid``; ``{"ended": pid}`` gives the ``status``
with which it ended, or null. A point is the moment before or after a statement, a commit or a request; the file
``trace`` gets one line for each, with its phase, and at the n-th point of a phase it happens: ``kill`` or ``freeze``
the worker by a signal to itself, until the file ``trace`` with ``.woken`` behind its name is there, or ``cut`` the
connection that it collects into.
"""

import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx
import psycopg
import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from openlane_authentik.host import sync
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database import connections as database
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.scheduling import queue
from openlane_authentik.host.scheduling.engine import Engine
from openlane_authentik.host.store import changes, staging
from tests.processes import bind

REQUESTS: Final = "collect"
STAGING: Final = "stage"
# The last of the staging, in the thread that takes over and is not stopped by a word any more.
FLUSHING: Final = "flush"
ENGINE: Final = "dbos"
# When an attempt is over in this process, whatever the ledger says.
OVER: Final = "over"
# By the file of the host whose function is under way; the first that fits.
_PHASES: Final = {
    "staging.py": STAGING,
    "take_over.py": "take over",
    "claims.py": "claim",
    "requests.py": "request",
    "queue.py": "enqueue",
    "tick.py": "tick",
    "workers.py": "watch",
    "attempts.py": "plan",
    "credential.py": "prepare",
    "checkpoint.py": "prepare",
    "views.py": "prepare",
    "host.py": "open",
}


class Points:
    """Counts what crosses the border of this process, and kills it where it is told to."""

    def __init__(self, trace: str | None, at: list[Any] | None) -> None:
        self._trace = trace and os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._trace_file = trace
        self._what, *self._point = at or [None]
        self._counted: Counter[str] = Counter()
        self._staging: Any = None
        self._one_at_a_time = threading.RLock()

    def count(self, phase: str, what: str) -> None:
        with self._one_at_a_time:
            self._counted[phase] += 1
            if isinstance(self._trace, int):
                os.write(self._trace, f"{json.dumps([phase, what])}\n".encode())
            if self._point == [phase, self._counted[phase]]:
                self._happen()

    def _happen(self) -> None:
        match self._what:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()
            case "freeze":
                os.kill(os.getpid(), signal.SIGSTOP)
                # The signal takes a moment to reach this very thread.
                while not Path(f"{self._trace_file}.woken").exists():
                    time.sleep(0.01)
            case "cut":
                info = self._staging.info
                with psycopg.connect(info.dsn, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", [info.backend_pid])

    def watch(self) -> None:
        """Count from here on: the host's statements, those of DBOS, and the requests to the directory."""
        sa.event.listen(sa.Engine, "before_cursor_execute", self._statement)
        sa.event.listen(sa.Engine, "after_cursor_execute", self._statement)
        commit, ask = DefaultDialect.do_commit, httpx.AsyncHTTPTransport.handle_async_request

        def do_commit(dialect: DefaultDialect, connection: Any) -> None:
            phase = _phase(sys._getframe())  # noqa: SLF001 - the documented way to the frame
            self.count(f"{phase}: commit", "before")
            commit(dialect, connection)  # type: ignore[no-untyped-call]
            self.count(f"{phase}: commit", "after")

        async def handle(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
            self.count(REQUESTS, "ask")
            answer = await ask(transport, request)
            self.count(REQUESTS, "answer")
            return answer

        DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
        httpx.AsyncHTTPTransport.handle_async_request = handle  # type: ignore[method-assign, assignment]

    def _statement(self, *given: Any) -> None:
        phase = _phase(sys._getframe())  # noqa: SLF001 - as above
        if phase in {STAGING, FLUSHING}:
            self._staging = given[0].connection.dbapi_connection
        self.count(phase, given[2][:60])


def _phase(frame: FrameType | None) -> str:
    files = set()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if "host" in path.parts:
            files.add(path.name)
        frame = frame.f_back
    if {"staging.py", "take_over.py"} <= files:
        return FLUSHING
    return next((phase for file, phase in _PHASES.items() if file in files), ENGINE)


def _work(given: dict[str, Any]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    # What it logs is nothing that a test shows.
    logging.getLogger().addHandler(logging.NullHandler())
    # A test takes as long as its workers wait; and a small directory, too, is staged and compared in many steps.
    for module, name, value in (
        (queue, "_POLL_SECONDS", 0.05),
        (staging, "_ROWS", 20),
        (changes, "_ROWS", 2),
        (database, "_FROZEN_MILLISECONDS", 4000),
    ):
        assert hasattr(module, name)
        setattr(module, name, value)
    points = Points(given["trace"], given["at"])
    points.watch()

    async def execute(host: Host, run_id: str, attempt: int, worker_id: str) -> str:
        try:
            return await sync.execute(host, run_id, attempt, worker_id)
        finally:
            points.count(OVER, run_id)

    host = open_host(HostSettings(**given["settings"]))
    engine = Engine(host, execute)
    engine.start()
    signal.sigwait({signal.SIGTERM})
    engine.stop(grace_seconds=0.1)
    host.close()


def _fork(given: dict[str, Any]) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        bind()
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(2, 1)
        _work(given)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def main() -> None:
    """Do as every line says, until there are no more."""
    # What is not looked through for garbage is not copied either.
    gc.freeze()
    assert threading.active_count() == 1, "a fork would take over locks of threads that it does not have"
    for line in sys.stdin:
        given = json.loads(line)
        answer = {"status": _ended(given["ended"])} if "ended" in given else {"pid": _fork(given)}
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
