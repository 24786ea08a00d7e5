"""Connect a directory, or change an installation, from the command line."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import typer

from openlane_authentik.host.cli.opening import find_installation, opened_host
from openlane_authentik.host.cli.tables import health_table, say, tell_filter_warnings
from openlane_authentik.host.cli.words import print_told
from openlane_authentik.host.contract import Definition
from openlane_authentik.host.errors import InvalidRequestError, UnhealthyError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import Installation, SaveRequest, save
from openlane_authentik.host.installations.forms import credential_schema
from openlane_authentik.terminal import open_console
from openlane_authentik.text_file import read_text_file

_ORGANISATION: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says; None is what it says nothing of.

    Attributes:
        organisation, name, definition: As the options.
        base_url, token_file, ca_file, allow_http, credential_file: Where the credential comes from.
        no_ca_file: Remove the authorities that are stored.
        user_input: Keys of the form.
        frequency: 0 is the adaptive rule.
        settings: Further fields of a ``SaveRequest``.
    """

    organisation: str | None
    name: str | None
    definition: str | None
    base_url: str | None
    token_file: Path | None
    ca_file: Path | None
    no_ca_file: bool
    allow_http: bool | None
    credential_file: Path | None
    user_input: Mapping[str, Any]
    frequency: int | None
    settings: Mapping[str, Any] = field(default_factory=dict)


def connect_directory(given: Given, meant: str | None, *, as_json: bool) -> int:
    """Save an installation, print its checks and its id; return the exit code.

    Args:
        given: What it is to be.
        meant: Which installation to change; None connects a directory.
        as_json: Print the installation, or the report that kept it from being stored.

    Raises:
        IntegrationError: See ``save``; but a failed check is printed.
    """
    with opened_host() as host:
        before = find_installation(host, meant) if meant is not None else None
        definition = host.providers.get(before.definition_id) if before else _definition(host, given.definition)
        credential = _credential(definition, given, needed=before is None or not before.credential_stored)
        request = _request(given, before, credential)
        try:
            saved = asyncio.run(save(host, definition.spec.id, request, before.id if before else None))
        except UnhealthyError as error:
            if as_json:
                print_told({"code": error.code, "message": str(error), "health": error.report})
            else:
                console = open_console(stderr=False)
                console.print(health_table(error.report))
                say(console, f"=> {error.report['status']}; nothing was stored", style="bold")
            return error.exit_code
    if as_json:
        print_told(saved)
    else:
        console = open_console(stderr=False)
        console.print(health_table(saved.health or {"checks": []}))
        say(console, f"=> {'changed' if before else 'connected'}: {saved.name}", style="bold")
        tell_filter_warnings(console, saved)
        say(console, f"   installation {saved.id}; its next run is due now")
    return 0


def _request(given: Given, before: Installation | None, credential: Mapping[str, Any] | None) -> SaveRequest:
    """Put the request together: what is given, else what was, else the defaults."""
    values: dict[str, Any] = {}
    if before is not None:
        names = ("organisation", "name", "config", "frequency_seconds", "timeout_seconds")
        kept = (*names, "breaker_share", "breaker_least", "keep_filter_copy")
        values = {name: getattr(before, name) for name in kept}
    told = {"organisation": given.organisation, "name": given.name, **given.settings}
    values |= {name: value for name, value in told.items() if value is not None}
    if given.frequency is not None:
        values["frequency_seconds"] = given.frequency or None
    user_input = dict(before.user_input) if before is not None else {}
    user_input |= {name: value for name, value in given.user_input.items() if value is not None}
    return SaveRequest(**{"organisation": _ORGANISATION, **values}, credential=credential, user_input=user_input)


def _definition(host: Host, meant: str | None) -> Definition:
    there = host.providers.all()
    if meant is None:
        if len(there) == 1:
            return there[0]
        ids = ", ".join(f"{one.spec.id} ({one.spec.display_name})" for one in there) or "none is installed"
        raise InvalidRequestError(f"--definition: say which integration: {ids}")
    named = [one for one in there if one.spec.display_name.casefold() == meant.casefold()]
    return named[0] if len(named) == 1 else host.providers.get(meant)


def _credential(definition: Definition, given: Given, *, needed: bool) -> dict[str, Any] | None:
    """Put the credential together, field by field of its form; there is no option for a secret itself.

    Raises:
        InvalidRequestError: A field is nowhere to be found, or a file cannot be used.
    """
    schema = credential_schema(definition)
    fields: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    credential = _from_file(given.credential_file)
    options: dict[str, tuple[str, Any]] = {
        "baseUrl": ("--base-url", given.base_url),
        "token": ("--token-file", _read(given.token_file)),
        # An empty file is given, too: a blank is no certificate, where nothing would keep what is stored.
        "caCertificates": ("--ca-file", given.ca_file and (_read(given.ca_file) or " ")),
        "allowHttp": ("--allow-http", given.allow_http),
    }
    for name, (option, value) in options.items():
        if value is not None and name not in fields:
            raise InvalidRequestError(f"{option}: the credential of {definition.spec.display_name} has no {name}")
    for name, form in fields.items():
        option, value = options.get(name, ("", None))
        variable = _variable(definition, name)
        places = (value, credential.get(name), os.environ.get(variable))
        found = next((one for one in places if one not in (None, "")), None)
        if not found and needed and name in schema.get("required", ()):
            found = _ask(form.get("title", name), ", ".join(filter(None, (option, "--credential-file", variable))))
        if found not in (None, ""):
            credential[name] = (found.strip() or found) if isinstance(found, str) else found
    if given.no_ca_file and given.ca_file is None:
        credential["caCertificates"] = None
    return credential or None


def _variable(definition: Definition, name: str) -> str:
    """Name the variable of a field, as AUTHENTIK_BASE_URL is that of Authentik's baseUrl."""
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in name)
    return "".join(letter if letter.isalnum() else "_" for letter in f"{definition.spec.display_name}_{words}").upper()


def _ask(title: str, places: str) -> str:
    if sys.stdin.isatty() and sys.stderr.isatty():
        answer: str = typer.prompt(title, hide_input=True, err=True)
        return answer
    raise InvalidRequestError(f"no {title}: none of {places} is set")


def _from_file(path: Path | None) -> dict[str, Any]:
    text = _read(path)
    if text is None:
        return {}
    try:
        credential: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        # Its text would quote the file.
        raise InvalidRequestError(f"--credential-file: {path} holds no JSON object") from None
    return credential


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return read_text_file(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"the file {path} cannot be read: {type(error).__name__}") from None
