"""Every kind of fault at every request of a small sync, one by one, and a sample of pairs."""

import asyncio
import random

import pytest

from openlane_authentik import AuthentikIntegration, IntegrationError, Schema, parse_credential
from openlane_authentik.testing import Fault, serve
from tests.fault.small_sync import (
    CONFIG,
    MISLEADING,
    MOST_SECONDS,
    ODD,
    PASSING,
    RELEASES,
    SmallWorld,
    clean_requests,
    no_open_sockets,
)
from tests.support import KeepingSink

ALL = {**PASSING, **MISLEADING, **{kind: fault for kind, (fault, _, _) in ODD.items()}}
# In the normal run some requests, which differ from kind to kind; in the soak all, on one release or the other.
OF_THE_REQUESTS = pytest.mark.parametrize("step", [12, pytest.param(len(RELEASES), marks=pytest.mark.soak)])


def _requests(kind: str, release: str, step: int) -> range:
    first = ([*ALL].index(kind) + RELEASES.index(release)) % step
    return range(1 + first, clean_requests(release) + 1, step)


@OF_THE_REQUESTS
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", ALL)
def test_a_fault_that_passes_costs_nothing_but_time(kind: str, release: str, step: int) -> None:
    """At whatever request it happens, the run goes on and proves every set."""
    for nth in _requests(kind, release, step):
        world = SmallWorld(release)
        world.fake.inject(ALL[kind](), nth=nth)
        result = world.sync()
        assert result.all_proven, f"{kind} at request {nth}: {result.error!r} {result.proven}"


@OF_THE_REQUESTS
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_answer_that_stays_ends_the_run_soon(kind: str, release: str, step: int) -> None:
    """The run ends with the error and exit code of the fault, proves nothing, and the next run is complete."""
    fault, code, exit_code = ODD[kind]
    for nth in _requests(kind, release, step):
        world = SmallWorld(release)
        world.fake.inject(fault(), nth=nth, times=None)
        result = world.sync()
        told = f"{kind} from request {nth} on: {result.error!r} {result.proven}"
        assert result.error is not None, told
        assert (result.error.code, result.error.exit_code) == (code, exit_code), told
        # Each request that waits or is under way is sent twice, and then the two that tell why a token is refused.
        assert result.requests < nth + 5 * CONFIG.concurrency, told
        world.fake.clear_faults()
        assert world.sync().all_proven, f"the run after {told}"


@OF_THE_REQUESTS
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", ALL)
def test_a_fault_that_lasts_ends_the_run_within_its_limits(kind: str, release: str, step: int) -> None:
    """From whatever request on: a bounded number of requests and seconds, no claim, and then a complete run."""
    for nth in _requests(kind, release, step):
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
    if all(kind in PASSING for kind, _ in planned):  # two odd answers may hit the same request
        assert result.all_proven, told
    world.fake.clear_faults()
    assert world.sync().all_proven, f"the run after {told}"


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_pairs_of_faults(first: int) -> None:
    """Two faults are no worse than one: no false claim, nothing twice, and after them a complete run."""
    for seed in range(first, first + 20):
        pair_of_faults(seed)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(40, 440, 50))
def test_pairs_of_faults_for_long(first: int) -> None:
    """The same, over more pairs."""
    for seed in range(first, first + 50):
        pair_of_faults(seed)


@pytest.mark.parametrize(
    "kind", ["503 with seconds", "reset", "dropped", "cut in half", "truncated JSON", "500", "HTML"]
)
def test_no_fault_leaves_a_socket_open(kind: str) -> None:
    """Over real connections, whatever breaks, none is left open and no task is left behind."""

    def block() -> None:
        world = SmallWorld("2026.2")
        fault = ALL[kind]
        for nth in (1, 2, 9, 14):
            world.fake.inject(fault(), nth=nth)
        with serve(world.fake) as server:
            credential = parse_credential({"baseUrl": server.url, "token": world.fake.token()}, allow_http=True)

            async def sync() -> None:
                try:
                    await AuthentikIntegration(credential, clock=world.clock).directory_sync(KeepingSink())
                except IntegrationError as error:
                    assert kind in ODD, error  # noqa: PT017 - either way is right
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
