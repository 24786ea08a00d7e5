"""How long who guesses the API token has to wait, and that nobody else does."""

import logging

import httpx
import pytest

from openlane_authentik.host.host import Host
from openlane_authentik.host.web.throttle import Throttle
from tests.host.web_support import API_TOKEN, Web, error_of, serving
from tests.support import NO_TRUST

_SQLITE = pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)
_WRONG = "wrong-token-wrong-token"


def _client(web: Web, address: str) -> httpx.Client:
    """Return a client that asks from one of this machine's own addresses."""
    return httpx.Client(base_url=web.url, transport=httpx.HTTPTransport(local_address=address, verify=NO_TRUST))


@_SQLITE
@pytest.mark.parametrize("way", ["page", "api"])
def test_ten_wrong_tokens_a_minute_are_enough(host: Host, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """Then 429 from there, for a right one too, by page and API; elsewhere and in a session all works meanwhile."""
    with serving(host) as web, _client(web, "127.0.0.2") as guesser, _client(web, "127.0.0.3") as other:
        assert guesser.post("/login", data={"token": API_TOKEN}).status_code == 303
        for number in range(10):
            spoofed = {"X-Forwarded-For": f"192.0.2.{number}"}
            if way == "page":
                answer = guesser.post("/login", data={"token": _WRONG}, headers=spoofed)
            else:
                answer = guesser.get("/v1/integrations", headers={"Authorization": f"Bearer {_WRONG}", **spoofed})
            assert answer.status_code == 401
        bearer = {"Authorization": f"Bearer {API_TOKEN}"}
        refused = guesser.get("/v1/integrations", headers=bearer)
        assert error_of(refused, 429)["code"] == "too_many_tries"
        page = guesser.post("/login", data={"token": API_TOKEN})
        assert page.status_code == 429
        assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in (refused, page))
        assert guesser.get("/").status_code == 200
        assert other.get("/v1/integrations", headers=bearer).status_code == 200
        assert other.post("/login", data={"token": API_TOKEN}).status_code == 303
    told = [record.__dict__["address"] for record in caplog.records if record.message == "login failed"]
    assert told == ["127.0.0.2"] * 10
    logged = "".join(str(record.__dict__) for record in caplog.records if record.levelno >= logging.WARNING)
    assert _WRONG not in logged
    assert API_TOKEN not in logged


@_SQLITE
def test_who_gives_no_token_is_not_counted(host: Host) -> None:
    """A probe without a token, or a page that is opened without a session, guesses nothing."""
    with serving(host) as web, web.client(None) as client:
        assert {client.get("/v1/integrations").status_code for _ in range(20)} == {401}
        with web.client() as right:
            assert right.get("/v1/integrations").status_code == 200


def test_the_wait_is_a_minute_at_most() -> None:
    """Counted from the oldest of the last ten; eleven in more than a minute are none too many."""
    seconds = 0.0
    throttle = Throttle(lambda: seconds)
    for _ in range(10):
        assert throttle.seconds_left("192.0.2.1") == 0
        throttle.count("192.0.2.1")
        seconds += 5
    assert throttle.seconds_left("192.0.2.1") == 10
    seconds += 10
    for _ in range(5):
        assert throttle.seconds_left("192.0.2.1") == 0
        throttle.count("192.0.2.1")
        seconds += 7


@pytest.mark.parametrize(
    ("guesses", "asks", "waits"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("unknown", "unknown", True),
    ],
)
def test_what_counts_as_one_address(guesses: str, asks: str, waits: bool) -> None:  # noqa: FBT001 - from the table
    """IPv4 as it is, whichever way it is written, and IPv6 by the network that one customer has."""
    throttle = Throttle(lambda: 0.0)
    for _ in range(10):
        throttle.count(guesses)
    assert (throttle.seconds_left(asks) > 0) is waits


def test_a_million_addresses_are_not_remembered() -> None:
    """The memory is bounded, and who guessed just now is in it."""
    throttle = Throttle(lambda: 0.0)
    for number in range(30_000):
        throttle.count(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    for _ in range(10):
        throttle.count("192.0.2.1")
    assert throttle.seconds_left("192.0.2.1") > 0
    assert len(throttle) == 10_000
