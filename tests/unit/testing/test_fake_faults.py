"""Faults, the schedule they come by, drift between requests, and the time requests take; all without a socket."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from openlane_authentik.testing import Directory, FakeAuthentik, Fault, RequestInfo, measured_cost
from tests.unit.testing.conftest import StandingClock

USERS = "/api/v3/core/users/"


def fetched(fake: FakeAuthentik, *targets: str, timeout: float = 5.0) -> list[httpx.Response | httpx.HTTPError]:
    """What a client gets for each target, one after another: a response, or the error raised."""

    async def fetch() -> list[httpx.Response | httpx.HTTPError]:
        got: list[httpx.Response | httpx.HTTPError] = []
        async with httpx.AsyncClient(
            transport=fake.transport(), base_url="http://authentik.example.test", timeout=timeout
        ) as client:
            for target in targets:
                try:
                    got.append(await client.get(target, headers=fake.headers()))
                except httpx.HTTPError as error:
                    got.append(error)
        return got

    return asyncio.run(fetch())


def response(got: httpx.Response | httpx.HTTPError) -> httpx.Response:
    """A response, which it must be."""
    assert isinstance(got, httpx.Response)
    return got


@pytest.fixture
def fake() -> FakeAuthentik:
    """30 users."""
    return FakeAuthentik(Directory.generate(29, 4))


def test_the_transport_answers_as_the_server_would(clock: StandingClock) -> None:
    """Status, headers and body as by respond; `Date` is the directory's clock."""
    fake = FakeAuthentik(Directory.generate(29, 4, clock=clock))
    got = response(fetched(fake, USERS)[0])
    assert got.status_code == 200
    assert got.headers["date"] == "Sun, 01 Mar 2026 12:00:00 GMT"
    assert got.headers["content-type"] == "application/json; charset=utf-8"
    assert int(got.headers["content-length"]) == len(got.content)
    assert got.json()["pagination"]["count"] == 30


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503, 504])
def test_a_status_comes_with_the_body_such_statuses_have(fake: FakeAuthentik, status: int) -> None:
    """JSON up to 499, a proxy's page from 500 on, unless told otherwise."""
    fake.inject(Fault.status(status))
    fake.inject(Fault.status(status, html=status < 500, body="<busy>"), nth=2)
    usual, other = map(response, fetched(fake, USERS, USERS))
    assert usual.status_code == other.status_code == status
    assert usual.headers["content-type"].startswith("text/html" if status >= 500 else "application/json")
    assert other.headers["content-type"].startswith("application/json" if status >= 500 else "text/html")
    assert other.text == "<busy>"


@pytest.mark.parametrize(
    ("given", "sent"), [(7, "7"), (datetime(2026, 3, 1, 12, tzinfo=UTC), "Sun, 01 Mar 2026 12:00:00 GMT")]
)
def test_retry_after_is_seconds_or_a_date(fake: FakeAuthentik, given: int | datetime, sent: str) -> None:
    """Both forms HTTP knows."""
    fake.inject(Fault.status(429, retry_after=given))
    assert response(fetched(fake, USERS)[0]).headers["retry-after"] == sent


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.reset(), httpx.ReadError),
        (Fault.dropped(), httpx.RemoteProtocolError),
        (Fault.cut_body(), httpx.RemoteProtocolError),
        (Fault.truncated_json(), None),
        (Fault.html(), None),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_what_breaks_an_answer_ends_as_the_clients_error_or_as_no_json(
    fake: FakeAuthentik, fault: Fault, error: type[Exception] | None
) -> None:
    """What a socket would do becomes the error httpx has for it; a page or half a body is a 200 that is no JSON."""
    fake.inject(fault)
    got, after = fetched(fake, USERS, USERS)
    if error is None:
        assert response(got).status_code == 200
        with pytest.raises(json.JSONDecodeError):
            response(got).json()
    else:
        assert type(got) is error
    assert response(after).json()["pagination"]["count"] == 30


def test_a_redirect_names_where_to(fake: FakeAuthentik) -> None:
    """A 302 with a Location, which a client with a token should not follow."""
    fake.inject(Fault.redirect("https://elsewhere.example.test/"))
    got = response(fetched(fake, USERS)[0])
    assert (got.status_code, got.headers["location"]) == (302, "https://elsewhere.example.test/")


def test_wrong_json_is_json_all_the_same(fake: FakeAuthentik) -> None:
    """Valid, but no page."""
    fake.inject(Fault.wrong_json())
    fake.inject(Fault.wrong_json([]), nth=2)
    assert [response(got).json() for got in fetched(fake, USERS, USERS)] == [{"message": "not what you think"}, []]


def test_a_bomb_is_small_on_the_wire_and_large_unpacked(fake: FakeAuthentik) -> None:
    """A valid gzip body whose size shows only when it is read."""
    size = 16 << 20
    fake.inject(Fault.bomb(size))
    got = response(fetched(fake, USERS)[0])
    assert int(got.headers["content-length"]) < size / 500
    assert len(got.content) == size


def test_pages_may_point_back(fake: FakeAuthentik) -> None:
    """`next` names the page itself, or the one told; what is no list stays as it is."""
    fake.inject(Fault.pointing_back(), times=2)
    fake.inject(Fault.pointing_back(1), nth=3)
    one, version, two = map(response, fetched(fake, f"{USERS}?page=1", "/api/v3/admin/version/", f"{USERS}?page=2"))
    assert (one.json()["pagination"]["next"], two.json()["pagination"]["next"]) == (1, 1)
    assert one.json()["results"]
    assert "version_current" in version.json()


def test_filters_may_be_ignored(fake: FakeAuthentik) -> None:
    """The answer is that without the filters by instant, or without those named."""
    fake.inject(Fault.ignored_filter())
    fake.inject(Fault.ignored_filter("is_active"), nth=2)
    query = f"{USERS}?date_joined__gt=2040-01-01T00:00:00Z"
    ignored, named, honoured = map(response, fetched(fake, query, f"{USERS}?is_active=false", query))
    assert [got.json()["pagination"]["count"] for got in (ignored, named, honoured)] == [30, 30, 0]


def test_a_slow_answer_is_late_by_the_fakes_own_sleep() -> None:
    """Within the read timeout it arrives, beyond it the request times out; nothing really waits."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    fake = FakeAuthentik(Directory.generate(3, 2), sleep=sleep)
    fake.inject(Fault.slow(3.0), nth=1)
    fake.inject(Fault.slow(600.0), nth=2)
    late, never = fetched(fake, USERS, USERS, timeout=5.0)
    assert response(late).status_code == 200
    assert type(never) is httpx.ReadTimeout
    assert slept == [3.0, 5.0]


def test_requests_cost_what_the_model_says_and_wait_for_a_worker() -> None:
    """No more requests are worked on at once than there are workers; the cost may depend on what was answered."""
    busy: list[int] = [0]
    peak: list[int] = [0]
    costs: list[float] = []

    async def sleep(seconds: float) -> None:
        costs.append(seconds)
        busy[0] += 1
        peak[0] = max(peak[0], busy[0])
        await asyncio.sleep(0)
        busy[0] -= 1

    def cost(info: RequestInfo) -> float:
        return info.rows / 100

    fake = FakeAuthentik(Directory.generate(29, 4), cost=cost, workers=2, sleep=sleep)
    fake.token()

    async def crowd() -> None:
        async with httpx.AsyncClient(transport=fake.transport(), base_url="http://authentik.example.test") as client:
            await asyncio.gather(*(client.get(f"{USERS}?page_size=10", headers=fake.headers()) for _ in range(8)))

    for _ in range(2):
        asyncio.run(crowd())
    assert peak == [2]
    assert costs == [0.1] * 16


@pytest.mark.parametrize(
    ("path", "flags", "rows", "size", "seconds"),
    [
        ("users", "", 100, 220_000, 0.5),
        ("users", "include_groups=false", 100, 157_000, 0.7),
        ("users", "include_groups=false&include_roles=false", 100, 157_000, 0.8),
        ("users", "page_size=1", 1, 3_000, 0.07),
        ("groups", "", 100, 4_400_000, 1.6),
        ("groups", "include_users=false", 100, 86_000, 0.5),
    ],
)
def test_the_measured_cost_is_that_of_the_table(path: str, flags: str, rows: int, size: int, seconds: float) -> None:
    """Within a tenth of the seconds measured on an idle 2025.12.4; twice as fast a server takes half."""
    query = {name: tuple(values) for name, values in parse_qs(flags).items()}
    request = RequestInfo(1, "GET", f"/api/v3/core/{path}/", query, frozenset(), rows=rows, size=size)
    assert measured_cost()(request) == pytest.approx(seconds, rel=0.1)
    assert measured_cost(2.0)(request) == measured_cost()(request) / 2


@pytest.mark.parametrize(
    ("plan", "failed"),
    [
        ({}, [1]),
        ({"nth": 3}, [3]),
        ({"times": 2}, [1, 2]),
        ({"nth": 2, "times": None}, [2, 3, 4, 5, 6]),
        ({"when": lambda path, _: path.endswith("groups/")}, [2]),
        ({"when": lambda _, query: query.get("page") == ("2",), "times": None}, [3, 6]),
        ({"when": lambda path, _: path.endswith("groups/"), "nth": 3, "times": 2}, [4]),
    ],
    ids=["once", "n-th", "twice", "for ever", "by path", "by query", "by path from the n-th on"],
)
def test_faults_come_by_schedule(fake: FakeAuthentik, plan: dict[str, Any], failed: list[int]) -> None:
    """From the n-th request on, for requests a predicate says yes to, so many times."""
    fake.inject(Fault.status(503), **plan)
    targets = [USERS, "/api/v3/core/groups/", f"{USERS}?page=2", "/api/v3/core/groups/", USERS, f"{USERS}?page=2"]
    got = map(response, fetched(fake, *targets))
    assert [number for number, answer in enumerate(got, 1) if answer.status_code == 503] == failed


def test_faults_planned_first_come_first_and_can_be_forgotten(fake: FakeAuthentik) -> None:
    """Of two that fit, the elder is used up before the younger; cleared, none comes."""
    fake.inject(Fault.status(502))
    fake.inject(Fault.status(503), times=None)
    assert [response(got).status_code for got in fetched(fake, USERS, USERS, USERS)] == [502, 503, 503]
    fake.clear_faults()
    assert response(fetched(fake, USERS)[0]).status_code == 200


@pytest.mark.parametrize(
    ("hook", "seen"),
    [("before", [30, 31, 31]), ("after", [30, 30, 31])],
)
def test_the_directory_may_drift_between_requests(fake: FakeAuthentik, hook: str, seen: list[int]) -> None:
    """`before` the n-th request its answer has the change already; `after` it the next one's has."""
    fake.token()
    {"before": fake.before, "after": fake.after}[hook](2, lambda directory: directory.create_user(username="late"))
    counts = [response(got).json()["pagination"]["count"] for got in fetched(fake, USERS, USERS, USERS)]
    assert counts == seen


def test_offset_pages_lose_rows_to_deletes_and_a_keyset_does_not(fake: FakeAuthentik) -> None:
    """The measured drift: users deleted behind the reader move others across the page border unseen."""
    fake.token()
    directory = fake.directory
    gone = sorted(directory.users)[:5]
    fake.after(1, lambda held: held.delete_users(gone))
    pages = map(
        response, fetched(fake, f"{USERS}?ordering=pk&page_size=10", f"{USERS}?ordering=pk&page_size=10&page=2")
    )
    seen = {row["pk"] for page in pages for row in page.json()["results"]}
    assert len([pk for pk in sorted(directory.users)[:15] if pk not in seen]) == 5
