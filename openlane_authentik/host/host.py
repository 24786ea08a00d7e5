"""The host as its parts see it: settings, database, vault, integrations and clock."""

from dataclasses import dataclass

import sqlalchemy as sa

from openlane_authentik.clock import Clock, SystemClock, rfc3339
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import SQLITE, open_database
from openlane_authentik.host.database.migrate import check_revision, migrate, revision
from openlane_authentik.host.errors import HostSettingError
from openlane_authentik.host.providers import Providers
from openlane_authentik.host.vault import Vault, open_vault


@dataclass(frozen=True, slots=True)
class Host:
    """An opened host; nothing runs in it by itself."""

    settings: HostSettings
    database: sa.Engine
    vault: Vault
    providers: Providers
    clock: Clock

    def now(self) -> str:
        """Give the moment as it is stored."""
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
        DatabaseUnreachableError: No connection to the database.
    """
    try:
        # People's data and the key: for nobody else on this machine.
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HostSettingError(f"data_dir {settings.data_dir} cannot be made: {type(error).__name__}") from None
    engine = open_database(settings.database_address)
    try:
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
