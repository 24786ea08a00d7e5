"""Processes that are told to end at moments of their life, forked from one that has everything imported.

Reads one JSON list a line, the moments at which a process gets SIGTERM and SIGINT, and answers with a JSON list of what
happened in it, its exit code last. A moment is "starting", "serving" or "stopping"; the process runs as a worker does,
with threads as busy as those of an engine.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

from openlane_authentik.host.cli.serving import run_until_told
from tests.processes import bind

if TYPE_CHECKING:
    from openlane_authentik.host.scheduling.engine import Engine

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_THREADS: Final = 6
_SECONDS: Final = 20.0


class _Noting:
    """An engine that notes what it is told, and waits as it stops until it is hurried."""

    def __init__(self, line: IO[str]) -> None:
        self._line = line
        self._hurried = threading.Event()

    def start(self) -> None:
        self.note("starting")
        self._line.readline()
        for _ in range(_THREADS):
            threading.Thread(target=_be_busy, daemon=True).start()

    def stop(self) -> None:
        self.note("stopping")
        self._line.readline()
        self.note("hurried" if self._hurried.wait(_SECONDS) else "not hurried")

    def hurry(self) -> None:
        self._hurried.set()

    def note(self, what: str) -> None:
        self._line.write(f"{what}\n")
        self._line.flush()


def _be_busy() -> None:
    while True:
        time.sleep(0.001)
        sum(range(2000))


def _run(ours: socket.socket) -> None:
    engine, ended = _Noting(ours.makefile("rw")), threading.Event()

    def serve() -> None:
        engine.note("serving")
        ended.wait()

    run_until_told(cast("Engine", engine), serve, end=ended.set, hurry=engine.hurry)


def _tell(moments: list[str]) -> list[object]:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        status = 70
        try:
            bind()
            ours.close()
            _run(theirs)
            status = 0
        finally:
            os._exit(status)
    theirs.close()
    ours.settimeout(_SECONDS)
    happened: list[object] = []
    try:
        for line in ours.makefile():
            happened.append(line.strip())
            if happened[-1] == "serving":
                _await_sleep(pid)
            for number, moment in zip(_SIGNALS, moments, strict=True):
                if moment == happened[-1]:
                    os.kill(pid, number)
            if happened[-1] in {"starting", "stopping"}:
                ours.sendall(b"\n")
    except TimeoutError:
        happened.append("stuck")
        os.kill(pid, signal.SIGKILL)
    ours.close()
    return [*happened, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


def _await_sleep(pid: int) -> None:
    """Wait until the main thread of a process sleeps, and was never woken between two looks at it, or has ended."""
    seen, over = "", False
    while not over:
        before, seen = seen, Path(f"/proc/{pid}/task/{pid}/status").read_text()
        over = "State:\tZ" in seen or (before == seen and "State:\tS" in seen)
        time.sleep(0.02)


def main() -> None:
    """Do as every line says, until there are no more."""
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(_tell(json.loads(line)))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
