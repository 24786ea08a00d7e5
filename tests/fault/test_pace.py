"""How many requests at a time, how large a page, and how large an answer."""

import asyncio
from typing import Any

import httpx
import pytest

from openlane_authentik import AuthentikIntegration, DirectorySyncConfig, IntegrationError, Schema, parse_credential
from openlane_authentik.authentik import decoding
from openlane_authentik.testing import Directory, FakeAuthentik, Fault, serve
from tests.support import KeepingSink, SimulatedClock, run_sync

RELEASES = ["2023.10", "2026.2"]


class CountingTransport(httpx.AsyncBaseTransport):
    """Counts how many requests are under way whenever one begins."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.under_way = 0
        self.seen: list[int] = []
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        self.under_way += 1
        self.seen.append(self.under_way)
        try:
            # So that whoever may begin does so before this one ends.
            for _ in range(20):
                await asyncio.sleep(0)
            return await self._inner.handle_async_request(request)
        finally:
            self.under_way -= 1


def under_way(fake: FakeAuthentik, concurrency: int | None) -> list[int]:
    """Sync, and tell how many requests were under way at the beginning of each."""
    transport = CountingTransport(fake.transport())
    credential = parse_credential({"baseUrl": "https://authentik.example.test", "token": fake.token()})
    integration = AuthentikIntegration(credential, clock=SimulatedClock(), transport=transport)
    config = DirectorySyncConfig(page_size=10) if concurrency is None else None
    config = config or DirectorySyncConfig(page_size=10, concurrency=concurrency or 1)
    result = asyncio.run(integration.directory_sync(KeepingSink(), config=config))
    assert result.run.exit_code == 0
    return transport.seen


@pytest.mark.parametrize(("concurrency", "most"), [(None, 4), (1, 1), (2, 2), (4, 4), (8, 8), (16, 16)])
def test_no_more_requests_at_a_time_than_allowed(concurrency: int | None, most: int) -> None:
    """As many at a time as configured, four by default, and never more."""
    assert max(under_way(FakeAuthentik(Directory.generate(300), release="2023.10"), concurrency)) == most


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_fewer_at_a_time_when_the_server_has_enough(status: int) -> None:
    """Each refusal for load halves how many requests are under way, down to one, until the run ends."""
    fake = FakeAuthentik(Directory.generate(300), release="2023.10")
    first = 20
    fake.inject(Fault.status(status), nth=first)
    fake.inject(Fault.status(status), nth=first + 20)
    seen = under_way(fake, 8)
    assert max(seen[: first - 1]) == 8
    # Those under way when the refusal came may still be there.
    assert max(seen[first + 8 : first + 19]) <= 4
    assert max(seen[first + 20 + 8 :]) <= 2


def test_refused_again_and_again_it_is_one_at_a_time() -> None:
    """The pace falls to one request at a time, and no further."""
    fake = FakeAuthentik(Directory.generate(300), release="2023.10")
    for number in range(10, 50, 10):
        fake.inject(Fault.status(429), nth=number)
    seen = under_way(fake, 4)
    assert max(seen[50:]) == 1


def sizes_asked(fake: FakeAuthentik, path: str) -> list[int]:
    """The page sizes asked for, without repeats."""
    pages = [request.query for request in fake.requests if request.path.endswith(path)]
    # The newest keys are a short page of their own.
    asked = [int(query["page_size"][0]) for query in pages if query.get("ordering") != ("-pk",)]
    return [*dict.fromkeys(size for size in asked if size > 1)]


@pytest.mark.parametrize("release", RELEASES)
def test_pages_become_smaller_while_they_time_out(release: str) -> None:
    """A page that times out is asked for at half the size, until it comes in time; the run is complete."""
    clock = SimulatedClock()
    fake = FakeAuthentik(Directory.generate(300, 60), release=release, sleep=clock.sleep)
    fake.inject(Fault.slow(61.0), when=lambda _, query: int(query.get("page_size", ("1",))[0]) > 30, times=None)
    run, _ = asyncio.run(run_sync(fake, clock=clock))
    assert run.exit_code == 0
    assert sizes_asked(fake, "/core/users/") == [100, 50, 25]
    assert sizes_asked(fake, "/core/groups/") == [100, 50, 25]


@pytest.mark.parametrize("release", RELEASES)
def test_pages_become_smaller_while_they_are_too_large(release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of more bytes than this client holds is asked for at half the size."""
    monkeypatch.setattr(decoding, "OBJECT_BYTES", 10_000)
    monkeypatch.setattr(decoding, "ROW_BYTES", 1_000)
    fake = FakeAuthentik(Directory.generate(300, 1), release=release)
    run, sink = asyncio.run(run_sync(fake, clock=SimulatedClock()))
    assert run.exit_code == 0
    assert len(sink.of(Schema.ACCOUNT)) == 301
    assert min(sizes_asked(fake, "/core/users/")) < 100


def test_pages_have_a_smallest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """When even the smallest page is too large the run ends, to be tried again."""
    monkeypatch.setattr(decoding, "OBJECT_BYTES", 10_000)
    monkeypatch.setattr(decoding, "ROW_BYTES", 0)
    fake = FakeAuthentik(Directory.generate(300, 10))
    with pytest.raises(IntegrationError) as raised:
        asyncio.run(run_sync(fake, clock=SimulatedClock()))
    assert (raised.value.code, raised.value.exit_code) == ("answer_too_large", 75)
    assert sizes_asked(fake, "/core/users/") == [100, 50, 25, 12, 10]


def test_a_gzip_bomb_is_given_up_on() -> None:
    """A small answer that unpacks to a large one is no larger than the cap: the run ends when it comes twice."""
    fake = FakeAuthentik(Directory.generate(20))
    fake.inject(Fault.bomb(), times=None)
    with serve(fake) as server:
        credential = parse_credential({"baseUrl": server.url, "token": fake.token()}, allow_http=True)
        with pytest.raises(IntegrationError) as raised:
            asyncio.run(AuthentikIntegration(credential, clock=SimulatedClock()).directory_sync(KeepingSink()))
    assert (raised.value.code, raised.value.exit_code) == ("answer_too_large", 75)
    assert len(fake.requests) == 2


def test_redirects_never_carry_the_token_elsewhere() -> None:
    """Sent to another host, or to another port of this one, the run ends, and the other hears nothing at all."""
    here, elsewhere = FakeAuthentik(Directory.generate(20)), FakeAuthentik(Directory.generate(20))
    heads: list[Any] = []
    with serve(elsewhere) as other, serve(here) as server:
        for status in (301, 302, 303, 307, 308):
            here.inject(
                Fault.redirect(f"{other.url}/api/v3/core/users/me/", status), nth=len(here.requests) + 1, times=2
            )
            credential = parse_credential({"baseUrl": server.url, "token": here.token()}, allow_http=True)
            with pytest.raises(IntegrationError) as raised:
                asyncio.run(AuthentikIntegration(credential).directory_sync(KeepingSink()))
            heads.append((raised.value.code, raised.value.exit_code))
            assert here.token() not in str(raised.value)
    assert heads == [("redirected", 78)] * 5
    assert elsewhere.requests == []
