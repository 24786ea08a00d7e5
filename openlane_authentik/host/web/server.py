"""Serve the application over HTTP."""

import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.errors import HostSettingError
from openlane_authentik.host.web.connections import most_connections, watched_protocol

# A page that stays open must not keep the host from ending.
_GRACE_SECONDS: Final = 2
# Clients that have knocked and wait to be let in.
_WAITING: Final = 2048
# asyncio lets in so many at a stroke before it tells of the first one; each is a descriptor that no cap knows of yet.
_AT_A_STROKE: Final = 8


class Server(uvicorn.Server):
    """uvicorn's server; clients that it does not let in yet wait in the system's queue, however many they are."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and lengthen the queue, which asyncio makes as short as its stroke."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_WAITING)


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


def make_server(app: ASGIApp, settings: HostSettings) -> Server:
    """Return a server that logs through this process's own logging, and says nothing of itself."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=watched_protocol(most_connections(settings.runs_at_once)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # paths hold people's ids
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=_AT_A_STROKE,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return Server(config)
