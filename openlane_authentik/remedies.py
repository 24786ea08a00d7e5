"""Word remedies for where they are read: an option is ``--ca-file`` in a command, and ``ca_file`` in the library.

A remedy is written once, as a template with terms in braces: ``"..., or {groups_off}."``. ``remedy`` words it for the
library. Whoever shows it elsewhere rewords it: ``retold(error.remedy, Surface.COMMAND)``. A text that was kept, as in
the host's ledger, can be reworded again, since every phrase of every surface is recognised.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Surface(StrEnum):
    """Where a remedy is read.

    Attributes:
        LIBRARY: By who calls this package.
        COMMAND: By who ran ``openlane-authentik``.
        HOST: On the host's pages, in its API, and in what it stores and sends: by who fills in its forms, and need
            not be the one who runs it.
        HOST_COMMAND: By who ran ``openlane-authentik host``.
    """

    LIBRARY = "library"
    COMMAND = "command"
    HOST = "host"
    HOST_COMMAND = "host_command"


_GIVE_BOTH: Final = "Pass --base-url and --token-file, or set AUTHENTIK_BASE_URL and AUTHENTIK_TOKEN in the environment"
_SET_PROXY: Final = "Set the variable that the message names"
_RESTORE_KEY: Final = "Restore the key file that belongs to this database, or set OPENLANE_HOST_KEY to its content"
_MIGRATE: Final = "Back the database up and run `openlane-authentik host migrate`"
_ALLOW_HOST: Final = "Name in OPENLANE_HOST_ALLOWED_HOSTS by what name the host is asked, or ask for its address"
_RESTORE_DATABASE: Final = "Stop the host and restore the database from its backup, together with its key"
_BEGIN_ANEW: Final = "To begin an empty directory on purpose, move host.key and engine.sqlite out of the data folder"
_RESTART: Final = "Put the right file in its place and start the host again"
_DATABASE_ADDRESS: Final = "the address in OPENLANE_HOST_DATABASE_URL"


def _of_the_host(everywhere: str, on_its_pages: str) -> dict[Surface, str]:
    """Return the phrases of a term about the host itself: those who read its pages need not be those who run it."""
    return {surface: on_its_pages if surface is Surface.HOST else everywhere for surface in Surface}


TERMS: Final[Mapping[str, Mapping[Surface, str]]] = {
    "this_machine": _of_the_host("this machine", "the host's machine"),
    "give_credential": {
        Surface.LIBRARY: "Give `baseUrl` and `token` in the credential",
        Surface.COMMAND: _GIVE_BOTH,
        Surface.HOST: "Fill in 'Base URL' and 'API Token'",
        Surface.HOST_COMMAND: _GIVE_BOTH,
    },
    "trust_authority": {
        Surface.LIBRARY: "give its file as `ca_file`",
        Surface.COMMAND: "pass its file with --ca-file",
        Surface.HOST: "fill its certificate in as 'Certificate Authorities'",
        Surface.HOST_COMMAND: "pass its file with --ca-file",
    },
    "name_authorities": {
        Surface.LIBRARY: "Give a file of certificates in PEM format as `ca_file`, or name one in SSL_CERT_FILE",
        Surface.COMMAND: "Pass a file of certificates in PEM format with --ca-file, or name one in SSL_CERT_FILE",
        Surface.HOST: "Fill in 'Certificate Authorities' in PEM format, or have whoever runs this host mend its own",
        Surface.HOST_COMMAND: "Pass a file of certificates in PEM format with --ca-file, or name one in SSL_CERT_FILE",
    },
    "set_proxy": _of_the_host(_SET_PROXY, "Let whoever runs this host set the variable that the message names"),
    "groups_off": {
        Surface.LIBRARY: "set `disable_group_sync`",
        Surface.COMMAND: "pass --disable-group-sync",
        Surface.HOST: "switch on 'Disable Group Sync'",
        Surface.HOST_COMMAND: "connect it with --disable-group-sync",
    },
    "allow_http": {
        Surface.LIBRARY: "set `allowHttp`",
        Surface.COMMAND: "pass --allow-http",
        Surface.HOST: "tick 'Allow HTTP'",
        Surface.HOST_COMMAND: "pass --allow-http",
    },
    "confirm_scope": {
        Surface.LIBRARY: "confirm the save with the number of records in the message",
        Surface.COMMAND: "confirm the save with the number of records in the message",
        Surface.HOST: "fill in the number of records in the message as 'Confirm'",
        Surface.HOST_COMMAND: "give the number of records in the message with --confirm",
    },
    "raise_time_limit": {
        Surface.LIBRARY: "Raise `timeout_seconds`",
        Surface.COMMAND: "Raise --timeout",
        Surface.HOST: "Raise the 'Time limit' of the schedule and the 'Timeout' of the sync's options",
        Surface.HOST_COMMAND: "Raise the installation's time limit with `host connect --timeout`",
    },
    "allow_host": _of_the_host(_ALLOW_HOST, "Let whoever runs this host allow the name, or ask for its address"),
    "restore_database": _of_the_host(
        _RESTORE_DATABASE, "Let whoever runs this host restore the database from its backup, together with its key"
    ),
    "begin_anew": _of_the_host(_BEGIN_ANEW, "Nothing is begun anew by itself"),
    "restart": _of_the_host(_RESTART, "Let whoever runs this host put the right file in its place and start it again"),
    "database_address": _of_the_host(_DATABASE_ADDRESS, "the database address that this host was started with"),
    "migrate": _of_the_host(_MIGRATE, "Let whoever runs this host back the database up and migrate it"),
    "restore_key": _of_the_host(
        _RESTORE_KEY, "Let whoever runs this host restore the key that belongs to its database"
    ),
}
"""By term, the phrase for each surface. No two terms share a phrase, and no phrase is a part of another term's."""

_TERM_OF: Final = {phrase: term for term, phrases in TERMS.items() for phrase in phrases.values()}
_PHRASE: Final = re.compile("|".join(map(re.escape, sorted(_TERM_OF, key=len, reverse=True))))


def remedy(template: str) -> str:
    """Return a remedy, worded for the library.

    Raises:
        KeyError: The template names an unknown term.
    """
    return template.format_map({term: phrases[Surface.LIBRARY] for term, phrases in TERMS.items()})


def retold(text: str, surface: Surface) -> str:
    """Return a remedy reworded for a surface, from the words of any surface; a text without terms is unchanged."""
    return _PHRASE.sub(lambda found: TERMS[_TERM_OF[found[0]]][surface], text)
