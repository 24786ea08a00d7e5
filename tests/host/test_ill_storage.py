"""A database, a key, a folder or a disk that is not as it must be is told as what it is, and nothing is begun anew."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import open_database, transaction
from openlane_authentik.host.database.tables import host_fact
from openlane_authentik.host.errors import (
    DatabaseDamagedError,
    DatabaseError,
    DatabaseMissingError,
    ForeignDatabaseError,
    HostError,
    HostSettingError,
)
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import list_installations
from openlane_authentik.host.vault.keys import new_key
from openlane_authentik.testing import Server
from tests.host.service import service_env
from tests.host.service import serving as served
from tests.host.support import connect_demo
from tests.host.web_support import serving

SQLITE = pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)
_MOUNT = shutil.which("mount")
_UMOUNT = shutil.which("umount")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data folder in which a host has begun."""
    folder = tmp_path / "begun"
    open_host(HostSettings(data_dir=folder)).close()
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that is a disk of some megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = [str(_MOUNT), "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if _MOUNT is None or _UMOUNT is None or subprocess.run(mounting, check=False).returncode:
        pytest.skip("needs to mount a small disk")
    yield place
    subprocess.run([_UMOUNT, "--lazy", str(place)], check=True)


def _fill(place: Path) -> Path:
    """Fill a disk to its last byte; return the file that does."""
    file = place / "filler"
    with file.open("wb", buffering=0) as filler:
        for size in (100_000, 1_000, 1):
            try:
                while filler.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return file


def _health(host: Host) -> tuple[int, str]:
    with serving(host) as web, web.client(None) as client:
        answer = client.get("/healthz")
    body = answer.json()
    if answer.status_code == 200:
        return 200, body["status"]
    assert body["error"]["remedy"]
    return answer.status_code, body["error"]["code"]


def _write_until_it_fails(host: Host) -> None:
    """Write what is within the database's limits, and beyond those of a small disk."""
    for number in range(1_000):
        with transaction(host.database) as held:
            held.execute(sa.insert(host_fact).values(name=f"filler-{number}", value="x" * 100_000))


def _state(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# What is missing, or empty, when the host starts.


@pytest.mark.parametrize("left", [("host.key",), ("engine.sqlite",), ("host.key", "host.sqlite-wal", "api-token")])
def test_no_empty_directory_is_begun_beside_what_is_left_of_one(folder: Path, left: tuple[str, ...]) -> None:
    """The database was deleted, and something tells that there was one: nothing is made, and nothing is touched."""
    for file in folder.iterdir():
        file.unlink()
    for name in left:
        (folder / name).write_text("of a host")
    before = _state(folder)
    with pytest.raises(DatabaseMissingError, match="gone or empty") as raised:
        open_host(HostSettings(data_dir=folder))
    assert (raised.value.code, raised.value.exit_code) == ("database_missing", 78)
    assert _state(folder) == before


def test_an_empty_file_is_no_database(folder: Path) -> None:
    """As a copy that broke off leaves it."""
    (folder / "host.sqlite").write_bytes(b"")
    with pytest.raises(DatabaseMissingError):
        open_host(HostSettings(data_dir=folder))


def test_tables_are_not_made_anew_beside_a_key(settings: HostSettings, make_database: Callable[[bool], str]) -> None:
    """Of PostgreSQL as of SQLite: a database that was made anew has none, and the key is that of the one before."""
    migrated = False
    one = settings.model_copy(update={"database_url": make_database(migrated), "key": None})
    one.data_dir.mkdir(exist_ok=True)
    one.key_file.write_text(new_key())
    with pytest.raises(DatabaseMissingError):
        open_host(one)


def test_moving_the_rest_away_begins_anew(folder: Path) -> None:
    """As the remedy says."""
    for name in ("host.sqlite", "host.key"):
        (folder / name).unlink()
    open_host(HostSettings(data_dir=folder)).close()
    assert (folder / "host.sqlite").stat().st_size > 0


def test_a_moved_host_is_the_same(tmp_path: Path, folder: Path) -> None:
    """A data folder may be moved as a whole; a copy of the database alone has no key."""
    moved = folder.rename(tmp_path / "elsewhere")
    open_host(HostSettings(data_dir=moved)).close()
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(moved / "host.sqlite", copy)
    for key, code in ((None, "key_missing"), (new_key(), "key_wrong")):
        before = _state(copy)
        with pytest.raises(HostError) as raised:
            open_host(HostSettings(data_dir=copy, key=key))  # type: ignore[arg-type]  # read as a setting is
        assert raised.value.code == code
        assert _state(copy) == before


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_told(folder: Path, content: bytes) -> None:
    """Not as a database that does not answer, and nothing is written to it."""
    (folder / "host.sqlite").write_bytes(content)
    with pytest.raises(DatabaseDamagedError):
        open_host(HostSettings(data_dir=folder))
    assert (folder / "host.sqlite").read_bytes() == content


def test_no_tables_are_made_among_those_of_another_program(tmp_path: Path) -> None:
    """A file that is not this host's is left as it is."""
    file = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE customer (id INTEGER)")
    with pytest.raises(ForeignDatabaseError):
        open_host(HostSettings(data_dir=tmp_path / "data", database_url=f"sqlite:///{file}"))
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("customer",)]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user")
def test_a_folder_of_another_user_is_told(folder: Path) -> None:
    """The superuser could write there, and what it makes its owner could not read any more."""
    os.chown(folder, 12_345, 12_345)
    before = _state(folder)
    with pytest.raises(HostSettingError, match="belongs to the user with the id 12345"):
        open_host(HostSettings(data_dir=folder))
    assert _state(folder) == before


# For nobody else on the machine.


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Whatever the folder and the mask, and those of an older version, too, with what lies beside them."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    mask = os.umask(0)
    try:
        host = open_host(HostSettings(data_dir=folder))
        with transaction(host.database):
            assert {file.name: oct(file.stat().st_mode & 0o777) for file in folder.glob("*.sqlite*")} == dict.fromkeys(
                ("host.sqlite", "host.sqlite-wal", "host.sqlite-shm"), "0o600"
            )
        host.close()
        (folder / "host.sqlite").chmod(0o664)
        open_host(HostSettings(data_dir=folder)).close()
    finally:
        os.umask(mask)
    assert (folder / "host.sqlite").stat().st_mode & 0o777 == 0o600


# While it runs.


def test_a_host_that_is_well_says_so(host: Host) -> None:
    """On both databases."""
    assert _health(host) == (200, "ok")


@SQLITE
@pytest.mark.parametrize("then", ["deleted", "moved", "replaced"])
def test_a_database_that_goes_while_the_host_runs_is_missed(host: Host, folder: Path, then: str) -> None:
    """By the health and by whatever asks for it; none is begun in its place, and one that comes back is used again."""
    file = Path(host.database.url.database or "")
    aside = file.with_name("aside")
    if then == "deleted":
        os.link(file, aside)
        file.unlink()
    else:
        file.rename(aside)
    if then == "replaced":
        shutil.copy(folder / "host.sqlite", file)
    code = "database_replaced" if then == "replaced" else "database_missing"
    assert _health(host) == (503, code)
    host.database.dispose()
    with pytest.raises(DatabaseError) as raised:
        list_installations(host)
    assert raised.value.code == code
    assert file.exists() is (then == "replaced")
    aside.replace(file)
    assert _health(host) == (200, "ok")


@pytest.mark.parametrize(
    ("then", "code"), [("deleted", "key_missing"), ("another", "key_wrong"), ("nonsense", "host_setting_invalid")]
)
def test_a_key_that_goes_while_the_host_runs_is_missed(
    settings: HostSettings, make_database: Callable[[bool], str], then: str, code: str
) -> None:
    """Before a sync would find it out."""
    migrated = True
    host = open_host(settings.model_copy(update={"database_url": make_database(migrated), "key": None}))
    try:
        assert _health(host) == (200, "ok")
        match then:
            case "deleted":
                host.settings.key_file.unlink()
            case "another":
                host.settings.key_file.write_text(new_key())
            case _:
                host.settings.key_file.write_text("nonsense")
        assert _health(host) == (503, code)
    finally:
        host.close()


# Full disks.


def test_a_full_disk_of_the_database_is_told(small_disk: Path, server: Server) -> None:
    """By the health, by a save and by a run; nothing is lost, and all goes on when there is space again."""
    host = open_host(HostSettings(data_dir=small_disk / "data"))
    try:
        one = connect_demo(host, server.url, server.fake.token("viewer"))
        filler = _fill(small_disk)
        assert _health(host) == (503, "disk_full")
        with pytest.raises(DatabaseError) as raised:
            _write_until_it_fails(host)
        assert raised.value.code == "disk_full"
        filler.unlink()
        assert _health(host) == (200, "ok")
        assert [found.id for found in list_installations(host)] == [one.id]
    finally:
        host.close()


def test_a_full_disk_of_temporary_files_is_told(small_disk: Path, tmp_path: Path, server: Server) -> None:
    """The run fails by that name, and is not begun again and again; the next one completes when there is space."""
    for number in range(700):
        server.fake.directory.create_user(username=f"person-{number}", attributes={"filler": "x" * 3_000})
    env = service_env(tmp_path / "data", f"sqlite:///{tmp_path / 'host.sqlite'}", SQLITE_TMPDIR=str(small_disk))
    filler = _fill(small_disk)
    with served(env, tmp_path / "log") as service:
        installation_id = service.save(server, server.fake.token("viewer")).json()["id"]
        failed = service.await_run(installation_id, 1)
        assert (failed["status"], failed["error"]["code"]) == ("FAILED", "disk_full")
        assert len(service.get(f"/v1/runs/{failed['id']}")["attempts"]) == 1
        answer = service.client.get("/healthz")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "disk_full")
        filler.unlink()
        assert service.client.get("/healthz").status_code == 200
        run = service.sync(installation_id)
        assert run["status"] == "COMPLETED", run["error"]


@SQLITE
def test_a_database_that_may_not_grow_is_told(make_database: Callable[[bool], str]) -> None:
    """By a limit of its own as by the disk: it is full."""
    migrated = True
    engine = open_database(make_database(migrated))
    with pytest.raises(DatabaseError) as raised, transaction(engine) as held:  # noqa: PT012 - what fails within it
        held.exec_driver_sql("PRAGMA max_page_count = 1")
        held.exec_driver_sql("CREATE TABLE large AS SELECT randomblob(1000000) AS filler")
    engine.dispose()
    assert raised.value.code == "disk_full"
    assert isinstance(raised.value.__cause__, sa.exc.OperationalError)
