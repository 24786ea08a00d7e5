"""Commands forked off a process that has imported the package already, as importing is most of what they cost.

Each is a process of its own, with its own environment, folder, input, output and end. What a command does as it starts,
what a signal does to it, and what it imports is tested on the installed command: see ``tests.e2e.command``.
"""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

from tests.processes import bind

_SECONDS: Final = 120
_MOST_BYTES: Final = 2**17


def run_preloaded(argv: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open("rb") as nothing:
        with theirs:
            asked = json.dumps({"argv": [*argv], "env": {**env}, "cwd": str(cwd or Path.cwd())})
            handed = [nothing.fileno(), out.fileno(), err.fileno(), theirs.fileno()]
            socket.send_fds(_importer(), [asked.encode()], handed)
        ours.settimeout(_SECONDS)
        code = int(ours.recv(_MOST_BYTES))
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read().decode())
    return subprocess.CompletedProcess([*argv], code, *told)


@cache
def _importer() -> socket.socket:
    """Start the process that has all imported; it ends when nobody is left who could ask it for a command."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.e2e.preloaded", str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=Path(__file__).parents[2])

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(asked: socket.socket) -> None:
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

    # What is not looked through for garbage is not copied either: a command takes a quarter of the time.
    gc.freeze()
    assert threading.active_count() == 1, "a fork keeps one thread"
    # Nobody waits here: for each command, a process of its own does, so that commands may run side by side.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, handed, _, _ = socket.recv_fds(asked, _MOST_BYTES, 4)
        if not message:
            return
        if os.fork() == 0:
            bind()
            asked.close()
            _watch(*handed, **json.loads(message))
        for descriptor in handed:
            os.close(descriptor)


def _watch(
    stdin: int, stdout: int, stderr: int, ended: int, *, argv: Sequence[str], env: Mapping[str, str], cwd: str
) -> NoReturn:
    """Become the process that waits for the command, or the command."""
    from openlane_authentik.cli import main  # noqa: PLC0415 - as above

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        os.write(ended, b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    bind()
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
    for descriptor in (stdin, stdout, stderr, ended):
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [*argv]
    sys.exit(main())  # type: ignore[func-returns-value]


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as theirs:
        _serve(theirs)
