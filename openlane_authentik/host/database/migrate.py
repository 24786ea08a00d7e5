"""Bring the tables to this version, or say that they are not."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from openlane_authentik.host.database.connections import connection, transaction
from openlane_authentik.host.errors import SchemaError

_STEPS: Final = Path(__file__).parent / "migrations"


def migrate(engine: sa.Engine) -> None:
    """Take the steps that are missing, all of them or none.

    Raises:
        SchemaError: The tables are of a newer version of this package.
        DatabaseUnreachableError: See ``transaction``.
    """
    if revision(engine) not in {None, *_known()}:
        raise SchemaError("the database was made by a newer version of this package")
    with transaction(engine) as held:
        config = Config()
        config.set_main_option("script_location", str(_STEPS))
        config.attributes["connection"] = held
        command.upgrade(config, "head")


def revision(engine: sa.Engine) -> str | None:
    """Tell at which step the tables are; None when there are none."""
    with connection(engine) as held:
        return MigrationContext.configure(held).get_current_revision()


def check_revision(engine: sa.Engine) -> None:
    """See that the tables are those of this version.

    Raises:
        SchemaError: They are not; nothing was changed.
        DatabaseUnreachableError: See ``connection``.
    """
    found, wanted = revision(engine), _known()[0]
    if found != wanted:
        raise SchemaError(f"the database is at step {found or 'none'}, this version needs {wanted}")


def _known() -> list[str]:
    """Give every step, the newest first."""
    return [step.revision for step in ScriptDirectory(str(_STEPS)).walk_revisions()]
