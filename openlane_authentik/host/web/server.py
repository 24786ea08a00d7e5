"""Serve the application over HTTP."""

import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from openlane_authentik.host.errors import HostSettingError

# A page that stays open must not keep the host from ending.
_GRACE_SECONDS: Final = 2
_WAITING: Final = 128


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Serve until the process is told to end (SIGTERM or SIGINT).

    Args:
        app: What to serve.
        host: The address to listen on.
        port: The port; 0 takes a free one.

    Raises:
        HostSettingError: The address cannot be listened on.
    """
    with listen(host, port) as listener:
        make_server(app).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Take an address, so that clients can already knock.

    Raises:
        HostSettingError: It is taken, or not one of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_WAITING)
    except OSError as error:
        raise HostSettingError(
            f"cannot listen on {host} port {port}: {error.strerror or type(error).__name__}"
        ) from None
    # Accepted connections inherit it; without it each answer waits for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def make_server(app: ASGIApp) -> uvicorn.Server:
    """Give a server that logs through this process's own logging, and says nothing of itself."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # paths hold people's ids
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return uvicorn.Server(config)
