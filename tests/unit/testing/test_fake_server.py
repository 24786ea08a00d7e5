"""The fake over real sockets: the same answers, faults that break real connections, TLS, and a clean end."""

import asyncio
import builtins
import ssl
import threading
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
import trustme

from openlane_authentik.testing import Directory, FakeAuthentik, Fault, serve

Files: TypeAlias = tuple[Path, Path]

USERS = "/api/v3/core/users/"


@pytest.fixture
def fake() -> FakeAuthentik:
    """30 users."""
    return FakeAuthentik(Directory.generate(29, 4))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Files]:
    """A context that trusts an authority, and the files of a certificate of its."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return trusting, (folder / "cert.pem", folder / "key.pem")


def test_it_is_served_over_http_and_leaves_nothing_behind(fake: FakeAuthentik) -> None:
    """The same answer as in process, on a port of its own; after the block neither thread nor listener is left."""
    with serve(fake) as server, httpx.Client(base_url=server.url, headers=fake.headers()) as client:
        got = client.get(f"{USERS}?page_size=5")
        same = fake.respond("GET", USERS, "page_size=5", fake.headers()).answer
        assert (got.status_code, got.content) == (200, same.body)
        assert got.headers["server"] == "authentik"
        assert len(got.headers.get_list("date")) == 1
    assert "fake-authentik" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_the_base_path_is_part_of_the_address(fake: FakeAuthentik) -> None:
    """`server.url` is what an administrator would configure."""
    fake.base_path = "/auth"
    with serve(fake) as server:
        assert server.url.endswith("/auth")
        assert httpx.get(f"{server.url}/-/health/live/").status_code == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.reset(), httpx.ReadError),
        (Fault.dropped(), httpx.RemoteProtocolError),
        (Fault.cut_body(), httpx.RemoteProtocolError),
    ],
    ids=["reset", "dropped", "cut body"],
)
@pytest.mark.parametrize("secured", [False, True], ids=["HTTP", "HTTPS"])
def test_connections_break_as_in_process(
    fake: FakeAuthentik,
    fault: Fault,
    error: type[Exception],
    secured: bool,  # noqa: FBT001
    tls: tuple[ssl.SSLContext, Files],
) -> None:
    """The errors are those the in-process transport raises, and the next request is served."""
    trusting, (certfile, keyfile) = tls
    fake.inject(fault, nth=2)

    async def fetch(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, headers=fake.headers(), verify=trusting) as client:
            assert (await client.get(USERS)).status_code == 200
            with pytest.raises(error):
                await client.get(USERS)
            assert (await client.get(USERS)).json()["pagination"]["count"] == 30

    with serve(fake, certfile=certfile if secured else None, keyfile=keyfile if secured else None) as server:
        asyncio.run(fetch(server.url))


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.status(429, retry_after=3), 429),
        (Fault.status(503), 503),
        (Fault.html(), 200),
        (Fault.truncated_json(), 200),
        (Fault.redirect("https://elsewhere.example.test/"), 302),
        (Fault.wrong_json(), 200),
        (Fault.bomb(4 << 20), 200),
        (Fault.pointing_back(), 200),
        (Fault.ignored_filter(), 200),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_other_faults_are_the_same_bytes_as_in_process(fake: FakeAuthentik, fault: Fault, status: int) -> None:
    """Status, headers and body over the socket equal those without one."""
    target = f"{USERS}?date_joined__gt=2024-01-01T00:00:00Z"
    fake.inject(fault, times=2)

    async def in_process() -> httpx.Response:
        async with httpx.AsyncClient(transport=fake.transport(), base_url="http://authentik.example.test") as client:
            return await client.get(target, headers=fake.headers())

    with serve(fake) as server:
        real = httpx.get(f"{server.url}{target}", headers=fake.headers())
    same = asyncio.run(in_process())
    assert real.status_code == same.status_code == status
    assert real.content == same.content
    changing = {"date", "x-authentik-id", "connection"}
    assert {n: v for n, v in real.headers.items() if n not in changing} == {
        n: v for n, v in same.headers.items() if n not in changing
    }


def test_a_slow_answer_outlasts_the_clients_patience() -> None:
    """The client gives up by itself; the server stops without waiting for the answer it still owes."""
    waiting = threading.Event()

    async def sleep(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    fake = FakeAuthentik(Directory.generate(3, 2), sleep=sleep)
    fake.inject(Fault.slow(3600))
    with serve(fake) as server, pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{server.url}{USERS}", headers=fake.headers(), timeout=httpx.Timeout(5, read=0.05))
    assert waiting.is_set()


def test_it_is_served_over_tls(fake: FakeAuthentik, tls: tuple[ssl.SSLContext, Files]) -> None:
    """With a certificate it is HTTPS; who does not trust the authority is not served."""
    trusting, (certfile, keyfile) = tls
    with serve(fake, certfile=certfile, keyfile=keyfile) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert httpx.get(f"{server.url}{USERS}", headers=fake.headers(), verify=trusting).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(server.url)


def test_the_directory_may_change_while_it_is_served(fake: FakeAuthentik) -> None:
    """Changes from the test's thread are in the next answer."""
    with serve(fake) as server, httpx.Client(base_url=server.url, headers=fake.headers()) as client:
        before = client.get(USERS).json()["pagination"]["count"]
        fake.directory.create_user(username="late")
        assert client.get(USERS).json()["pagination"]["count"] == before + 1


def test_a_server_that_cannot_start_says_why(fake: FakeAuthentik, tmp_path: Path) -> None:
    """A certificate that can't be read is the cause of the error, and the thread is gone."""
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(RuntimeError) as raised, serve(fake, certfile=tmp_path / "cert.pem"):
        pass
    assert isinstance(raised.value.__cause__, ssl.SSLError)
    assert "fake-authentik" not in {thread.name for thread in threading.enumerate()}


def test_without_uvicorn_the_extra_is_named(fake: FakeAuthentik, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    real = builtins.__import__

    def without_uvicorn(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("uvicorn"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_uvicorn)
    with pytest.raises(ModuleNotFoundError, match=r"openlane-authentik\[testing\]"), serve(fake):
        pass


def test_an_asgi_server_may_ask_for_http_only(fake: FakeAuthentik) -> None:
    """Lifespan and websockets are declined, as ASGI has it, by an exception."""
    with pytest.raises(NotImplementedError, match="not lifespan"):
        asyncio.run(fake({"type": "lifespan"}, _never, _never))


async def _never(*_: Any) -> Any:
    raise AssertionError
