"""A worker in a process of its own, which tests kill, freeze and wake.

Called with one JSON object: ``settings``, ``records`` (a file that gets one line for whatever happens to a run),
``seconds`` (how long a run takes) and ``hold`` (no run ends while this file exists). A run that is told to stop still
tries to end well, as a worker would that does not know what happened meanwhile.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from openlane_authentik.host import runs
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.errors import HostBusyError, RunLostError
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.runs import ClaimedRun
from openlane_authentik.host.scheduling.engine import Engine
from tests.host.running import end_well


class Runner:
    """Runs that take their time and find one change."""

    def __init__(self, records: str, seconds: float, hold: str | None) -> None:
        self._records = records
        self._seconds = seconds
        self._hold = Path(hold) if hold else None

    async def execute(self, host: Host, run_id: str, attempt: int, worker_id: str) -> str:
        claimed = await asyncio.to_thread(runs.claim, host.database, run_id, attempt, worker_id, host.clock.now())
        if claimed is None:
            return "superseded"
        self.record("begin", claimed)
        try:
            await asyncio.sleep(self._seconds)
            while self._hold is not None and self._hold.exists():  # noqa: ASYNC110 - another process ends it
                await asyncio.sleep(0.05)
        finally:
            self.record("end", claimed)
            try:
                end_well(host, claimed)
            except RunLostError:
                self.record("lost", claimed)
        return "completed"

    def record(self, event: str, claimed: ClaimedRun) -> None:
        line: dict[str, Any] = {
            "event": event,
            "at": time.monotonic(),
            "pid": os.getpid(),
            "run": claimed.id,
            "attempt": claimed.attempt,
            "installation": claimed.installation_id,
        }
        with Path(self._records).open("a") as file:
            file.write(json.dumps(line) + "\n")


def main() -> int:
    """Work until told to end; 75 when another worker is on this database."""
    given = json.loads(sys.argv[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    host = open_host(HostSettings(**given["settings"]))
    try:
        engine = Engine(host, Runner(given["records"], given["seconds"], given["hold"]).execute)
        try:
            engine.start()
        except HostBusyError as error:
            return error.exit_code
        signal.sigwait({signal.SIGTERM})
        engine.stop(grace_seconds=0.1)
    finally:
        host.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
