"""Put right what an admin pastes as the address of their authentik, and refuse what would leak or mislead."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import idna

from openlane_authentik.errors import BaseUrlError

_DEFAULT_PORTS = {"https": 443, "http": 80}
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?")
_DOTTED = re.compile(r"[0-9.]+")
# What people copy from the browser or from API documentation, with all that follows it.
_PASTED_TAIL = re.compile(r"/(?:api(?:/v3)?|if/(?:admin|user|flow))(?:/.*)?$")


def normalise_base_url(text: str, *, allow_http: bool = False) -> str:
    """Give the one spelling of a base URL: lower-case host, no default port, no trailing slash, no API path.

    A path that authentik lives under (``/auth``) stays.

    Args:
        text: As typed or pasted.
        allow_http: Accept ``http`` for any host; without it only a loopback host may be read in the clear.

    Raises:
        BaseUrlError: No host, another scheme, user info, a query or a fragment, a bad port, or ``http`` to a host
            that is not loopback. The message never repeats user info.
    """
    parts = _split(text.strip())
    host = _host(parts)
    if parts.scheme == "http" and not (allow_http or _is_loopback(host)):
        raise BaseUrlError(
            f"the base URL http://{host} would send the token unencrypted; use https:// "
            "(or allow http explicitly on a network you trust)"
        )
    path = _PASTED_TAIL.sub("", re.sub(r"/{2,}", "/", parts.path)).rstrip("/")
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
    host = parts.hostname
    if not host:
        raise BaseUrlError("the base URL has no host name")
    try:
        if ":" in host:
            if not parts.netloc.endswith("]") and "]:" not in parts.netloc:
                raise BaseUrlError("the host name of the base URL is not a valid one")
            return f"[{ipaddress.IPv6Address(host)}]"
        if _DOTTED.fullmatch(host):
            return str(ipaddress.IPv4Address(host))
        name = host.encode("idna").decode("ascii").lower()
        # What reads as a name here must be one to the HTTP client, which is stricter about names of other scripts.
        idna.decode(name)
    except ValueError as error:
        raise BaseUrlError("the host name of the base URL is not a valid one") from error
    if "[" in parts.netloc or not _NAME.fullmatch(name):
        raise BaseUrlError("the host name of the base URL is not a valid one")
    return name


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


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
