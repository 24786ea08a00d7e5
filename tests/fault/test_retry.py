"""When a request is sent again, after how long, and how often."""

import asyncio
import json
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
from openlane_authentik.operations.version import read_release
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
    """Ask for the version while a fault happens; return the waits, the number of requests and how it ended."""
    fake, clock = FakeAuthentik(sleep=SimulatedClock().sleep), WaitsClock()
    fake.inject(fault, times=times)
    error = ask_version(fake, clock)
    return clock.waits, len(fake.requests), error


def ask_version(fake: FakeAuthentik, clock: SimulatedClock) -> IntegrationError | None:
    """Ask for the version, and tell how it ended."""

    async def ask() -> IntegrationError | None:
        http = open_http("https://authentik.example.test", fake.token(), connections=4, transport=fake.transport())
        async with AuthentikClient(http, clock=clock, concurrency=4, timeout_seconds=100_000.0) as client:
            try:
                await read_release(client)
            except IntegrationError as error:
                return error
            return None

    return asyncio.run(ask())


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


ODD = {
    **{
        f"{status} {'HTML' if html else 'JSON'}": Fault.status(status, html=html)
        for status in (400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 418, 422, 425, 451, 499, 500, 501)
        for html in (False, True)
    },
    "redirect": Fault.redirect("https://login.example.test/"),
    "HTML": Fault.html(),
    "wrong JSON": Fault.wrong_json(),
    "a list": Fault.wrong_json([]),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_answer_is_asked_for_once_more(kind: str) -> None:
    """What does not pass by itself is believed when it comes twice; once, it costs one request and a short wait."""
    waits, requests, error = get_version(ODD[kind], times=1)
    assert error is None
    assert (requests, len(waits)) == (2, 1)
    assert waits[0] <= FIRST_WAIT_SECONDS
    waits, requests, error = get_version(ODD[kind], times=2)
    assert error is not None
    if kind == "403 JSON":
        # Let in elsewhere, the token lacks a permission here.
        assert (error.code, requests) == ("no_permission", 3)
    else:
        assert requests == 2


def test_an_odd_answer_is_asked_for_once_more_among_others() -> None:
    """It is confirmed also when what passes by itself comes before, in between or after; in the end the run goes on."""
    for kinds in ("POP", "OPP", "PPPPPO", "OPPPP"):
        fake, clock = FakeAuthentik(sleep=SimulatedClock().sleep), WaitsClock()
        for number, kind in enumerate(kinds, start=1):
            fake.inject(Fault.status(503) if kind == "P" else Fault.html(), nth=number)
        assert ask_version(fake, clock) is None, kinds
        assert len(fake.requests) == len(kinds) + 1
    for kinds in ("OPO", "PPPPPOO", "OPPPPO"):
        fake, clock = FakeAuthentik(sleep=SimulatedClock().sleep), WaitsClock()
        for number, kind in enumerate(kinds, start=1):
            fake.inject(Fault.status(503) if kind == "P" else Fault.html(), nth=number)
        error = ask_version(fake, clock)
        assert error is not None, kinds
        assert error.code == "not_authentik"
        assert len(fake.requests) == len(kinds)


@pytest.mark.parametrize("release", ["2023.10", "2026.2"])
def test_a_page_that_is_gone_is_drift(release: str) -> None:
    """A later page that is gone is a list that became shorter, in whatever language: it is read again, at once."""
    later = _later_pages(release)
    assert later
    for number in later:
        for sentence in ("Invalid page.", "Ungültige Seite.", "Page non valide."):
            world = SmallWorld(release)
            world.fake.inject(Fault.status(404, body=json.dumps({"detail": sentence})), nth=number)
            assert world.sync().all_proven, number
            assert "page" not in world.fake.requests[number].query or (
                world.fake.requests[number].query["page"] != world.fake.requests[number - 1].query["page"]
            ), "asked for again"


def _later_pages(release: str) -> list[int]:
    world = SmallWorld(release)
    world.sync()
    return [request.number for request in world.fake.requests if int(request.query.get("page", ("1",))[0]) > 1]


def test_a_run_waits_no_longer_than_its_budget() -> None:
    """The waits of all requests together have an end, however many requests have faults now and then."""
    world = SmallWorld("2023.10")
    world.fake.inject(Fault.status(503, retry_after=100), times=None, when=lambda _path, _query: next(turns) % 3 != 0)
    turns = iter(range(10**9))
    result = world.sync()
    assert result.error is not None
    assert result.error.code == "server_unavailable"
    assert result.seconds <= RUN_BUDGET_SECONDS + 4 * (LONGEST_RETRY_AFTER_SECONDS + 1.0)
