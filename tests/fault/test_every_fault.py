"""Every kind of fault at every request of a small sync, one by one, and a sample of pairs."""

import asyncio
import random
from functools import cache

import pytest

from openlane_authentik import AuthentikIntegration, IntegrationError, Schema, parse_credential
from openlane_authentik.testing import Fault, RequestInfo, serve
from tests.fault.small_sync import (
    CONFIG,
    MISLEADING,
    MOST_SECONDS,
    NEXT_TIME,
    PASSING,
    RELEASES,
    TERMINAL,
    SmallWorld,
    clean_requests,
    no_open_sockets,
)
from tests.support import KeepingSink

BELIEVABLE = {**PASSING, **MISLEADING}
ALL = {
    **BELIEVABLE,
    **{kind: fault for kind, (fault, _, _) in TERMINAL.items()},
    **{kind: fault for kind, (fault, _, _) in NEXT_TIME.items()},
}
# What the token may see is asked here; a refusal means that it cannot be known, and no more.
SIGHT = ("/rbac/permissions/",)


@cache
def requests_of(release: str) -> tuple[RequestInfo, ...]:
    """The requests of a run in which nothing goes wrong."""
    world = SmallWorld(release)
    world.sync()
    return tuple(world.fake.requests)


def asks_for_sight(request: RequestInfo) -> bool:
    """Whether a request asks what the token may see: its roles' permissions, or a group's roles."""
    tail = request.path.removeprefix("/api/v3/core/groups/")
    return request.path.endswith(SIGHT) or tail not in {"", request.path}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", BELIEVABLE)
def test_a_fault_that_passes_costs_nothing_but_time(kind: str, release: str) -> None:
    """At whatever request it happens, the run goes on and proves every set."""
    for nth in range(1, clean_requests(release) + 1):
        world = SmallWorld(release)
        world.fake.inject(BELIEVABLE[kind](), nth=nth)
        result = world.sync()
        assert result.all_proven, f"{kind} at request {nth}: {result.error!r} {result.proven}"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", [*TERMINAL, *NEXT_TIME])
def test_a_fault_that_does_not_pass_ends_the_run_at_once(kind: str, release: str) -> None:
    """The run ends with the error and exit code of the fault, proves nothing, and the next run is complete."""
    fault, code, exit_code = {**TERMINAL, **NEXT_TIME}[kind]
    for nth, request in enumerate(requests_of(release), start=1):
        world = SmallWorld(release)
        world.fake.inject(fault(), nth=nth)
        result = world.sync()
        told = f"{kind} at request {nth} ({request.path}): {result.error!r} {result.proven}"
        if result.error is None:
            # Not to know what the token sees ends nothing, and proves nothing.
            assert asks_for_sight(request), told
            assert not result.proven[Schema.MEMBERSHIP], told
            assert result.exit_code in {75, 77}, told
        else:
            assert (result.error.code, result.error.exit_code) == (code, exit_code), told
            # Those that were under way may still end.
            assert result.requests <= nth + CONFIG.concurrency, told
        assert world.sync().all_proven, f"the run after {told}"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", ALL)
def test_a_fault_that_lasts_ends_the_run_within_its_limits(kind: str, release: str) -> None:
    """From whatever request on: a bounded number of requests and seconds, no claim, and then a complete run."""
    for nth in range(1, clean_requests(release) + 1, 3):
        world = SmallWorld(release)
        world.fake.inject(ALL[kind](), nth=nth, times=None)
        result = world.sync()
        assert result.seconds <= 2 * MOST_SECONDS
        if kind in PASSING and kind != "slow":
            assert result.error is not None, f"{kind} from request {nth} on"
            assert result.exit_code == 75
        world.fake.clear_faults()
        assert world.sync().all_proven, f"the run after {kind} from request {nth} on"


def pair_of_faults(seed: int) -> None:
    """Two faults, in any order, at any two requests, once or some times over."""
    chance = random.Random(f"pair {seed}")
    release = chance.choice(RELEASES)
    planned = [(chance.choice([*ALL]), chance.randrange(1, clean_requests(release) + 3)) for _ in range(2)]
    world = SmallWorld(release)
    for kind, nth in planned:
        world.fake.inject(ALL[kind](), nth=nth, times=chance.choice([1, 1, 2]))
    result = world.sync()
    told = f"seed {seed}: {planned} on {release}: {result.error!r} {result.proven}"
    if all(kind in PASSING for kind, _ in planned):
        assert result.all_proven, told
    world.fake.clear_faults()
    assert world.sync().all_proven, f"the run after {told}"


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_pairs_of_faults(first: int) -> None:
    """Two faults are no worse than one: no false claim, nothing twice, and after them a complete run."""
    for seed in range(first, first + 20):
        pair_of_faults(seed)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(80, 1080, 100))
def test_pairs_of_faults_for_long(first: int) -> None:
    """The same, over more pairs."""
    for seed in range(first, first + 100):
        pair_of_faults(seed)


@pytest.mark.parametrize(
    "kind", ["503 with seconds", "reset", "dropped", "cut in half", "truncated JSON", "500", "HTML"]
)
def test_no_fault_leaves_a_socket_open(kind: str) -> None:
    """Over real connections, whatever breaks, none is left open and no task is left behind."""

    def block() -> None:
        world = SmallWorld("2026.2")
        fault = ALL[kind]
        for nth in (1, 9, 14):
            world.fake.inject(fault(), nth=nth)
        with serve(world.fake) as server:
            credential = parse_credential({"baseUrl": server.url, "token": world.fake.token()}, allow_http=True)

            async def sync() -> None:
                try:
                    await AuthentikIntegration(credential, clock=world.clock).directory_sync(KeepingSink())
                except IntegrationError as error:
                    assert kind in {**TERMINAL, **NEXT_TIME}, error  # noqa: PT017 - either way is right
                assert asyncio.all_tasks() == {asyncio.current_task()}

            asyncio.run(sync())

    no_open_sockets(block)


def test_a_tie_that_never_comes_to_an_end_is_not_proven() -> None:
    """When the last page of those changed since the start points on for ever, the run ends, and proves no users."""
    world = SmallWorld("2026.2")
    world.fake.inject(Fault.pointing_back(), when=lambda _, query: "last_updated__gt" in query, times=None)
    result = world.sync()
    assert result.error is None
    assert not result.proven[Schema.ACCOUNT]
    assert result.exit_code == 75


def test_a_404_whose_json_is_cut_is_a_broken_answer() -> None:
    """JSON that breaks off in a refusal is as broken as in a page: it is asked for again."""
    world = SmallWorld("2026.2")
    world.fake.inject(Fault.status(404, body='{"detail": "Invalid pa'), nth=8)
    result = world.sync()
    assert result.all_proven, result.error
