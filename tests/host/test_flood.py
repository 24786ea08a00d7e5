"""Clients that never finish what they begin: the host answers others, syncs on schedule, and stays small."""

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.database.connections import open_database, transaction
from openlane_authentik.host.database.tables import installation
from openlane_authentik.testing import Server
from tests.e2e.command import COMMAND
from tests.host.conftest import MakeDatabase
from tests.host.running import LONG_AGO
from tests.host.service import Service, service_env, serving
from tests.processes import bound
from tests.support import NO_TRUST

_CONNECTIONS: Final = 2_000
_DESCRIPTORS: Final = 256
_MOST_LOG: Final = 1_000_000
_MOST_GROWTH: Final = 32_000_000


def _resident(service: Service) -> int:
    status = Path(f"/proc/{service.process.pid}/statm").read_text("ascii")
    return int(status.split()[1]) * 4096


def _health(service: Service) -> float:
    """Ask for the health on a connection of its own, as a probe does; return how long the answer took."""
    begun = time.monotonic()
    try:
        answer = httpx.get(f"{service.address}healthz", timeout=10, trust_env=False, verify=NO_TRUST)
    except httpx.HTTPError:
        return math.inf
    return time.monotonic() - begun if answer.status_code == 200 else math.inf


@contextmanager
def _flooded(service: Service, seconds: int) -> Iterator[None]:
    arguments = (str(service.client.base_url.port), str(_CONNECTIONS), str(seconds))
    flood = subprocess.Popen(
        bound([sys.executable, "-m", "tests.host.flood", *arguments]), stdout=subprocess.PIPE, text=True
    )
    with flood:
        assert flood.stdout is not None
        try:
            assert flood.stdout.readline() == "flooding\n"
            yield
        finally:
            flood.kill()


def _be_due(url: str) -> None:
    engine = open_database(url)
    with transaction(engine) as held:
        held.execute(sa.update(installation).values(next_run_at=rfc3339(LONG_AGO)))
    engine.dispose()


def _hold_under_flood(server: Server, url: str, folder: Path, seconds: int) -> list[float]:
    """Check that the host holds; return how long it took to answer, once a second."""
    log = folder / "log"
    limited = ("prlimit", f"--nofile={_DESCRIPTORS}", "--", COMMAND, "host", "serve")
    with serving(service_env(folder / "data", url), log, limited) as service:
        installation_id = service.save(server, server.fake.token("viewer")).json()["id"]
        service.await_run(installation_id, 1)
        said = log.stat().st_size
        with _flooded(service, seconds + 120):
            _health(service)
            resident = _resident(service)
            _be_due(url)
            took = []
            for _ in range(seconds):
                begun = time.monotonic()
                took.append(_health(service))
                time.sleep(max(0.0, begun + 1 - time.monotonic()))
            run = service.await_run(installation_id, 2)
            assert (run["trigger"], run["status"]) == ("schedule", "COMPLETED")
            assert _resident(service) - resident < _MOST_GROWTH
        assert log.stat().st_size - said < _MOST_LOG
    return took


@pytest.mark.parametrize("seconds", [8, pytest.param(300, marks=pytest.mark.soak)])
@pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)
def test_a_flood_leaves_the_host_at_work(
    server: Server, make_database: MakeDatabase, tmp_path: Path, seconds: int
) -> None:
    """Whoever asks meanwhile is answered within 10 s; how soon depends on what else the machine does, and is told."""
    migrated = True
    took = _hold_under_flood(server, make_database(migrated), tmp_path, seconds)
    sys.stdout.write(f"{sum(one < 1 for one in took)} of {seconds} within a second, the last after {max(took):.2f} s\n")
    assert math.inf not in took
