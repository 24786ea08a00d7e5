"""The queue that hands attempts to workers: all that the host asks of DBOS.

DBOS knows no more of an attempt than its ids, and only decides which worker starts it. What it forgot, or has left
with a worker that is gone, gets a new attempt; the ledger (``host.runs``) is the truth.
"""

import logging
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer

from openlane_authentik.host.database.connections import POSTGRESQL, SQLITE
from openlane_authentik.host.database.files import DatabaseFile
from openlane_authentik.host.errors import HostSettingError
from openlane_authentik.host.runs import renew_attempt
from openlane_authentik.host.scheduling.tick import Waiting
from openlane_authentik.host.scheduling.workers import Attempted, live_workers

if TYPE_CHECKING:
    from openlane_authentik.host.host import Host

_NAME: Final = "openlane-host"
_QUEUE: Final = "runs"
_WORKFLOW: Final = "run_sync"
# Never changes, since a workflow is nothing but two ids: an upgrade takes over what an older version left waiting.
_VERSION: Final = "1"
_POLL_SECONDS: Final = 1.0
# DBOS stops what the time limit itself did not.
_NET_SECONDS: Final = 120
# After so long PostgreSQL ends the transaction of a worker that froze within DBOS, which else blocks the queue.
_FROZEN_SECONDS: Final = 10.0
_AT_ONCE: Final = 1000
_ENDED: Final = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class RunQueue:
    """Attempts that wait for a worker; launched once a process, since DBOS keeps its state there."""

    def __init__(self, host: "Host", worker_id: str) -> None:
        self._host = host
        self._worker_id = worker_id
        self._dbos: DBOS | None = None

    def launch(self, work_on: Callable[[str, int], Awaitable[str]]) -> None:
        """Begin to take attempts and work on them."""
        # Its own handler would write to standard error, past this package's redactor.
        logger = logging.getLogger("dbos")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        config = DBOSConfig(
            name=_NAME,
            system_database_url=self._address(),
            executor_id=self._worker_id,
            application_version=_VERSION,
            serializer=DBOSPortableJSONSerializer(),
            sys_db_idle_transaction_timeout_sec=_FROZEN_SECONDS,
            log_level="WARNING",
            enable_otlp=False,
        )
        self._dbos = DBOS(config=config)

        @DBOS.step(name="attempt", preemptible=True)
        async def step(run_id: str, attempt: int) -> str:
            return await work_on(run_id, attempt)

        @DBOS.workflow(name=_WORKFLOW)
        async def run_sync(run_id: str, attempt: int) -> str:
            return await step(run_id, attempt)

        # In a thread without an event loop, so that DBOS uses its own and not the web server's.
        _in_thread(DBOS.launch)
        _in_thread(
            lambda: DBOS.register_queue(
                _QUEUE,
                worker_concurrency=self._host.settings.runs_at_once,
                polling_interval_sec=_POLL_SECONDS,
                on_conflict="always_update",
            )
        )

    def take_no_more(self) -> None:
        """Leave to other workers what waits; what is under way goes on."""
        if self._dbos is not None:
            for event in self._dbos.background_thread_stop_events:
                event.set()

    def end(self) -> None:
        """Cancel what is under way, and let go of everything."""
        self._dbos = None
        _in_thread(lambda: DBOS.destroy(destroy_registry=True))

    def put(self, waiting: Sequence[Waiting]) -> None:
        """Put attempts in, except those that are in it; what DBOS will not start any more is made anew."""
        ids = [_workflow_id((run.run_id, run.attempt)) for run in waiting]
        known = {
            workflow.workflow_id: workflow
            for workflow in DBOS.list_workflows(workflow_ids=ids, load_input=False, load_output=False)
        }
        live = live_workers(self._host) | {self._worker_id}
        for run, workflow_id in zip(waiting, ids, strict=True):
            workflow = known.get(workflow_id)
            if workflow is None:
                self._enqueue(run, run.attempt)
                continue
            about_to_start = workflow.status == "PENDING" and workflow.executor_id in live
            if workflow.status in {"ENQUEUED", "DELAYED"} or about_to_start:
                continue
            if renew_attempt(self._host.database, run.run_id, run.attempt):
                DBOS.cancel_workflows([workflow_id])
                self._enqueue(run, run.attempt + 1)

    def cancel(self, attempts: Iterable[Attempted]) -> None:
        """Take attempts out, whether they wait or are under way."""
        if ids := [_workflow_id(attempt) for attempt in attempts]:
            DBOS.cancel_workflows(ids)

    def forget(self, before: datetime) -> None:
        """Delete what DBOS remembers of attempts that were put in before a moment and have ended."""
        while old := DBOS.list_workflows(
            status=_ENDED, end_time=before.isoformat(), limit=_AT_ONCE, load_input=False, load_output=False
        ):
            DBOS.delete_workflows([workflow.workflow_id for workflow in old])

    def _enqueue(self, run: Waiting, attempt: int) -> None:
        DBOS.enqueue_workflow_with_options(
            {
                "queue_name": _QUEUE,
                "workflow_name": _WORKFLOW,
                "workflow_id": _workflow_id((run.run_id, attempt)),
                "workflow_timeout": run.timeout_seconds + _NET_SECONDS,
                "app_version": _VERSION,
            },
            run.run_id,
            attempt,
        )

    def _address(self) -> str:
        """Return where DBOS keeps its own tables: beside ours in PostgreSQL, in a file of its own with SQLite."""
        database = self._host.database
        if database.dialect.name == POSTGRESQL:
            return database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        path = self._host.settings.engine_file
        DatabaseFile(path).open()
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA journal_mode=WAL")  # kept in the file
        return sa.URL.create("sqlite", database=str(path)).render_as_string()


def check_sqlite(dialect: str, python: tuple[int, ...], sqlite: tuple[int, ...]) -> None:
    """Check that DBOS can keep its tables here.

    Raises:
        HostSettingError: Python 3.12 and later writes a moment in a way that SQLite before 3.42 does not read.
    """
    if dialect == SQLITE and python >= (3, 12) and sqlite < (3, 42):
        found = ".".join(map(str, sqlite))
        raise HostSettingError(
            f"Python 3.12 and later needs SQLite 3.42 or later, and this one has {found}: use Python 3.11, or "
            "PostgreSQL by OPENLANE_HOST_DATABASE_URL"
        )


def _workflow_id(attempt: Attempted) -> str:
    run_id, number = attempt
    return f"{run_id}:{number}"


def _in_thread(call: Callable[[], object]) -> None:
    """Call from a thread without an event loop, and wait."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised again where it was called
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
