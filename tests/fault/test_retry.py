"""When a request is sent again, after how long, and how often."""

import asyncio
import random
from datetime import timedelta

import pytest

from openlane_authentik import IntegrationError
from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.retry import (
    ATTEMPTS,
    FIRST_WAIT_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    LONGEST_WAIT_SECONDS,
    RUN_BUDGET_SECONDS,
)
from openlane_authentik.authentik.transport import open_http
from openlane_authentik.testing import FakeAuthentik, Fault
from openlane_authentik.testing.answers import Answer
from openlane_authentik.testing.faults import Outcome
from tests.fault.small_sync import SmallWorld
from tests.support import START, SimulatedClock


class WaitsClock(SimulatedClock):
    """Remembers each wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Note the wait."""
        self.waits.append(seconds)
        await super().sleep(seconds)


def get_version(fault: Fault, times: int | None) -> tuple[list[float], int, IntegrationError | None]:
    """Ask for the version while a fault happens; gives the waits, the number of requests and how it ended."""
    fake, clock = FakeAuthentik(sleep=SimulatedClock().sleep), WaitsClock()
    fake.inject(fault, times=times)

    async def ask() -> IntegrationError | None:
        http = open_http("https://authentik.example.test", fake.token(), connections=4, transport=fake.transport())
        async with AuthentikClient(http, clock=clock, concurrency=4, timeout_seconds=100_000.0) as client:
            try:
                await client.get("admin/version/")
            except IntegrationError as error:
                return error
            return None

    error = asyncio.run(ask())
    return clock.waits, len(fake.requests), error


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_in_seconds_is_honoured(status: int) -> None:
    """The wait is as long as asked for, and at most a second longer."""
    waits, requests, error = get_version(Fault.status(status, retry_after=7), times=1)
    assert error is None
    assert requests == 2
    assert 7.0 <= waits[0] <= 8.0


def test_retry_after_as_a_date_is_honoured() -> None:
    """A date is waited for."""
    waits, _, error = get_version(Fault.status(429, retry_after=START + timedelta(seconds=60)), times=1)
    assert error is None
    assert 60.0 <= waits[0] <= 61.0


def test_retry_after_a_date_gone_by_is_at_once() -> None:
    """A date in the past asks for no wait."""
    waits, _, error = get_version(Fault.status(503, retry_after=START - timedelta(hours=1)), times=1)
    assert error is None
    assert 0.0 <= waits[0] <= 1.0


@pytest.mark.parametrize("asked", [3600, 10**9, 10**30])
def test_retry_after_is_capped(asked: int) -> None:
    """However long the server asks to wait, two minutes are the most."""
    waits, _, error = get_version(Fault.status(429, retry_after=asked), times=1)
    assert error is None
    assert LONGEST_RETRY_AFTER_SECONDS <= waits[0] <= LONGEST_RETRY_AFTER_SECONDS + 1.0


@pytest.mark.parametrize("junk", ["soon", "-5", "1.5", "", "Wed, 99 Xxx 2026 00:00:00 GMT"])
def test_a_retry_after_nobody_can_read_is_none(junk: str) -> None:
    """What is neither seconds nor a date leaves the wait to the exponential."""
    fault = Fault("junk", lambda _: Outcome(Answer(429, extra={"retry-after": junk})))
    waits, _, error = get_version(fault, times=1)
    assert error is None
    assert 0.0 <= waits[0] <= FIRST_WAIT_SECONDS


def test_waits_are_exponential_with_full_jitter() -> None:
    """Each wait lies between nothing and an exponential bound, and is drawn anew every time."""
    state = random.getstate()
    random.seed(11)
    try:
        runs = [get_version(Fault.status(503), times=ATTEMPTS - 1)[0] for _ in range(40)]
    finally:
        random.setstate(state)
    for number, waits in enumerate(zip(*runs, strict=True)):
        bound = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**number)
        assert 0.0 <= min(waits) < bound / 4
        assert bound * 3 / 4 < max(waits) <= bound
        assert len(set(waits)) > 30


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.status(429), "rate_limited"),
        (Fault.status(503), "server_unavailable"),
        (Fault.reset(), "connection_failed"),
        (Fault.dropped(), "broken_answer"),
        (Fault.cut_body(), "broken_answer"),
        (Fault.truncated_json(), "broken_answer"),
        (Fault.slow(61.0), "request_timeout"),
    ],
)
def test_one_request_is_sent_so_often_and_no_more(fault: Fault, code: str) -> None:
    """A fault that stays is given up on, with its own error, to be tried again by a later run."""
    _, requests, error = get_version(fault, times=None)
    assert requests == ATTEMPTS
    assert error is not None
    assert (error.code, error.recovery, error.exit_code) == (code, "retry", 75)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 418, 422, 425, 451, 499])
@pytest.mark.parametrize("html", [False, True])
def test_another_4xx_is_never_asked_for_again(status: int, html: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    """What is refused would be refused again."""
    waits, requests, error = get_version(Fault.status(status, html=html), times=None)
    assert error is not None
    assert (requests, waits) == (1, [])


def test_a_500_is_not_asked_for_again() -> None:
    """A server that fails on a request would fail on it again."""
    _, requests, error = get_version(Fault.status(500), times=None)
    assert requests == 1
    assert error is not None
    assert error.exit_code == 75


@pytest.mark.parametrize("release", ["2023.10", "2026.2"])
def test_a_page_that_is_gone_is_drift(release: str) -> None:
    """`Invalid page.` is a list that became shorter, not an error: it is read again, and the run is complete."""
    pages = [request for request in _clean(release) if request[1]]
    assert pages
    for number, _ in pages:
        world = SmallWorld(release)
        world.fake.inject(Fault.status(404, body='{"detail": "Invalid page."}'), nth=number)
        assert world.sync().all_proven, number


def _clean(release: str) -> list[tuple[int, bool]]:
    world = SmallWorld(release)
    world.sync()
    return [(request.number, "page" in request.query) for request in world.fake.requests]


def test_a_run_waits_no_longer_than_its_budget() -> None:
    """The waits of all requests together have an end, however many requests have faults now and then."""
    world = SmallWorld("2023.10")
    world.fake.inject(Fault.status(503, retry_after=100), times=None, when=lambda _path, _query: next(turns) % 3 != 0)
    turns = iter(range(10**9))
    result = world.sync()
    assert result.error is not None
    assert result.error.code == "server_unavailable"
    assert result.seconds <= RUN_BUDGET_SECONDS + 4 * (LONGEST_RETRY_AFTER_SECONDS + 1.0)
