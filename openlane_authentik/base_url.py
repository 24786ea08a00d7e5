"""Put right what an admin pastes as the address of their authentik, and refuse what would leak or mislead."""

import re
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from openlane_authentik.addresses import host_of, is_loopback, normalise_host
from openlane_authentik.errors import BaseUrlError

_DEFAULT_PORTS = {"https": 443, "http": 80}
# What people copy from the browser or from API documentation, with all that follows it.
_PASTED_TAIL = re.compile(r"/(?:api(?:/v3)?|if/(?:admin|user|flow))(?:/.*)?$")
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
# RFC 3986, section 2.3.
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
# What a path segment holds as it is (RFC 3986, section 3.3), and what joins and encodes segments.
_PATH_SAFE: Final = "/%!$&'()*+,;=:@"


def normalise_base_url(text: str, *, allow_http: bool = False) -> str:
    """Return the one spelling of a base URL, which is also what the HTTP client asks.

    The host is that of ``normalise_host``; a default port, slashes that repeat or end the path, and an API path go. A
    path that authentik lives under (``/auth``) stays, percent-encoded as RFC 3986 section 6.2.2 normalises it.

    Args:
        text: As typed or pasted.
        allow_http: Accept ``http`` for any host; without it only a loopback host may be read in the clear.

    Raises:
        BaseUrlError: No host or none for certain, another scheme, user info, a query or a fragment, a bad port, a path
            that others may shorten or read as another (dot segments, a backslash), or ``http`` to a host that is not
            loopback. The message never repeats user info.
    """
    parts = _split(text.strip())
    host = _host(parts)
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise BaseUrlError(f"the base URL http://{host} would send the token unencrypted; use https://")
    path = _PASTED_TAIL.sub("", re.sub(r"/{2,}", "/", _path(parts.path))).rstrip("/")
    return f"{parts.scheme}://{host}{_port(parts)}{path}"


def directory_instance_id(base_url: str) -> str:
    """Name the directory by its normalised base URL without the scheme, so that a reinstall keeps its records."""
    return base_url.split("://", 1)[1]


def _split(text: str) -> SplitResult:
    if re.search(r"\s", text) or not text.isprintable():
        raise BaseUrlError("the base URL has a space or a control character in it")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise BaseUrlError("the base URL is not a URL") from error
    if parts.scheme not in _DEFAULT_PORTS or "://" not in text:
        raise BaseUrlError("the base URL must begin with https://")
    if "@" in parts.netloc:
        raise BaseUrlError("the base URL has a user name or password in it; leave out all before the host name")
    if "?" in text:
        raise BaseUrlError("the base URL has a query ('?...'); leave it out")
    if "#" in text:
        raise BaseUrlError("the base URL has a fragment ('#...'); leave it out")
    return parts


def _host(parts: SplitResult) -> str:
    # Not ``parts.hostname``: that is in small letters already, and those may name another host.
    host = host_of(parts.netloc)
    if not host:
        raise BaseUrlError("the base URL has no host name")
    try:
        return normalise_host(host)
    except ValueError as error:
        raise BaseUrlError(f"the host name of the base URL is not a valid one: {error}") from error


def _port(parts: SplitResult) -> str:
    try:
        port = parts.port
    except ValueError as error:
        raise BaseUrlError("the port of the base URL is not a number from 1 to 65535") from error
    if port == 0:
        raise BaseUrlError("the port of the base URL is not a number from 1 to 65535")
    if port is None or port == _DEFAULT_PORTS[parts.scheme]:
        return ""
    return f":{port}"


def _path(typed: str) -> str:
    if "\\" in typed or "%" in _ENCODED.sub("", typed):
        raise BaseUrlError("the path of the base URL has a backslash, or a '%' that encodes nothing")
    path = quote(_ENCODED.sub(_encoding, typed), safe=_PATH_SAFE)
    if {".", ".."} & set(path.split("/")):
        raise BaseUrlError("the path of the base URL has '.' or '..' in it; write the path that is meant")
    return path


def _encoding(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if _UNRESERVED.fullmatch(char) else found[0].upper()
