"""Open the host for a command: its settings, its log without secrets, and the installation that was meant."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

import httpx
import sqlalchemy as sa

from openlane_authentik.host.configuration import HostSettings, load_settings
from openlane_authentik.host.errors import ConflictError, HostSettingError, InvalidRequestError, UnknownRecordError
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import Installation, list_installations
from openlane_authentik.log import configure_logging, get_logger
from openlane_authentik.quiet import log_level

_SHORTEST_BEGINNING: Final = 4
_log = get_logger()


@contextmanager
def opened_host(*, service: bool = False) -> Iterator[Host]:
    """Open the host, log as a command or as a service does, and close it at the end.

    Raises:
        HostError: See ``load_settings`` and ``open_host``.
        InvalidRequestError: The command was given a text or a number that the database does not take.
    """
    settings = load_settings()
    known = known_secrets(settings)
    configure_log(known, service=service)
    if "data_dir" not in settings.model_fields_set:
        _log.info("data folder", folder=str(settings.data_dir))
    host = open_host(settings)
    try:
        # The set of the vault grows by every credential that is opened from here on.
        host.vault.opened.update(known)
        configure_log(host.vault.opened, service=service)
        yield host
    except (sa.exc.DataError, OverflowError, UnicodeEncodeError):
        # Numbers beyond all bounds, and arguments that are no text.
        raise InvalidRequestError("the database cannot hold a value that was given") from None
    finally:
        host.close()


def configure_log(secrets: Collection[str], *, service: bool) -> None:
    """Log for people on a terminal, else as JSON."""
    configure_logging(secrets=secrets, as_json=not sys.stderr.isatty(), level=log_level(service=service))


def known_secrets(settings: HostSettings) -> set[str]:
    """Return what of the settings may never be logged."""
    hidden = (settings.api_token, settings.webhook_url, settings.key)
    values = [secret.get_secret_value() for secret in hidden if secret is not None]
    if settings.key is not None:
        values += [key.strip() for key in settings.key.get_secret_value().split(",")]
    if settings.webhook_url is not None:
        # As the HTTP client writes it: a blank is %20 there.
        values.append(str(httpx.URL(settings.webhook_url.get_secret_value())))
    try:
        password = sa.make_url(settings.database_address).password
    except sa.exc.ArgumentError:
        raise HostSettingError("the database URL is not an address") from None
    return {value for value in (*values, password) if value}


def find_installation(host: Host, meant: str) -> Installation:
    """Find an installation by its id, the beginning of its id, or its name.

    Raises:
        UnknownRecordError: There is none.
        ConflictError: There is more than one.
    """
    there = list_installations(host)
    for found in (
        [one for one in there if one.id == meant],
        [one for one in there if one.name == meant],
        [one for one in there if len(meant) >= _SHORTEST_BEGINNING and one.id.startswith(meant)],
    ):
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            raise ConflictError(f"more than one installation is meant by {meant!r}: {ids}")
        if found:
            return found[0]
    raise UnknownRecordError(f"there is no installation {meant!r}")
