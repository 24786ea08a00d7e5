"""Sync now: ask for a run, and see it through, by a worker that lives or else by this process."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from openlane_authentik import errors
from openlane_authentik.errors import IntegrationError, Recovery
from openlane_authentik.host import runs, sync
from openlane_authentik.host.attention import list_attention
from openlane_authentik.host.cli.opening import find_installation, opened_host
from openlane_authentik.host.cli.tables import say, tell_run, tell_trouble
from openlane_authentik.host.cli.words import print_told
from openlane_authentik.host.database.connections import SQLITE, reading, transaction
from openlane_authentik.host.errors import DatabaseError, HostBusyError, RunInterruptedError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import get_installation
from openlane_authentik.host.runs import Run
from openlane_authentik.host.scheduling.attempts import Attempts
from openlane_authentik.host.scheduling.workers import (
    BEAT_SECONDS,
    beat,
    live_workers,
    new_worker_id,
    only_worker,
    reap,
    reap_all,
    sign_off,
)
from openlane_authentik.terminal import open_console

_LOOK_SECONDS: Final = 0.5
_TERMINATED: Final = 128 + signal.SIGTERM


def sync_now(meant: str, *, as_json: bool) -> int:
    """Run an installation, print the run, and give its exit code.

    Raises:
        HostError: See ``find_installation`` and ``request_run``.
    """
    with opened_host() as host:
        installation_id = find_installation(host, meant).id
        run = see_through(host, request(host, installation_id))
        one = get_installation(host, installation_id)
        questions = list_attention(host, installation_id)
    if as_json:
        print_told(run)
    else:
        console = open_console(stderr=False)
        tell_run(console, run)
        tell_trouble(console, one, questions)
    return exit_code_of(run)


def request(host: Host, installation_id: str) -> str:
    """Ask for a run; return its id, or that of the one which waits or is under way already.

    Raises:
        ConflictError: The installation was stopped.
        DatabaseUnreachableError: See ``transaction``.
    """
    while True:
        with transaction(host.database) as held:
            asked = runs.request_run(held, installation_id, "manual", host.clock.now())
            found = asked or runs.active_run(held, installation_id)
        if found is not None:
            if asked is None:
                say(open_console(stderr=True), "a run waits or is under way already: it is that one")
            return found


def see_through(host: Host, run_id: str) -> Run:
    """Wait until a run has ended, and work on it here as long as nobody else would.

    Raises:
        DatabaseUnreachableError: See ``reading``.
    """
    told = False
    while True:
        with reading(host.database) as held:
            run = runs.get_run(held, run_id)
        if run.status not in runs.ACTIVE:
            return run
        if not _worked_here(host, run_id):
            if not told:
                say(open_console(stderr=True), "a worker has been asked; Ctrl-C stops the waiting, not the run")
            told = True
            time.sleep(_LOOK_SECONDS)


def exit_code_of(run: Run) -> int:
    """Return the exit code of a run that has ended."""
    if run.error is None:
        return run.exit_code or 0
    known = {kind.code: kind.exit_code for kind in _kinds(IntegrationError)}
    retry = run.error["recovery"] == Recovery.RETRY
    return known.get(run.error["code"]) or (
        errors.TryAgainError.exit_code if retry else errors.ConfigurationError.exit_code
    )


def _kinds(kind: type[IntegrationError]) -> Iterator[type[IntegrationError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def _worked_here(host: Host, run_id: str) -> bool:
    """Work on a run unless a worker lives that would; tells whether it was."""
    try:
        with only_worker(host.database):
            if host.database.dialect.name == SQLITE:
                # Nobody else can be on a run: whoever was is gone.
                reap_all(host, host.clock.now())
            elif live_workers(host):
                return False
            else:
                reap(host, host.clock.now())
            with reading(host.database) as held:
                run = runs.get_run(held, run_id)
            if run.status == "PENDING":
                asyncio.run(_work(host, run_id, run.attempt))
            return True
    except HostBusyError:
        return False
    except asyncio.CancelledError:
        raise SystemExit(_TERMINATED) from None


async def _work(host: Host, run_id: str, attempt: int) -> None:
    worker_id = new_worker_id()
    attempts = Attempts(host, worker_id, sync.execute)
    with _signs_of_life(host, worker_id, attempts):
        work = asyncio.ensure_future(attempts.work_on(run_id, attempt))
        _end_by_signal()
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # The ledger first: what is told to stop afterwards finds that it can change nothing any more.
            await asyncio.to_thread(_close, host, run_id)
            attempts.stop((run_id, attempt))
            await work
            raise


def _end_by_signal() -> None:
    """End by the signal of service managers as by Ctrl-C, with the ledger in order."""
    task = asyncio.current_task()
    if task is not None and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _close(host: Host, run_id: str) -> None:
    with transaction(host.database) as held:
        runs.close_run(held, run_id, RunInterruptedError("the run was stopped by who started it"), host.clock.now())


@contextmanager
def _signs_of_life(host: Host, worker_id: str, attempts: Attempts) -> Iterator[None]:
    """Be a worker that lives, until the block ends: others leave its run alone, and it sees what was taken away."""
    ended = threading.Event()

    def keep_beating() -> None:
        while not ended.wait(BEAT_SECONDS):
            # The next beat may reach the database again; if none does, the run is another's, and nothing is lost.
            with suppress(DatabaseError):
                attempts.look()
                beat(host.database, worker_id, host.clock)

    beat(host.database, worker_id, host.clock)
    thread = threading.Thread(target=keep_beating, name="openlane-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(DatabaseError):
            sign_off(host.database, worker_id)
