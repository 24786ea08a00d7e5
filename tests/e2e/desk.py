"""An operator's place: a fake authentik, and the commands of a host whose data is in a folder."""

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import CompletedProcess, Popen
from typing import Any

import httpx

from openlane_authentik.testing import Server
from tests.e2e.command import environment, no_traceback, run, start
from tests.support import NO_TRUST


class Desk:
    """An operator's place: a fake authentik, and the commands of a host whose data is in a folder."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.fake = server.fake
        self.folder = folder
        self.token = self.fake.token("viewer")
        self.said = ""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def env(self, **variables: str) -> dict[str, str]:
        given = {"AUTHENTIK_BASE_URL": self.server.url, "AUTHENTIK_TOKEN": self.token, **variables}
        return environment(
            OPENLANE_HOST_DATA_DIR=str(self.data),
            OPENLANE_HOST_TICK_SECONDS="0.2",
            **{name: value for name, value in given.items() if value},
        )

    def run(self, *arguments: str | Path, **variables: str) -> CompletedProcess[str]:
        ran = run("host", *arguments, env=self.env(**variables))
        self.said += ran.stdout + ran.stderr
        return ran

    def json(self, *arguments: str) -> Any:
        ran = self.run(*arguments, "--json")
        assert ran.stdout, ran.stderr
        return json.loads(ran.stdout)

    def connect(self, *arguments: str) -> str:
        # As far away as an hour is, no schedule meddles with what a test does.
        saved = self.json("connect", "--frequency", "3600", *arguments)
        return str(saved["id"])

    @contextmanager
    def running(self, *arguments: str, **variables: str) -> Iterator[Popen[str]]:
        """Run a service until the block ends; what it says is kept."""
        process = start(["host", *arguments], self.env(**variables))
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            out, told = process.communicate(timeout=90)
            self.said += out + told
        no_traceback(told)

    def await_run(self, number: int, *statuses: str) -> dict[str, Any]:
        """Wait until a run has one of these statuses."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with closing(sqlite3.connect(self.data / "host.sqlite", timeout=30)) as held:
                held.row_factory = sqlite3.Row
                row = held.execute("SELECT * FROM sync_run WHERE number = ?", (number,)).fetchone()
            if row is not None and row["status"] in statuses:
                return dict(row)
            time.sleep(0.02)
        raise AssertionError(f"run {number} was never {statuses}")


def listening(process: Popen[str]) -> tuple[str, list[str]]:
    """Return the address of a host that has started, and the lines it has logged so far."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        said = json.loads(line)
        if said["event"] == "host listening":
            return said["address"], lines
    raise AssertionError(f"it ended: {lines}")


def get(address: str, path: str, token: str = "") -> tuple[int, bytes]:
    """Ask a host, with its token if one is given; return status and body."""
    answer = httpx.get(
        f"{address.rstrip('/')}{path}",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        trust_env=False,
        verify=NO_TRUST,
    )
    return answer.status_code, answer.content
