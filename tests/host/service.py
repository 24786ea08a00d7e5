"""A host served by the real command on either database: asked over HTTP, with all it says in files, ended by its id."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from openlane_authentik.testing import Server
from tests.e2e.command import COMMAND, environment, no_traceback
from tests.host.running import wait_until
from tests.host.support import AUTHENTIK, ORGANISATION
from tests.processes import bound
from tests.support import NO_TRUST

ENDED: Final = ("COMPLETED", "FAILED")
_END_SECONDS: Final = 60


@dataclass(frozen=True)
class Service:
    """A host that serves.

    Attributes:
        process: The command.
        address: Where it answers.
        log: What it has said, on both of its outputs.
        client: Has the API token.
    """

    process: "subprocess.Popen[bytes]"
    address: str
    log: Path
    client: httpx.Client

    def get(self, path: str, **query: Any) -> Any:
        """Ask for something that there is."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def save(self, server: Server, token: str, **rest: Any) -> httpx.Response:
        """Connect a fake, or change an installation; no schedule meddles, as its next run is an hour away."""
        body = {
            "organisation": ORGANISATION,
            "credential": {"baseUrl": server.url, "token": token},
            "schedule": {"frequencySeconds": 3600},
            **rest,
        }
        return self.client.post(f"/v1/integrations/{AUTHENTIK}/config", json=body)

    def ask(self, installation_id: str) -> dict[str, Any]:
        """Ask for a sync now; return the run as it was answered."""
        answer = self.client.post(
            f"/v1/integrations/{installation_id}/operations/run", json={"operation": "DirectorySync"}
        )
        assert answer.status_code == 202, answer.text
        asked: dict[str, Any] = answer.json()
        return asked

    def await_run(self, installation_id: str, number: int, *statuses: str) -> dict[str, Any]:
        """Wait until a run of an installation is there and has one of these statuses."""
        wanted = statuses or ENDED

        def found() -> dict[str, Any] | None:
            listed = self.get(f"/v1/integrations/{installation_id}/runs")["items"]
            return next((run for run in listed if run["number"] == number and run["status"] in wanted), None)

        wait_until(found, _END_SECONDS)
        run: dict[str, Any] = found() or {}
        assert run
        return run

    def sync(self, installation_id: str) -> dict[str, Any]:
        """Sync to the end; return the run."""
        asked = self.ask(installation_id)
        return self.await_run(installation_id, asked["number"])

    def changes(self, run_id: str) -> list[dict[str, Any]]:
        """Return what a run found, of at most a thousand changes."""
        items: list[dict[str, Any]] = self.get(f"/v1/runs/{run_id}/changes", limit=1000)["items"]
        return items

    def terminate(self) -> int:
        """Tell it to end as service managers do; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_END_SECONDS)


def service_env(data_dir: Path, database_url: str, **variables: str) -> dict[str, str]:
    """Return the environment of a host."""
    return environment(
        **{
            "OPENLANE_HOST_DATA_DIR": str(data_dir),
            "OPENLANE_HOST_DATABASE_URL": database_url,
            "OPENLANE_HOST_TICK_SECONDS": "0.2",
            "OPENLANE_HOST_LISTEN_PORT": "0",
            **variables,
        }
    )


@contextmanager
def serving(
    env: Mapping[str, str], log: Path, command: Sequence[str] = (COMMAND, "host", "serve"), token: str | None = None
) -> Iterator[Service]:
    """Serve by the command until the block ends.

    Args:
        env: Its environment.
        log: What it says is added to this file.
        command: Another command that serves.
        token: The API token; what is in its file if not given.
    """
    begin = log.stat().st_size if log.exists() else 0
    with log.open("ab") as said:
        process = subprocess.Popen(
            bound(command), stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=dict(env), cwd=log.parent
        )
    try:
        address = _await_address(process, log, begin)
        token = token or (Path(env["OPENLANE_HOST_DATA_DIR"]) / "api-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False, verify=NO_TRUST) as client:
            yield Service(process, address, log, client)
        if process.poll() is None:
            process.terminate()
            assert process.wait(_END_SECONDS) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    no_traceback(log.read_text("utf-8"))


def events(log: Path, begin: int = 0) -> list[dict[str, Any]]:
    """Return the lines of a log."""
    # The last line may be half written.
    lines = log.read_bytes()[begin:].split(b"\n")[:-1]
    return [json.loads(line) for line in lines if line.startswith(b"{")]


def _await_address(process: "subprocess.Popen[bytes]", log: Path, begin: int) -> str:
    def told() -> str | None:
        assert process.poll() is None, log.read_text("utf-8")
        listening = [line for line in events(log, begin) if line["event"] == "host listening"]
        return str(listening[0]["address"]) if listening else None

    wait_until(told, _END_SECONDS)
    return told() or ""
