"""Where the command line finds the base URL and the token: options, environment, a file, or a prompt.

There is no option for the token itself: a command line can be read by everyone on the machine.
"""

import os
import sys
from pathlib import Path

import typer

from openlane_authentik.errors import SettingMissingError
from openlane_authentik.settings import AuthentikCredential, parse_credential
from openlane_authentik.text_file import read_text_file

BASE_URL_VARIABLE = "AUTHENTIK_BASE_URL"
TOKEN_VARIABLE = "AUTHENTIK_TOKEN"  # noqa: S105 - the name of a variable


def find_credential(base_url: str | None, token_file: Path | None, *, allow_http: bool) -> AuthentikCredential:
    """Put the credential together.

    Raises:
        SettingMissingError: A half of it is nowhere to be found; the message says where it was looked for.
        BaseUrlError: See ``normalise_base_url``.
        TokenMissingError: What was found can be no token.
    """
    return parse_credential(
        {"baseUrl": base_url or _base_url(), "token": _read(token_file) if token_file else _token()},
        allow_http=allow_http,
    )


def _base_url() -> str:
    if url := os.environ.get(BASE_URL_VARIABLE):
        return url
    raise SettingMissingError(f"no base URL: neither --base-url nor {BASE_URL_VARIABLE} is set")


def _token() -> str:
    if token := os.environ.get(TOKEN_VARIABLE):
        return token
    if sys.stdin.isatty() and sys.stderr.isatty():
        prompted: str = typer.prompt("authentik API token", hide_input=True, err=True)
        return prompted
    raise SettingMissingError(f"no token: neither --token-file nor {TOKEN_VARIABLE} is set")


def _read(path: Path) -> str:
    try:
        return read_text_file(path)
    except OSError as error:
        raise SettingMissingError(f"the token file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        # It quotes what it could not read.
        raise SettingMissingError(
            f"the token file {path} cannot be read: it is neither UTF-8 nor UTF-16 with a byte order mark"
        ) from None
