"""Why a request is refused follows from requests, in whatever language authentik speaks."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from openlane_authentik import AuthentikIntegration, IntegrationError, Schema, UserInput, parse_credential
from openlane_authentik.testing import Directory, FakeAuthentik, Fault
from tests.fault.small_sync import CONFIG, SmallWorld
from tests.support import KeepingSink, SimulatedClock

ME, BRAND = "/core/users/me/", "/core/brands/current/"
# "" leaves authentik's own words, which are those of the request's language at best.
LANGUAGES = ["", "Sie sind nicht berechtigt, diese Aktion durchzuführen.", "Page non valide."]
REFUSED = '{"detail": "Nein."}'


class Proxy(httpx.AsyncBaseTransport):
    """Lets authentik speak a brand's language, and may remove the Authorization header."""

    def __init__(self, fake: FakeAuthentik, sentence: str = "", *, strips: bool = False) -> None:
        self._inner = fake.transport()
        self._sentence = sentence
        self._strips = strips

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, and its answer back."""
        assert "accept-language" not in request.headers
        if self._strips:
            del request.headers["authorization"]
        response = await self._inner.handle_async_request(request)
        body, kind = await response.aread(), response.headers["content-type"]
        if response.status_code != 200 and self._sentence and "json" in kind:
            told: dict[str, Any] = msgspec.json.decode(body)
            told = {name: self._sentence if name == "detail" else [self._sentence] for name in told}
            body = msgspec.json.encode(told)
        headers = {"content-type": kind, "date": response.headers["date"]}
        return httpx.Response(response.status_code, headers=headers, stream=httpx.ByteStream(body), request=request)


def _connect(world: SmallWorld, proxy: Proxy, token: str | None = None) -> AuthentikIntegration:
    secret = world.fake.token(world.kind) if token is None else token
    credential = parse_credential({"baseUrl": "https://authentik.example.test", "token": secret})
    return AuthentikIntegration(credential, clock=world.clock, transport=proxy)


def _error(world: SmallWorld, proxy: Proxy, token: str | None = None) -> IntegrationError:
    with pytest.raises(IntegrationError) as caught:
        asyncio.run(_connect(world, proxy, token).directory_sync(KeepingSink(), config=CONFIG))
    return caught.value


def _codes(world: SmallWorld, proxy: Proxy, token: str | None = None) -> set[str]:
    report = asyncio.run(_connect(world, proxy, token).health_check())
    return {check.code for check in report.checks}


def _asked(world: SmallWorld, tail: str) -> int:
    return sum(request.path.endswith(tail) for request in world.fake.requests)


@pytest.mark.parametrize("sentence", LANGUAGES)
@pytest.mark.parametrize("kind", ["wrong", "expired", "app_password", "inactive"])
def test_a_bad_token_is_rejected_in_every_language(kind: str, sentence: str) -> None:
    """Refused by its own account and by the brand, which needs no token, the token is bad: 77, after four requests."""
    world = SmallWorld("2026.2", kind=kind)
    error = _error(world, Proxy(world.fake, sentence))
    assert (error.code, error.exit_code) == ("token_rejected", 77)
    assert _asked(world, ME) == _asked(world, BRAND) == 2
    assert "token_rejected" in _codes(world, Proxy(world.fake, sentence))


@pytest.mark.parametrize("sentence", LANGUAGES)
def test_a_header_on_the_way_is_missed_in_every_language(sentence: str) -> None:
    """Refused by its own account but let in by the brand, the token did not arrive."""
    world = SmallWorld("2026.2")
    error = _error(world, Proxy(world.fake, sentence, strips=True))
    assert (error.code, error.exit_code) == ("token_missing", 77)
    assert "token_missing" in _codes(world, Proxy(world.fake, sentence, strips=True))


@pytest.mark.parametrize("sentence", LANGUAGES)
@pytest.mark.parametrize("release", ["2023.10", "2025.8", "2026.2"])
@pytest.mark.parametrize(
    ("kind", "code"), [("view_group_only", "no_permission_users"), ("view_user_only", "no_permission_groups")]
)
def test_a_missing_permission_is_told_in_every_language(kind: str, code: str, release: str, sentence: str) -> None:
    """Let in by its own account, the token lacks the permission on what refuses it."""
    world = SmallWorld(release, kind=kind)
    error = _error(world, Proxy(world.fake, sentence))
    assert (error.code, error.exit_code) == (code, 77)
    assert code in _codes(world, Proxy(world.fake, sentence))


@pytest.mark.parametrize("sentence", LANGUAGES)
def test_a_group_deleted_between_two_pages_is_drift_in_every_language(sentence: str) -> None:
    """When the last page of the groups is gone before it is read the groups are read again, and the run is complete."""
    world = SmallWorld("2026.2")
    directory = Directory.generate(20, 13, seed=4, clock=world.clock.now)
    world.fake = FakeAuthentik(directory, release="2026.2", sleep=world.clock.sleep)
    world.fake.token("viewer")
    asyncio.run(_connect(world, Proxy(world.fake)).directory_sync(KeepingSink(), config=CONFIG))
    pages = [
        request.number
        for request in world.fake.requests
        if request.path.endswith("/core/groups/") and request.query.get("page") == ("1",)
    ]
    world.fake.after(len(world.fake.requests) + pages[0], lambda d: d.delete_group(next(iter(d.groups))))
    sink = KeepingSink()
    run = asyncio.run(_connect(world, Proxy(world.fake, sentence)).directory_sync(sink, config=CONFIG)).run
    assert run.exit_code == 0
    assert len(sink.of(Schema.GROUP)) == len(directory.groups) == 12


@pytest.mark.parametrize("sentence", LANGUAGES)
@pytest.mark.parametrize("release", ["2023.10", "2026.2"])
def test_a_brands_language_changes_nothing(release: str, sentence: str) -> None:
    """A run whose every refusal is in another language proves as much, in as many requests."""
    world = SmallWorld(release)
    sink = KeepingSink()
    run = asyncio.run(_connect(world, Proxy(world.fake, sentence)).directory_sync(sink, config=CONFIG)).run
    assert run.exit_code == 0
    plain = SmallWorld(release)
    assert plain.sync().all_proven
    assert len(world.fake.requests) == len(plain.fake.requests)


@pytest.mark.parametrize(
    ("at", "fault", "code"),
    [
        (BRAND, Fault.status(503), "server_unavailable"),
        (BRAND, Fault.html(), "not_authentik"),
        (BRAND, Fault.wrong_json([]), "not_authentik"),
        (BRAND, Fault.slow(61.0), "request_timeout"),
        (ME, Fault.status(503), "server_unavailable"),
        (ME, Fault.status(403, html=True), "unexpected_answer"),
        (ME, Fault.redirect("https://login.example.test/"), "redirected"),
        (ME, Fault.wrong_json([]), "not_authentik"),
    ],
)
def test_what_cannot_be_found_out_is_told_by_what_hinders_it(at: str, fault: Fault, code: str) -> None:
    """When what is asked to find out fails in another way, that is how the run ends."""
    world = SmallWorld("2026.2")
    assert world.sync().all_proven
    first = len(world.fake.requests)
    # Let in at first, and then no more.
    world.fake.inject(fault, nth=first + 8, when=lambda path, _: path.endswith(at), times=None)
    world.fake.inject(Fault.status(403, body=REFUSED), nth=first + 8, times=None)
    assert _error(world, Proxy(world.fake)).code == code


@pytest.mark.parametrize("nth", range(2, 24, 3))
def test_a_token_that_ends_meanwhile_is_asked_after_once(nth: int) -> None:
    """However many requests are under way when it ends, its account and the brand are asked twice at most."""
    world = SmallWorld("2026.2")
    world.fake.inject(Fault.status(403, body=REFUSED), nth=nth, times=None)
    result = world.sync()
    assert result.error is not None
    assert result.error.code == "token_rejected"
    late = world.fake.requests[nth - 1 :]
    assert sum(request.path.endswith(BRAND) for request in late) == 2
    assert len(late) < 5 * CONFIG.concurrency


def test_what_is_refused_for_many_is_asked_after_once() -> None:
    """When each group of the account is refused, one of them is asked for twice, and the account once."""
    directory = Directory.generate(30, 12, seed=4, clock=SimulatedClock().now)
    world = SmallWorld("2025.8")
    world.fake = FakeAuthentik(directory, release="2025.8", sleep=world.clock.sleep)
    world.fake.token("viewer")
    account = world.fake.tokens.account("viewer")
    for group in directory.groups:
        directory.update_group(group, is_superuser=False)
        directory.add_member(group, account)
    single = "/core/groups/"
    world.fake.inject(
        Fault.status(403, body=REFUSED), when=lambda path, _: len(path.partition(single)[2]) > 1, times=None
    )
    run = asyncio.run(_connect(world, Proxy(world.fake)).directory_sync(KeepingSink(), UserInput(), CONFIG)).run
    assert run.exit_code == 75
    singles = sum(len(request.path.partition(single)[2]) > 1 for request in world.fake.requests)
    looks = singles - 1
    assert looks % len(directory.groups) == 0
    assert _asked(world, ME) == looks // len(directory.groups) + 1
    assert _asked(world, BRAND) == 0
