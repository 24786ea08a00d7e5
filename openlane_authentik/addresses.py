"""Normalise the host of an address, and refuse one that can be read in more than one way."""

import ipaddress
import re
import socket
import unicodedata
from typing import Final

import idna

# What a server can be asked at.
PORTS: Final = range(1, 65536)
# Of a host and a port, the port; the colons of IPv6 have a bracket after them.
_COLON_AND_PORT: Final = re.compile(r":[^\]]*$")
# What the URL standard (section "host parsing", "ends in a number") and ``inet_aton`` read as an IPv4 address.
_ENDS_IN_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_FULL_STOP: Final = "\N{IDEOGRAPHIC FULL STOP}"
# The capital of both forms of the small sigma, which are two letters in a domain name.
_SIGMA: Final = "\N{GREEK CAPITAL LETTER SIGMA}"


def normalise_host(text: str) -> str:
    """Return the one spelling of a host as DNS, TLS and HTTP carry it: an ASCII name, IPv4, or IPv6 in brackets.

    Names follow IDNA 2008 (RFC 5891) as UTS 46 prepares them without its transitional processing (section 4), so
    that ``ß`` and final sigma stay letters of their own. Of what UTS 46 maps, only these are accepted, which are the
    mappings of RFC 5895 section 2:

    - a capital to its small letter, if it is the capital of that letter and of no other: the Kelvin sign is no ``k``,
      and a capital sigma may stand for either small one;
    - full-width and half-width forms and the ideographic full stop to the ordinary ones;
    - composition (NFC).

    Any other character that the mapping would change or drop is refused: what was meant cannot be known. So is an
    address that programs read in different ways, or that means something on one machine only: numbers with fewer than
    four parts (``127.1``, ``0x7f.1``), IPv4 within IPv6, IPv6 zones, the unspecified address, a dot at the end.

    Args:
        text: The host of a URL, without its port.

    Raises:
        ValueError: It names no host, or not one host for certain; says why.
    """
    if text.startswith("["):
        return f"[{_ipv6(text)}]"
    name = unicodedata.normalize("NFC", "".join(map(_mapped, text)))
    if _ENDS_IN_NUMBER.fullmatch(name):
        return str(_specified(_ipv4(name)))
    if name.endswith("."):
        raise ValueError("it ends with a dot")
    try:
        return idna.encode(name, strict=True).decode("ascii")
    except UnicodeError as error:
        raise ValueError("it is no domain name") from error


def host_of(netloc: str) -> str:
    """Return the host of the authority of a URL as it is written there, without user info and port."""
    return _COLON_AND_PORT.sub("", netloc.rpartition("@")[2])


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whatever DNS says: ``localhost``, 127.0.0.0/8 or ``::1``, however written.

    Names below ``localhost`` are not: many resolvers ask DNS for them.
    """
    name = host.lower().removesuffix(".")
    if name == "localhost":
        return True
    try:
        # As a socket reads it, which knows 127.1 too.
        return ipaddress.IPv4Address(socket.inet_aton(name)).is_loopback
    except OSError:
        address = ip_address(name)
    return address is not None and (getattr(address, "ipv4_mapped", None) or address).is_loopback


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host is written as, IPv6 with brackets or without; None for a name."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _mapped(char: str) -> str:
    if char.isascii():
        return char.lower()
    try:
        mapped = idna.uts46_remap(char, std3_rules=False)
    except idna.IDNAError as error:
        raise ValueError("it has a character that no domain name has") from error
    is_capital = mapped == char.lower() and mapped.upper() == char and char != _SIGMA
    is_form = char == _FULL_STOP or unicodedata.decomposition(char).startswith(("<wide>", "<narrow>"))
    if mapped == char or (mapped and (is_capital or is_form)):
        return mapped
    raise ValueError(f"U+{ord(char):04X} in it can be read as another letter; write the name in small letters")


def _ipv4(name: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(name)
    except ValueError as error:
        raise ValueError("it is a number, but no IPv4 address of four parts") from error


def _ipv6(text: str) -> ipaddress.IPv6Address:
    try:
        # With a bracket left on either side it is none.
        address = ipaddress.IPv6Address(re.sub(r"^\[(.*)\]$", r"\1", text))
    except ValueError as error:
        raise ValueError("it is no IPv6 address in brackets") from error
    if address.scope_id is not None:
        raise ValueError("it has an IPv6 zone, which means something on one machine only")
    if address.ipv4_mapped is not None:
        raise ValueError(f"it is an IPv4 address within IPv6; write {address.ipv4_mapped}")
    _specified(address)
    return address


def _specified(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if address.is_unspecified:
        raise ValueError(f"{address} is where a server listens, not where it can be asked")
    return address
