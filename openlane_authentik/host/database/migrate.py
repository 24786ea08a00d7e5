"""Bring the tables to this version, or say that they are not."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from openlane_authentik.host.database.connections import SQLITE, connection, transaction
from openlane_authentik.host.database.tables import metadata
from openlane_authentik.host.errors import ForeignDatabaseError, SchemaError

_STEPS: Final = Path(__file__).parent / "migrations"


def migrate(engine: sa.Engine) -> None:
    """Take the steps that are missing, all of them or none.

    Raises:
        SchemaError: The tables are of a newer version of this package.
        ForeignDatabaseError: They are another program's.
        DatabaseUnreachableError: See ``transaction``.
    """
    found = revision(engine)
    if found not in {None, *_known()}:
        raise SchemaError("the database was made by a newer version of this package")
    if found is None and _holds_others(engine):
        raise ForeignDatabaseError("the database holds tables that this host did not make")
    with transaction(engine) as held:
        config = Config()
        config.set_main_option("script_location", str(_STEPS))
        config.attributes["connection"] = held
        command.upgrade(config, "head")


def revision(engine: sa.Engine) -> str | None:
    """Return at which step the tables are; None when there are none."""
    with connection(engine) as held:
        return MigrationContext.configure(held).get_current_revision()


def check_revision(engine: sa.Engine) -> None:
    """Check that the tables are those of this version.

    Raises:
        SchemaError: They are not; nothing was changed.
        DatabaseUnreachableError: See ``connection``.
    """
    found, wanted = revision(engine), _known()[0]
    if found != wanted:
        raise SchemaError(f"the database is at step {found or 'none'}, this version needs {wanted}")


def _holds_others(engine: sa.Engine) -> bool:
    with connection(engine) as held:
        there = set(sa.inspect(held).get_table_names())
    # A file is one program's; a server's database may be shared by others, whose tables have other names.
    return bool(there if engine.dialect.name == SQLITE else there & set(metadata.tables))


def _known() -> list[str]:
    """Return every step, the newest first."""
    return [step.revision for step in ScriptDirectory(str(_STEPS)).walk_revisions()]
