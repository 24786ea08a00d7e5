"""A host's life by the README: connected, served in the background, asked over its API, ended and begun again."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik, Fault, Server, serve
from tests.e2e.command import no_traceback, run
from tests.host.conftest import (  # noqa: F401 - fixtures
    MakeDatabase,
    make_database,
    postgresql,
    postgresql_server,
    sqlite_template,
)
from tests.host.running import wait_until
from tests.host.service import Service, events, service_env, serving

# A run that is under way gets 30 seconds to end, and a worker 10 to let go of it.
_PROMPT_SECONDS = 10
_MOST_SECONDS = 45


@pytest.fixture
def people() -> Iterator[Server]:
    """Serve a directory."""
    with serve(FakeAuthentik(Directory.generate(users=40, groups=5, seed=3))) as served:
        yield served


@pytest.fixture
def env(make_database: MakeDatabase, people: Server, tmp_path: Path) -> dict[str, str]:  # noqa: F811 - a fixture
    """Return the environment of a new user, who has made the tables where that is asked for."""
    token_file = tmp_path / "token.txt"
    token_file.write_text(people.fake.token("viewer"))
    env = service_env(tmp_path / "data", make_database(False))  # noqa: FBT003 - the one thing to say
    if not env["OPENLANE_HOST_DATABASE_URL"].startswith("sqlite"):
        assert run("host", "migrate", env=env).returncode == 0
    return env


def _connect(env: dict[str, str], people: Server, folder: Path) -> str:
    """Connect as the README says; return the id."""
    ran = run(
        *("host", "connect", "--base-url", people.url, "--token-file", str(folder / "token.txt")),
        *("--name", "authentik", "--frequency", "3600", "--json"),
        env=env,
    )
    assert ran.returncode == 0, ran.stderr
    return str(json.loads(ran.stdout)["id"])


@contextmanager
def _under_way(service: Service, people: Server, one: str, seconds: float) -> Iterator[int]:
    """Have a run that is under way and waits for its server; return its number."""
    fake = people.fake
    fake.inject(Fault.slow(seconds), nth=len(fake.requests) + 4, times=1)
    number = service.ask(one)["number"]
    service.await_run(one, number, "RUNNING")
    wait_until(
        lambda: any(line["event"] == "sync started" and line.get("run") == number for line in events(service.log))
    )
    yield number
    fake.clear_faults()


def test_a_new_user_follows_the_readme(env: dict[str, str], people: Server, tmp_path: Path) -> None:
    """Connected and served, it syncs by itself, then when asked; changes and past states are read over the API.

    Told to end it does so at once, and the next start goes on where it was.
    """
    one = _connect(env, people, tmp_path)
    directory, log = people.fake.directory, tmp_path / "said.log"
    with serving(env, log) as service:
        first = service.await_run(one, 1)
        assert (first["status"], first["trigger"]) == ("COMPLETED", "schedule")
        before = {user["uid"]: user["name"] for user in directory.users.values()}
        gone, renamed = list(directory.users)[2:4]
        gone_id, renamed_id = (directory.users[pk]["uid"] for pk in (gone, renamed))
        directory.delete_user(gone)
        directory.update_user(renamed, name="Zoe Newname")
        came = directory.create_user(username="jo", name="Jo Newcomer")
        second = service.sync(one)
        assert (second["status"], second["trigger"], second["number"]) == ("COMPLETED", "manual", 2)
        found = [line for line in service.changes(second["id"]) if line["schema"] == "DirectoryAccount"]
        assert {(line["kind"], line["externalId"]) for line in found} == {
            ("removed", gone_id),
            ("changed", renamed_id),
            ("added", directory.users[came]["uid"]),
        }
        told = service.client.get(f"/v1/integrations/{one}/export", params={"asOf": 1, "format": "ndjson"})
        assert _accounts(told.text) == before
        now = service.client.get(f"/v1/integrations/{one}/export", params={"format": "ndjson"})
        assert _accounts(now.text) == {user["uid"]: user["name"] for user in directory.users.values()}
        begun = monotonic()
        assert service.terminate() == 0
        assert monotonic() - begun < _PROMPT_SECONDS
    with serving(env, log) as service:
        assert [item["number"] for item in service.get(f"/v1/integrations/{one}/runs")["items"]] == [2, 1]
        third = service.sync(one)
        assert (third["status"], third["number"], third["deltaCount"]) == ("COMPLETED", 3, 0)
    by_command = run("host", "changes", "authentik", "2", "--json", env=env)
    assert {line["externalId"] for line in json.loads(by_command.stdout)["items"]} > {gone_id, renamed_id}


@pytest.mark.parametrize("make_database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True)
def test_told_to_end_it_lets_a_run_end(env: dict[str, str], people: Server, tmp_path: Path) -> None:
    """SIGTERM while a run is under way: the run ends well, nothing new begins, the exit code is 0."""
    one = _connect(env, people, tmp_path)
    with serving(env, tmp_path / "said.log") as service:
        service.await_run(one, 1)
        with _under_way(service, people, one, 2):
            assert service.terminate() == 0
    with serving(env, tmp_path / "said.log") as service:
        done = service.await_run(one, 2)
        assert (done["status"], done["attempt"], done["deltaCount"]) == ("COMPLETED", 1, 0)


@pytest.mark.soak
def test_told_to_end_it_gives_back_a_run_that_does_not(env: dict[str, str], people: Server, tmp_path: Path) -> None:
    """A run that does not end in time is given back, and the next start makes it anew: no failure, nothing twice."""
    one = _connect(env, people, tmp_path)
    with serving(env, tmp_path / "said.log") as service:
        service.await_run(one, 1)
        with _under_way(service, people, one, 300):
            begun = monotonic()
            assert service.terminate() == 0
            assert monotonic() - begun < _MOST_SECONDS
    with serving(env, tmp_path / "said.log") as service:
        done = service.await_run(one, 2)
        assert (done["status"], done["attempt"], done["deltaCount"]) == ("COMPLETED", 2, 0)
        assert service.get(f"/v1/integrations/{one}")["failuresInARow"] == 0


@pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)
def test_a_second_host_on_the_same_sqlite_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    """It says ``host_running`` and exits 75, and the first goes on."""
    with serving(env, tmp_path / "said.log") as service:
        second = run("host", "serve", env=env)
        assert (second.returncode, second.stdout) == (75, "")
        assert "[host_running]" in second.stderr
        assert service.get("/v1/integrations")["items"] == []


@pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)
def test_a_port_that_is_taken_is_told(env: dict[str, str], people: Server, tmp_path: Path) -> None:
    """The error names address and port, exits 78, and no run was begun by it."""
    _connect(env, people, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run("host", "serve", env={**env, "OPENLANE_HOST_LISTEN_PORT": port})
    assert refused.returncode == 78
    assert "[host_setting_invalid]" in refused.stderr
    assert "127.0.0.1" in refused.stderr
    assert port in refused.stderr
    no_traceback(refused.stderr)
    assert json.loads(run("host", "runs", "authentik", "--json", env=env).stdout) == []


def test_a_value_that_no_database_takes_is_told(env: dict[str, str], people: Server, tmp_path: Path) -> None:
    """A number beyond all bounds and an argument that is no text end in a sentence and 78, never in a traceback."""
    _connect(env, people, tmp_path)
    for arguments in (
        ["changes", "authentik", "9" * 20],
        ["runs", "authentik", "--limit", "9" * 20],
        ["changes", "authentik", "--search", "\udcff"],
    ):
        refused = run("host", *arguments, env=env)
        assert (refused.returncode, refused.stdout) == (78, ""), arguments
        assert "error: " in refused.stderr


def _accounts(told: str) -> dict[str, Any]:
    """Return the names of all accounts of an export, by id."""
    rows = map(json.loads, told.splitlines()[1:])
    return {row["accountId"]: row["displayName"] for row in rows}
