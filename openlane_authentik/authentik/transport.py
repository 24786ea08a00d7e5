"""The HTTP connection to one authentik: trust, proxies, time limits, and what its failures are called."""

import os
import socket
import ssl
from functools import lru_cache
from pathlib import Path

import httpx

from openlane_authentik.errors import (
    BrokenAnswerError,
    CaFileError,
    ConnectionFailedError,
    DnsError,
    IntegrationError,
    ProxySettingError,
    RequestTimeoutError,
    TlsError,
)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0


def open_http(
    base_url: str,
    token: str,
    *,
    connections: int,
    ca_file: Path | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Open the client that carries the token to this base URL and nowhere else: it follows no redirect.

    Proxy variables of the environment are honoured.

    Args:
        base_url: Normalised, without the API path.
        token: An authentik API token.
        connections: How many connections are open at most.
        ca_file: Certificates trusted beside the public authorities, in PEM.
        transport: Takes the place of the network.

    Raises:
        CaFileError: ``ca_file`` is not there or holds no certificate.
    """
    trust = _trust(ca_file)
    try:
        return _client(base_url, token, connections, trust, transport)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise ProxySettingError("HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names no proxy that can be used") from error


def _client(
    base_url: str, token: str, connections: int, trust: ssl.SSLContext, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{base_url}/api/v3/",
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "openlane-authentik",
        },
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        follow_redirects=False,
        verify=trust,
        transport=transport,
    )


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return _public_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    context = _read_public_authorities()
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
    if isinstance(error, httpx.TimeoutException):
        return RequestTimeoutError(f"{host} did not {_awaited(error)} in time")
    if isinstance(error, httpx.ProxyError):
        return ConnectionFailedError(f"the proxy on the way to {host} refused the connection")
    if isinstance(error, httpx.DecodingError):
        return BrokenAnswerError(f"the answer of {host} could not be decompressed")
    for root in roots:
        if isinstance(root, socket.gaierror):
            return DnsError(f"the host name {host} does not resolve")
        if isinstance(root, ssl.SSLCertVerificationError):
            return TlsError(f"the certificate of {host} is not trusted: {root.verify_message}")
        if isinstance(root, ssl.SSLError) and isinstance(error, httpx.ConnectError):
            return TlsError(f"no TLS connection to {host}: {root.reason or 'handshake failed'}")
    if isinstance(error, httpx.RemoteProtocolError):
        return BrokenAnswerError(f"the answer of {host} ended early or is no HTTP")
    reason = next((root.strerror for root in roots if isinstance(root, OSError) and root.strerror), "it broke")
    return ConnectionFailedError(f"no connection to {host}: {reason}")


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
