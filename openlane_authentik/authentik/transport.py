"""The HTTP connection to one authentik: trust, proxies, time limits, and what its failures are called."""

import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

import httpx

from openlane_authentik.authentik.body import ACCEPTED_CODINGS
from openlane_authentik.authorities import read_authorities
from openlane_authentik.errors import (
    BrokenAnswerError,
    CaFileError,
    ConnectionFailedError,
    DnsError,
    IntegrationError,
    RequestTimeoutError,
    TlsError,
)
from openlane_authentik.proxies import NamedProxy, find_proxy

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
# Where a request keeps the variable that names its proxy, for what is said of a failure.
_PROXY_VARIABLE: Final = "openlane_authentik.proxy_variable"


def open_http(
    base_url: str,
    token: str,
    *,
    connections: int,
    ca_file: Path | None = None,
    ca_certificates: str = "",
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Open the client that carries the token to this base URL and nowhere else: it follows no redirect.

    Of the environment it honours the proxy variables, as ``find_proxy`` reads them, ``SSL_CERT_FILE`` and
    ``SSL_CERT_DIR``, and nothing else: no ``.netrc`` takes the place of the token.

    Args:
        base_url: Normalised, without the API path.
        token: An authentik API token.
        connections: How many connections are open at most.
        ca_file: Certificates trusted beside the public authorities, in PEM.
        ca_certificates: More of them, as text.
        transport: Takes the place of the network, and of the proxy.

    Raises:
        CaFileError: ``ca_file`` is not there, or it or ``ca_certificates`` holds no certificate.
        ProxySettingError: The variable that names the proxy names none that can be used.
    """
    proxy = None if transport else find_proxy(httpx.URL(base_url))
    return httpx.AsyncClient(
        base_url=f"{base_url}/api/v3/",
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Accept-Encoding": ACCEPTED_CODINGS,
            "User-Agent": "openlane-authentik",
        },
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        follow_redirects=False,
        verify=_trust(ca_file, ca_certificates),
        transport=transport,
        trust_env=False,
        proxy=proxy.proxy if proxy else None,
        event_hooks={"request": [_remember(proxy)]} if proxy else None,
    )


def _remember(proxy: NamedProxy) -> Callable[[httpx.Request], Awaitable[None]]:
    async def remember(request: httpx.Request) -> None:
        request.extensions[_PROXY_VARIABLE] = proxy.variable

    return remember


def _trust(ca_file: Path | None, ca_certificates: str) -> ssl.SSLContext:
    if ca_file is None and not ca_certificates:
        return _public_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    context = _read_public_authorities()
    if ca_certificates:
        context.load_verify_locations(cadata=read_authorities(ca_certificates))
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise CaFileError(f"no certificates can be read from {ca_file}") from error
    return context


@lru_cache(maxsize=1)
def _public_trust(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Read the public authorities once: they take 20 ms, which is more than all else of a small sync."""
    return _read_public_authorities()


def _read_public_authorities() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except (OSError, ssl.SSLError) as error:
        raise CaFileError("no certificates can be read from what SSL_CERT_FILE or SSL_CERT_DIR names") from error


def connection_error(error: httpx.HTTPError | httpx.InvalidURL, host: str) -> IntegrationError:
    """Name a failure of the connection by what lies at its root.

    Args:
        error: What httpx raised.
        host: The host of the base URL, for the message.
    """
    roots = _causes(error)
    proxy = _proxy_asked(error)
    if isinstance(error, httpx.TimeoutException):
        through = f", asked through {proxy}," if proxy else ""
        return RequestTimeoutError(f"{host}{through} did not {_awaited(error)} in time")
    if isinstance(error, httpx.ProxyError):
        return ConnectionFailedError(f"{proxy or 'the proxy'} refused the connection to {host}")
    for root in roots:
        if isinstance(root, socket.gaierror):
            return DnsError(f"the host name {f'of {proxy}' if proxy else host} does not resolve")
        if isinstance(root, ssl.SSLCertVerificationError):
            return TlsError(f"the certificate of {host} is not trusted: {root.verify_message}")
        if isinstance(root, ssl.SSLError) and isinstance(error, httpx.ConnectError):
            return TlsError(f"no TLS connection to {host}: {root.reason or 'handshake failed'}")
    if isinstance(error, httpx.RemoteProtocolError):
        return BrokenAnswerError(f"the answer of {host} ended early or is no HTTP")
    reason = next((root.strerror for root in roots if isinstance(root, OSError) and root.strerror), "it broke")
    return ConnectionFailedError(f"no connection to {proxy or host}: {reason}")


def _proxy_asked(error: httpx.HTTPError | httpx.InvalidURL) -> str | None:
    try:
        request = error.request if isinstance(error, httpx.HTTPError) else None
    except RuntimeError:
        # One that was raised outside a request has none.
        return None
    variable = request and request.extensions.get(_PROXY_VARIABLE)
    return f"the proxy that {variable} names" if variable else None


def _awaited(error: httpx.TimeoutException) -> str:
    return "accept a connection" if isinstance(error, httpx.ConnectTimeout) else "answer"


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in found:
        found.append(step)
        # A group has one attempt for each address of the host; the first tells enough.
        step = step.exceptions[0] if isinstance(step, BaseExceptionGroup) else step.__cause__ or step.__context__
    return found
