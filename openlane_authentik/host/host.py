"""The host as its parts see it: settings, database, vault, integrations and clock."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from openlane_authentik.clock import Clock, SystemClock, rfc3339
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import SQLITE, open_database
from openlane_authentik.host.database.migrate import check_revision, migrate, revision
from openlane_authentik.host.errors import DatabaseMissingError, HostSettingError
from openlane_authentik.host.providers import Providers
from openlane_authentik.host.vault import Vault, open_vault

_SUPERUSER: Final = 0


def make_folder(settings: HostSettings) -> None:
    """Make the data folder unless it is there.

    Raises:
        HostSettingError: It cannot be made; and see ``check_folder``.
    """
    try:
        # People's data and the key: for nobody else on this machine.
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HostSettingError(f"data_dir {settings.data_dir} cannot be made: {type(error).__name__}") from None
    check_folder(settings)


def check_folder(settings: HostSettings) -> None:
    """Check that the data folder is this user's to write in.

    Raises:
        HostSettingError: It is not, or it is not there.
    """
    folder, user = settings.data_dir, os.geteuid()
    try:
        owner = folder.stat().st_uid
    except OSError as error:
        raise HostSettingError(f"data_dir {folder} cannot be looked at: {type(error).__name__}") from None
    is_writable = os.access(folder, os.W_OK | os.X_OK)
    # What the superuser made there, its owner could not read any more.
    if owner != user and (user == _SUPERUSER or not is_writable):
        raise HostSettingError(f"data_dir {folder} belongs to the user with the id {owner}, and this one has {user}")
    if not is_writable:
        raise HostSettingError(f"data_dir {folder} cannot be written")


def check_not_lost(settings: HostSettings, engine: sa.Engine) -> None:
    """Check that there is a database if something else tells that there was one: an empty one is not begun beside it.

    Raises:
        DatabaseMissingError: It is gone.
        DatabaseError: See ``connection``.
    """
    is_file = engine.dialect.name == SQLITE
    left = [settings.key_file] if settings.key is None else []
    left += [settings.engine_file] if is_file else []
    # First what is made after the tables, then the tables: another process may be making both now.
    names = " and ".join(file.name for file in left if file.exists())
    if names and ((is_file and not Path(engine.url.database or "").exists()) or revision(engine) is None):
        raise DatabaseMissingError(f"{names} of a host lies in the data folder, and its database is gone or empty")


@dataclass(frozen=True, slots=True)
class Host:
    """An opened host; nothing runs in it by itself."""

    settings: HostSettings
    database: sa.Engine
    vault: Vault
    providers: Providers
    clock: Clock

    def now(self) -> str:
        """Return the moment as it is stored."""
        return rfc3339(self.clock.now())

    def close(self) -> None:
        """Close the database's connections."""
        self.database.dispose()


def open_host(settings: HostSettings, *, clock: Clock | None = None, providers: Providers | None = None) -> Host:
    """Open the host.

    SQLite tables are brought to this version; those of PostgreSQL, which other processes may be using, must be.

    Args:
        settings: See ``load_settings``.
        clock: What everything is stamped and scheduled by.
        providers: The integrations; those that are installed if not given.

    Raises:
        HostSettingError: A setting cannot be used.
        SchemaError: The tables are not of this version.
        VaultError: The key is not the one of this database; nothing was changed.
        DatabaseError: The database is missing, another program's, damaged, or does not answer.
    """
    make_folder(settings)
    engine = open_database(settings.database_address)
    try:
        check_not_lost(settings, engine)
        if engine.dialect.name == SQLITE:
            if revision(engine) is not None:
                # With a wrong key not even the tables are touched.
                open_vault(settings, engine)
            migrate(engine)
        else:
            check_revision(engine)
        vault = open_vault(settings, engine)
    except BaseException:
        engine.dispose()
        raise
    return Host(settings, engine, vault, providers or Providers.load(), clock or SystemClock())
