"""The attempts that this worker is on: each within its time limit, and stopped when it is not its own any more."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
import structlog

from openlane_authentik.errors import DeadlineError, IntegrationError
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.database.tables import installation, sync_run
from openlane_authentik.host.errors import CollectionFailedError, DatabaseError, DatabaseUnreachableError, RunLostError
from openlane_authentik.host.runs import fail_run, find_claimed, give_back
from openlane_authentik.host.scheduling.workers import Attempted, attempts_of, taken_away
from openlane_authentik.log import get_logger

if TYPE_CHECKING:
    from openlane_authentik.host.host import Host

# Claims an attempt of a run, and works on it until the ledger says how it ended, and returns that in a word.
Execute = Callable[["Host", str, int, str], Awaitable[str]]

# How long what was told to stop may take to do so before it is left alone; it can change nothing any more.
_STOP_SECONDS: Final = 30.0
_log = get_logger()


@dataclass(frozen=True, slots=True)
class _UnderWay:
    task: "asyncio.Task[str]"
    loop: asyncio.AbstractEventLoop


class Attempts:
    """What one worker works on; all but ``work_on`` may be called from any thread."""

    def __init__(self, host: "Host", worker_id: str, execute: Execute) -> None:
        self._host = host
        self._worker_id = worker_id
        self._execute = execute
        self._under_way: dict[Attempted, _UnderWay] = {}

    def current(self) -> list[Attempted]:
        """Return the attempts that are under way here."""
        return list(self._under_way)

    async def work_on(self, run_id: str, attempt: int) -> str:
        """Work on an attempt, and see that the ledger says how it ended, whatever happens.

        Returns:
            How it ended, in a word; nothing of it needs to be kept, since the ledger holds it.
        """
        try:
            plan = await asyncio.to_thread(self._plan, run_id)
        except DatabaseError:
            return "unreachable"
        if plan is None:
            return "gone"
        installation_id, timeout_seconds = plan
        with structlog.contextvars.bound_contextvars(
            run_id=run_id, attempt=attempt, installation_id=installation_id, worker_id=self._worker_id
        ):
            task = asyncio.ensure_future(self._execute(self._host, run_id, attempt, self._worker_id))
            self._under_way[run_id, attempt] = _UnderWay(task, asyncio.get_running_loop())
            try:
                return await self._see_through(task, run_id, attempt, timeout_seconds)
            finally:
                del self._under_way[run_id, attempt]

    def look(self) -> None:
        """Compare with the ledger: stop what was taken away, give back what nobody works on.

        Raises:
            DatabaseUnreachableError: See ``reading``.
        """
        for attempt in taken_away(self._host.database, self.current()):
            _log.warning("run taken away", run_id=attempt[0], attempt=attempt[1])
            self.stop(attempt)
        # Read before what is under way here: what began since is not in it, what ended since is not given back.
        for attempt in attempts_of(self._host.database, self._worker_id):
            if attempt not in self._under_way:
                give_back(self._host.database, *attempt, self._host.clock.now())

    def stop(self, attempt: Attempted) -> None:
        """Tell an attempt to stop; the ledger is left as it is."""
        if under_way := self._under_way.get(attempt):
            under_way.loop.call_soon_threadsafe(under_way.task.cancel)

    def stop_all(self) -> None:
        """Tell all attempts to stop; the ledger is left as it is."""
        for attempt in self.current():
            self.stop(attempt)

    def hand_over(self) -> None:
        """Give back all attempts, for another worker or the next start, and stop them.

        What cannot be given back now is so when another worker, or the next start, finds that this one is gone.
        """
        for attempt in self.current():
            with suppress(DatabaseError):
                give_back(self._host.database, *attempt, self._host.clock.now(), outcome="cancelled")
            self.stop(attempt)

    async def _see_through(self, task: "asyncio.Task[str]", run_id: str, attempt: int, timeout_seconds: int) -> str:
        late = DeadlineError(f"the run did not end within {timeout_seconds} s")
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout_seconds)
        except asyncio.CancelledError:
            # The engine's own net, or its end; what was given back before stays so.
            await _stopped(task)
            await self._fail(run_id, attempt, late)
            raise
        if not done:
            await _stopped(task)
            if _ended_well(task):
                return task.result()
            return await self._fail(run_id, attempt, late)
        if task.cancelled():
            return "cancelled"
        match task.exception():
            case None:
                return task.result()
            case RunLostError():
                _log.warning("run lost", run_id=run_id, attempt=attempt)
                return "lost"
            case DatabaseUnreachableError():
                return "unreachable"  # as in ``_fail``
            case IntegrationError() as error:
                return await self._fail(run_id, attempt, error)
            case error:
                kind = type(error).__name__
                # Where it was raised, but not its text, which may hold what the directory sent.
                places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
                _log.error("run broke", error=kind, places=places)
                return await self._fail(run_id, attempt, CollectionFailedError(f"the run broke off with {kind}"))

    async def _fail(self, run_id: str, attempt: int, error: IntegrationError) -> str:
        try:
            return await asyncio.to_thread(self._write_failure, run_id, attempt, error)
        except RunLostError:
            return "lost"
        except DatabaseError:
            return "unreachable"  # it is under way by the ledger, and nobody works on it: see ``look``

    def _write_failure(self, run_id: str, attempt: int, error: IntegrationError) -> str:
        with transaction(self._host.database) as held:
            claimed = find_claimed(held, run_id, attempt, self._worker_id)
            if claimed is None:
                return "lost"
            fail_run(held, claimed, error, self._host.clock.now())
        _log.warning("run failed", run_id=run_id, code=error.code)
        return "failed"

    def _plan(self, run_id: str) -> tuple[str, int] | None:
        with reading(self._host.database) as held:
            row = held.execute(
                sa.select(installation.c.id, installation.c.timeout_seconds)
                .join(sync_run, sync_run.c.installation_id == installation.c.id)
                .where(sync_run.c.id == run_id)
            ).one_or_none()
        return None if row is None else (row.id, row.timeout_seconds)


async def _stopped(task: "asyncio.Task[str]") -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=_STOP_SECONDS)


def _ended_well(task: "asyncio.Task[str]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
