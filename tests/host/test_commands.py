"""The commands of the host on both databases: tables, a sync beside workers, and a sync without one."""

import json
from pathlib import Path
from typing import Any

import pytest

from openlane_authentik.host.vault import Vault
from openlane_authentik.host.vault.keys import GivenKeys, new_key
from openlane_authentik.testing import Server
from tests.e2e.command import environment, run, start
from tests.host.conftest import MakeDatabase


@pytest.fixture
def env(make_database: MakeDatabase, server: Server, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a host on a database without tables."""
    return environment(
        OPENLANE_HOST_DATA_DIR=str(tmp_path / "data"),
        OPENLANE_HOST_DATABASE_URL=make_database(False),  # noqa: FBT003 - the one thing to say
        OPENLANE_HOST_TICK_SECONDS="0.2",
        AUTHENTIK_BASE_URL=server.url,
        AUTHENTIK_TOKEN=server.fake.token("viewer"),
    )


def _json(env: dict[str, str], *arguments: str) -> Any:
    ran = run("host", *arguments, "--json", env=env)
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout)


def test_a_database_of_many_processes_is_migrated_on_purpose(env: dict[str, str]) -> None:
    """On PostgreSQL nothing works before ``migrate``, which says so; on SQLite the first command does it."""
    before = run("host", "list", env=env)
    if env["OPENLANE_HOST_DATABASE_URL"].startswith("sqlite"):
        assert before.returncode == 0
    else:
        assert before.returncode == 78
        assert "host migrate" in before.stderr
    assert run("host", "migrate", env=env).returncode == 0
    assert _json(env, "list") == []


def test_a_sync_is_done_here_or_by_the_worker_that_lives(env: dict[str, str]) -> None:
    """Without a worker the command works itself; with one the run is the worker's, and the command tells its end."""
    assert run("host", "migrate", env=env).returncode == 0
    _json(env, "connect", "--name", "Main", "--frequency", "3600")
    alone = run("host", "sync", "Main", env=env)
    assert alone.returncode == 0
    assert "asked" not in alone.stderr
    worker = start(["host", "worker"], env)
    try:
        assert worker.stderr is not None
        for line in worker.stderr:
            if json.loads(line)["event"] == "worker started":
                break
        beside = run("host", "sync", "Main", env=env)
        assert beside.returncode == 0
        assert "asked" in beside.stderr
    finally:
        worker.terminate()
        worker.communicate(timeout=60)
    assert worker.returncode == 0
    first, second = (_json(env, "runs", "Main", number) for number in ("1", "2"))
    assert [one["status"] for one in (first, second)] == ["COMPLETED", "COMPLETED"]
    assert first["workerId"] != second["workerId"]


def test_the_vault_tells_what_must_not_be_logged() -> None:
    """Every text of a credential that was sealed or opened, however deep, but none that every line has in it."""
    vault = Vault(GivenKeys(new_key()))
    sealed = vault.seal("a", {"token": " s3cret-1\n", "more": {"keys": ["s3cret-2", "no"]}, "port": 443})
    other = Vault(vault.keys)
    assert other.opened == set()
    other.unseal("a", sealed)
    assert vault.opened == other.opened == {"s3cret-1", "s3cret-2"}
