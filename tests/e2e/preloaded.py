"""Commands forked off a process that has imported the package already, as importing is most of what they cost.

Each is a process of its own, with its own environment, output and end. What a command does as it starts, what a signal
does to it, and what it imports is tested on the installed command: see ``tests.e2e.command``.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from tests.e2e.command import COMMAND, environment, no_traceback
from tests.processes import bind, bound

_SECONDS: Final = 120


class Preloaded:
    """Runs commands to their end."""

    def __init__(self, lines: TextIO, folder: Path) -> None:
        self._lines = lines
        self._folder = folder

    def run(self, *arguments: str | Path, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run the command as ``tests.e2e.command.run`` does."""
        out, err = (self._folder / name for name in ("stdout", "stderr"))
        typed = [*map(str, arguments)]
        asked = {"arguments": typed, "env": dict(env), "out": str(out), "err": str(err)}
        print(json.dumps(asked), file=self._lines, flush=True)
        code = int(self._lines.readline())
        told = [file.read_text(encoding="utf-8") for file in (out, err)]
        no_traceback(told[1])
        return subprocess.CompletedProcess(typed, code, *told)


@contextmanager
def preloading(folder: Path) -> Iterator[Preloaded]:
    """Start the process that has all imported, until the block ends."""
    ours, theirs = socket.socketpair()
    ours.settimeout(_SECONDS)
    command = bound([sys.executable, "-m", "tests.e2e.preloaded", str(theirs.fileno())])
    with ours, theirs, subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment()) as process:
        try:
            with ours.makefile("rw", encoding="utf-8") as lines:
                yield Preloaded(lines, folder)
        finally:
            process.kill()


def _serve(lines: TextIO) -> None:
    from openlane_authentik.cli import app  # noqa: F401, PLC0415 - as below
    from openlane_authentik.host.cli import (  # noqa: F401, PLC0415 - what the commands import when they run
        connecting,
        deciding,
        looking,
        records,
        serving,
        upkeep,
        working,
    )

    assert threading.active_count() == 1, "a fork keeps one thread"
    for line in iter(lines.readline, ""):
        asked = json.loads(line)
        if (child := os.fork()) == 0:
            bind()
            _command(**asked)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=lines, flush=True)


def _command(arguments: Sequence[str], env: Mapping[str, str], out: str, err: str) -> Any:
    """Become the command."""
    from openlane_authentik.cli import main  # noqa: PLC0415 - as above

    for number, (path, how) in enumerate(
        [(os.devnull, os.O_RDONLY), *((path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for path in (out, err))]
    ):
        os.dup2(os.open(path, how, 0o600), number)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [COMMAND, *arguments]
    sys.exit(main())  # type: ignore[func-returns-value]


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as theirs, theirs.makefile("rw", encoding="utf-8") as lines:
        _serve(lines)
