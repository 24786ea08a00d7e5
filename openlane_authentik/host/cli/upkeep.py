"""Key and tables: what an operator does beside the running of the host."""

from openlane_authentik.host.cli.opening import configure_log, known_secrets, opened_host
from openlane_authentik.host.cli.tables import say
from openlane_authentik.host.configuration import load_settings
from openlane_authentik.host.database.connections import open_database
from openlane_authentik.host.database.migrate import migrate, revision
from openlane_authentik.host.host import check_not_lost, make_folder
from openlane_authentik.host.installations.rotation import rotate
from openlane_authentik.host.vault.keys import KeyFile
from openlane_authentik.terminal import open_console


def rotate_keys() -> None:
    """Seal every credential anew, and say what is left to do.

    Raises:
        HostError: See ``rotate``.
    """
    with opened_host() as host:
        count = rotate(host)
        keys = host.vault.keys
    console = open_console(stderr=False)
    say(console, f"{count} credentials sealed anew.")
    if isinstance(keys, KeyFile):
        say(console, f"The new key is in {keys.path}; back it up. It opens no older backup of the database.")
    else:
        say(console, "The first of OPENLANE_HOST_KEY opens all of them: the others may go.")


def migrate_database() -> None:
    """Take the steps that are missing.

    Raises:
        HostError: See ``migrate``.
    """
    settings = load_settings()
    configure_log(known_secrets(settings), service=False)
    make_folder(settings)
    engine = open_database(settings.database_address)
    try:
        check_not_lost(settings, engine)
        before = revision(engine)
        migrate(engine)
        after = revision(engine)
    finally:
        engine.dispose()
    told = f"already at step {after}" if before == after else f"brought from step {before or 'none'} to {after}"
    say(open_console(stderr=False), f"The database was {told}.")
