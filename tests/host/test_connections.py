"""How long a connection may wait for its client, and which one makes room."""

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.web import connections
from openlane_authentik.host.web import server as web_server
from openlane_authentik.host.web.connections import Awaited
from openlane_authentik.host.web.server import listen, make_server

_SECONDS = 30
_HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
_WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_BODILESS = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\nhalf"
_LARGE = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def _echo(request: Request) -> Response:
    return PlainTextResponse(await request.body() or "nothing")


async def _large(_: Request) -> Response:
    return PlainTextResponse(b"x" * 20_000_000)


@contextmanager
def _serving() -> Iterator[int]:
    """Serve; return the port."""
    app = Starlette(routes=[Route("/", _echo, methods=["GET", "POST"]), Route("/large", _large)])
    server = make_server(app, HostSettings())
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(_SECONDS)


@contextmanager
def _connected(port: int, sent: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), _SECONDS) as one:
        one.sendall(sent)
        yield one


def _is_closed(one: socket.socket) -> bool:
    """Wait until nothing more comes."""
    with suppress(ConnectionResetError):
        while one.recv(1_000_000):
            pass
    return True


def _is_closed_while_sending(one: socket.socket) -> bool:
    """Send byte after byte; tell whether the connection was closed meanwhile."""
    with suppress(ConnectionError):
        for _ in range(_SECONDS * 50):
            one.sendall(b"x")
            with suppress(TimeoutError):
                if not one.recv(1000):
                    return True
        return False
    return True


def _answers(port: int) -> bool:
    with _connected(port, _WHOLE) as one:
        return one.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", _HALF, _WHOLE + _HALF, _BODILESS, _LARGE, b"nonsense\r\n\r\n"])
def test_who_does_not_go_on_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing sent, half the headers of a first or second request, half a body, an answer that is not read."""
    monkeypatch.setattr(connections, "_SECONDS", dict.fromkeys(Awaited, 0.2))
    with _serving() as port, _connected(port, sent) as one:
        assert _is_closed(one)
        assert _answers(port)


def test_a_client_that_dribbles_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit is that of the headers, not of a pause between two bytes of them."""
    monkeypatch.setattr(connections, "_SECONDS", dict.fromkeys(Awaited, 0.3))
    with _serving() as port, _connected(port, _HALF) as one:
        one.settimeout(0.02)
        assert _is_closed_while_sending(one)


def test_the_limits_are_those_that_are_told() -> None:
    """Ten seconds for headers."""
    assert connections._SECONDS[Awaited.HEADERS] == 10  # noqa: SLF001 - waiting for it would take as long


@pytest.mark.parametrize("sent", [b"", _HALF, _WHOLE, _BODILESS, _LARGE])
def test_at_the_cap_the_one_that_waited_longest_makes_room(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest client is answered, whatever all others leave undone."""
    monkeypatch.setattr(web_server, "most_connections", lambda _: 4)
    with _serving() as port, ExitStack() as held:
        others = []
        for _ in range(4):
            others.append(held.enter_context(_connected(port, sent)))
            if sent not in (b"", _HALF):
                # It has been seen: of a body that is awaited that is told by 100 Continue.
                assert others[-1].recv(1)
        assert _answers(port)
        assert _is_closed(others[0])


def test_who_sends_a_body_outlives_who_sends_no_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have begun a request in earnest are given up last."""
    monkeypatch.setattr(web_server, "most_connections", lambda _: 4)
    with _serving() as port, _connected(port, _BODILESS) as honest, ExitStack() as held:
        assert honest.recv(1000).startswith(b"HTTP/1.1 100")
        others = [held.enter_context(_connected(port, b"")) for _ in range(10)]
        assert _is_closed(others[0])
        honest.sendall(b" done")
        answer = b""
        while b"half done" not in answer:
            answer += honest.recv(1000)
            assert answer


@pytest.mark.parametrize(("allowed", "runs", "most"), [(256, 4, 128), (1024, 4, 896), (20_000, 4, 1000), (64, 4, 16)])
def test_the_cap_follows_from_the_descriptors(
    allowed: int, runs: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some are kept for the database and the runs, and there is an end to it however many there are."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert connections.most_connections(runs) == most
