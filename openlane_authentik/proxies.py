"""Find the proxy that the environment names for one address, and the variable that names it."""

import ipaddress
import os
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final
from urllib.request import getproxies

import httpx

from openlane_authentik.addresses import PORTS, ip_address, is_loopback, normalise_host
from openlane_authentik.errors import ProxySettingError

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# A name or an IPv4 address; colons are in IPv6 only, which the client has looked at.
_PROXY_HOST: Final = re.compile(r"[\w.-]+|.*:.*", re.ASCII)
# An entry of NO_PROXY: a host, in brackets if it is IPv6 with a port, and a port.
_HOST_AND_PORT: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class NamedProxy:
    """A proxy.

    Attributes:
        variable: What names it, for people.
        proxy: How httpx is told of it; may hold a password.
    """

    variable: str
    proxy: httpx.Proxy = field(repr=False)


def find_proxy(url: httpx.URL) -> NamedProxy | None:
    """Return the proxy on the way to an address, or None.

    The variable of the address's own scheme goes before ``ALL_PROXY``, small letters before capitals; where none is
    set, the system's own setting counts (``urllib.request.getproxies``). Loopback is asked directly, whatever is set:
    at the proxy it is another machine.

    ``NO_PROXY`` is a list, separated by commas or white space: ``*`` for everything; a name, which holds for the names
    below it too, with or without ``.`` or ``*.`` in front; an IPv4 or IPv6 address; a network in CIDR notation, which
    holds for addresses, as names are not looked up. A name or an address may have a port, IPv6 then in brackets, and
    either may have a scheme. An entry that is none of these is passed over.

    Args:
        url: Absolute, ``http`` or ``https``.

    Raises:
        ProxySettingError: What is set cannot be used; names the variable and not its value.
    """
    host = url.raw_host.decode("ascii")
    settings = getproxies()
    kind = next((kind for kind in (url.scheme, "all") if settings.get(kind)), None)
    if kind is None or is_loopback(host):
        return None
    port = url.port or _DEFAULT_PORTS[url.scheme]
    if any(_is_excepted(entry, url.scheme, host, port) for entry in re.split(r"[\s,]+", settings.get("no", ""))):
        return None
    variable = _variable(kind, settings[kind])
    return NamedProxy(variable, _proxy(variable, settings[kind].strip()))


def _variable(kind: str, value: str) -> str:
    names = [name for name, there in os.environ.items() if there == value and name.lower() == f"{kind}_proxy"]
    # Small letters sort last, and count first.
    return max(names, default=f"the system's setting for {kind}")


def _proxy(variable: str, value: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(value if "://" in value else f"http://{value}")
        host = proxy.url.raw_host.decode("ascii")
        # As the socket does, where a name that cannot be encoded is no error of a connection.
        host.encode("idna")
    except (ValueError, httpx.InvalidURL):
        # What was raised may quote the password.
        raise ProxySettingError(f"{variable} names no proxy that can be used") from None
    port = proxy.url.port
    if not _PROXY_HOST.fullmatch(host) or (port is not None and port not in PORTS):
        raise ProxySettingError(f"{variable} names no proxy that can be used")
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ProxySettingError(f"{variable} names a SOCKS proxy, for which the package socksio is not installed")
    return proxy


def _is_excepted(entry: str, scheme: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    only, _, entry = entry.rpartition("://")
    if only.lower() not in {"", "all", scheme}:
        return False
    network = _network(entry)
    if network is None:
        found = _HOST_AND_PORT.fullmatch(entry)
        if found is None or found["port"] not in {None, str(port)}:
            return False
        entry = found["host"]
        network = _network(entry)
    address = ip_address(host)
    if network is not None:
        return address is not None and address in network
    name = _name(entry)
    return bool(name) and address is None and f".{host}".endswith(f".{name}")


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        return None


def _name(entry: str) -> str:
    name = entry.removeprefix("*.").lstrip(".").removesuffix(".")
    try:
        return name.lower() if name.isascii() else normalise_host(name)
    except ValueError:
        return ""
