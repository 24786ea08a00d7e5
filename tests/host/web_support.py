"""What the tests of the web interface share: the application on a real socket, clients, and runs without an engine."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Final

import httpx

from openlane_authentik.host import runs, sync
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.host import Host
from openlane_authentik.host.runs import Run
from openlane_authentik.host.web import create_app
from openlane_authentik.host.web.server import listen, make_server
from tests.host.support import AUTHENTIK
from tests.support import NO_TRUST

API_TOKEN: Final = "web-test-token-0123456789abcdef"
CHROMIUM: Final = "/usr/bin/chromium"
CHROMIUM_FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
_START_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Web:
    """A served host."""

    url: str
    host: Host
    wakes: list[None] = field(default_factory=list)

    def client(self, token: str | None = API_TOKEN) -> httpx.Client:
        """Return a client of the API."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=NO_TRUST)

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """Return a client that is signed in as a browser is."""
        with httpx.Client(base_url=self.url, follow_redirects=True, timeout=30, verify=NO_TRUST) as client:
            assert client.post("/login", data={"token": API_TOKEN}).status_code == 200
            yield client


@contextmanager
def serving(host: Host) -> Iterator[Web]:
    """Serve a host from a thread of its own until the block ends."""
    wakes: list[None] = []
    server = make_server(create_app(host, api_token=API_TOKEN, wake=lambda: wakes.append(None)), host.settings)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="host-web", daemon=True)
        thread.start()
        try:
            waited = 0.0
            while not server.started:
                thread.join(0.005)
                waited += 0.005
                assert thread.is_alive(), "the server did not start"
                assert waited < _START_SECONDS, "the server did not start"
            yield Web(f"http://127.0.0.1:{listener.getsockname()[1]}", host, wakes)
        finally:
            server.should_exit = True
            thread.join(30)


def run_now(host: Host, installation_id: str) -> Run:
    """Run a sync to its end, as a worker does: the one that waits, else a new one."""
    with transaction(host.database) as held:
        run_id = runs.request_run(held, installation_id, "manual", host.clock.now())
        run_id = run_id or runs.active_run(held, installation_id)
    assert run_id is not None
    asyncio.run(sync.execute(host, run_id, 1, "test-worker"))
    with reading(host.database) as held:
        return runs.get_run(held, run_id)


def filled(path: str, installation_id: str, **rest: str) -> str:
    """Return the path of a route with ids in it; "nope" for those that are not given."""
    known = {"installationId": installation_id, "definitionId": AUTHENTIK, **rest}
    return re.sub(r"\{(\w+)\}", lambda place: known.get(place[1], "nope"), path)


def form_token(page: str) -> str:
    """Return the token that the forms of a page carry."""
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert found, "the page has no form"
    return found[1]


def as_text(page: str) -> str:
    """Return what a page shows."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return the error of an answer, which is of the one shape."""
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() >= {"code", "message", "remedy"}
    return error


def every_item(client: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """Turn the pages of a list until its end."""
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        answer = client.get(path, params={**query, **after})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found.extend(page["items"])
        if page["next"] is None:
            return found
        after = {"after": page["next"]}
