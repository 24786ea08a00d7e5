"""Who may ask: whoever has the API token."""

import math
import os
import re
import secrets
from pathlib import Path
from typing import Final

from starlette.requests import Request

from openlane_authentik.host.errors import HostSettingError, TooManyTriesError, UnauthorisedError
from openlane_authentik.host.host import Host
from openlane_authentik.host.web.throttle import Throttle
from openlane_authentik.log import get_logger
from openlane_authentik.text_file import read_text_file

# Sessions are signed with it: a short one could be guessed from a cookie.
_SHORTEST: Final = 16
_TOKEN: Final = re.compile(r"[!-~]+")
_log = get_logger()


class Bearer:
    """Lets in who has the token; its text does not show it."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._throttle = Throttle()

    def admit(self, request: Request, given: str) -> None:
        """Let in who gives the token, in a time that tells nothing of how much of it is right.

        Raises:
            TooManyTriesError: Wrong ones came from there too often; this one was not even looked at.
            UnauthorisedError: It is another one.
        """
        address = request.client.host if request.client is not None else "unknown"
        seconds = math.ceil(self._throttle.seconds_left(address))
        if seconds:
            _log.warning("login refused", address=address, seconds_left=seconds)
            raise TooManyTriesError(f"too many wrong API tokens came from there; try again in {seconds} s", seconds)
        if not secrets.compare_digest(given.encode(errors="surrogateescape"), self._token):
            self._throttle.count(address)
            _log.warning("login failed", address=address)
            raise UnauthorisedError("the request does not carry the API token of this host")

    def check(self, request: Request) -> None:
        """Let a request in.

        Raises:
            TooManyTriesError: See ``admit``.
            UnauthorisedError: It has no token, or not this one.
        """
        headers = request.headers.getlist("authorization")
        if len(headers) != 1:
            raise UnauthorisedError("the request carries no API token")
        scheme, _, given = headers[0].partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthorisedError("the request carries no API token")
        self.admit(request, given.strip())


def load_api_token(host: Host) -> str:
    """Return the token that the settings say, else the one in the data folder, which is made at the first start.

    Raises:
        HostSettingError: It is too short or not fit for a header, or its file cannot be read or written.
    """
    given = host.settings.api_token
    if given is not None:
        return _checked("OPENLANE_HOST_API_TOKEN", given.get_secret_value())
    file = host.settings.api_token_file
    try:
        if not file.exists():
            _make(file)
        return _checked(f"the file {file}", read_text_file(file).strip())
    except (OSError, UnicodeDecodeError) as error:
        raise HostSettingError(f"the file {file} cannot be used: {type(error).__name__}") from None


def _make(file: Path) -> None:
    """Make the file with a token in it, unless another process is first; nobody ever reads half of it."""
    beside = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as opened:  # noqa: PTH123 - of a descriptor, not of a path
            opened.write(f"{secrets.token_urlsafe(32)}\n")
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(beside, file)
        except FileExistsError:
            return
    finally:
        beside.unlink()


def _checked(place: str, token: str) -> str:
    if len(token) < _SHORTEST or not _TOKEN.fullmatch(token):
        raise HostSettingError(f"{place} holds no API token: at least {_SHORTEST} letters, digits or signs, no space")
    return token
