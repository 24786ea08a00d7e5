"""The tables are of one version: made whole or not at all, and never touched when they are another's."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import open_database, transaction
from openlane_authentik.host.database.migrate import migrate
from openlane_authentik.host.database.tables import metadata
from openlane_authentik.host.errors import (
    DatabaseUnreachableError,
    SchemaError,
)
from openlane_authentik.host.host import Host, open_host
from tests.host.support import (
    dump,
)

UNMIGRATED = "the database is at step none"


class CrashError(Exception):
    """The process ends here."""


def test_tables_and_migrations_say_the_same(engine: sa.Engine) -> None:
    """What the steps make is what the code describes, on both databases."""
    with engine.connect() as held:
        context = MigrationContext.configure(held, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_migration_happens_whole_or_not_at_all(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails at its last table leaves a database without any."""
    from alembic import op  # noqa: PLC0415 - the module's own attribute is replaced below

    engine = open_database(empty_database_url)
    create_table = op.create_table

    def fails_at_last(name: str, *parts: Any, **options: Any) -> Any:
        if name == "attention_record":
            raise CrashError
        return create_table(name, *parts, **options)

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_table", fails_at_last)
        with pytest.raises(CrashError):
            migrate(engine)
    assert sa.inspect(engine).get_table_names() == []
    migrate(engine)
    migrate(engine)
    assert set(metadata.tables) <= set(sa.inspect(engine).get_table_names())
    engine.dispose()


def test_tables_of_a_newer_version_are_left_alone(host: Host, settings: HostSettings) -> None:
    """Neither a start nor a migration goes on with what it does not know."""
    with transaction(host.database) as held:
        held.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    before = dump(host.database)
    with pytest.raises(SchemaError):
        open_host(settings)
    with pytest.raises(SchemaError, match="newer"):
        migrate(host.database)
    assert dump(host.database) == before


def test_only_sqlite_migrates_by_itself(tmp_path: Path, empty_database_url: str) -> None:
    """PostgreSQL, which other processes may be using, waits for `host migrate`."""
    settings = HostSettings(data_dir=tmp_path / "data", database_url=empty_database_url)
    if empty_database_url.startswith("sqlite"):
        open_host(settings).close()
        return
    with pytest.raises(SchemaError, match=UNMIGRATED):
        open_host(settings)
    engine = open_database(empty_database_url)
    migrate(engine)
    engine.dispose()
    open_host(settings).close()


def test_a_database_that_is_not_there_is_worth_another_try(tmp_path: Path) -> None:
    """No connection is told as such, without the address and its password."""
    address = "postgresql://host:s3cret@127.0.0.1:1/none"
    with pytest.raises(DatabaseUnreachableError) as caught:
        open_host(HostSettings(data_dir=tmp_path, database_url=address))
    assert caught.value.exit_code == 75
    assert "s3cret" not in str(caught.value)
