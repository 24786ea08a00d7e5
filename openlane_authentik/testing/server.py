"""Serves the fake over real sockets, TLS included; needs the extra ``openlane-authentik[testing]``."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from openlane_authentik.testing.app import FakeAuthentik
from openlane_authentik.testing.asgi import CONNECTION_EXTENSION

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 30.0
_RESET_AT_ONCE: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        url: Where the fake lives, base path and all, without a slash at the end.
        fake: The fake it serves.
    """

    url: str
    fake: FakeAuthentik


@contextmanager
def serve(
    fake: FakeAuthentik,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    certfile: str | Path | None = None,
    keyfile: str | Path | None = None,
) -> Iterator[Server]:
    """Serve a fake from a thread of its own until the block ends.

    Args:
        fake: What to serve.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        certfile: A PEM file with a certificate; makes it HTTPS.
        keyfile: The certificate's private key, when it is in a file of its own.

    Raises:
        ModuleNotFoundError: uvicorn is missing; the message names the extra that brings it.
        OSError: the port is taken.
        RuntimeError: the server did not start, as when the certificate can't be read; the cause says why.
    """
    runner, listener = _prepared(fake, host, port, certfile, keyfile)
    failed: list[BaseException] = []
    thread = threading.Thread(target=_run, args=(runner, listener, failed), name="fake-authentik", daemon=True)
    thread.start()
    try:
        _await_start(runner, thread, failed)
        scheme = "http" if certfile is None else "https"
        yield Server(f"{scheme}://{host}:{listener.getsockname()[1]}{fake.base_path}", fake)
    finally:
        runner.should_exit = True
        thread.join(_STOP_SECONDS)
        listener.close()


def _prepared(
    fake: FakeAuthentik, host: str, port: int, certfile: str | Path | None, keyfile: str | Path | None
) -> tuple[Any, socket.socket]:
    try:
        import uvicorn  # noqa: PLC0415 - an extra: only who serves over HTTP needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "serving the fake authentik needs uvicorn: pip install 'openlane-authentik[testing]'", name="uvicorn"
        ) from error
    config = uvicorn.Config(
        fake,
        http=_protocol(),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=None if certfile is None else str(certfile),
        ssl_keyfile=None if keyfile is None else str(keyfile),
    )
    listener = socket.create_server((host, port), backlog=128)
    # Accepted connections inherit it; asyncio sets it on sockets made another way, and without it each answer waits
    # 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return uvicorn.Server(config), listener


def _protocol() -> type[asyncio.Protocol]:
    """Uvicorn's HTTP/1.1 protocol, with the connection within reach of the application."""
    from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415 - see above

    class BreakableProtocol(H11Protocol):
        """Lets the application reset or close the connection of a request."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            served = self.app

            async def app(scope: Any, receive: Any, send: Any) -> None:
                actions = {"reset": self._reset, "close": self._close}
                scope["extensions"] = {**scope.get("extensions", {}), CONNECTION_EXTENSION: actions}
                await served(scope, receive, send)

            self.app = app

        def _reset(self) -> None:
            # No lingering: the kernel answers what is still on its way with a reset, not with an orderly end.
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
            self.transport.abort()

        def _close(self) -> None:
            self.transport.close()

    return BreakableProtocol


def _run(runner: Any, listener: socket.socket, failed: list[BaseException]) -> None:
    try:
        runner.run(sockets=[listener])
    except BaseException as error:  # noqa: BLE001 - told to the thread that waits for the start
        failed.append(error)


def _await_start(runner: Any, thread: threading.Thread, failed: list[BaseException]) -> None:
    waited = 0.0
    while not runner.started:
        thread.join(0.005)
        waited += 0.005
        if not thread.is_alive() or waited > _START_SECONDS:
            raise RuntimeError("the fake authentik did not start") from (failed[0] if failed else None)
