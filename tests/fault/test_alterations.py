"""Whatever an answer is altered to, it is an error with a name or costs the proof: no traceback, no false claim.

Every alteration at every kind of request of a full sync, a delta and a health check; a sample of them in a test run.
"""

import asyncio
import random
from collections.abc import Iterable
from functools import cache
from typing import Final

import pytest

from openlane_authentik import HealthReport, IntegrationError, Schema
from openlane_authentik.operations.health_report import HealthStatus
from openlane_authentik.testing import Fault, RequestInfo
from tests.fault.alterations import alterations
from tests.fault.small_sync import CONFIG, SmallWorld
from tests.support import KeepingSink, connect

ALTERATIONS: Final = alterations()
RELEASES: Final = ("2023.10", "2026.2")
# So many cases in each chunk of a test run; a fifth of them all in a soak.
_SAMPLE: Final = 30
_CHUNKS: Final = 8


def _kind(request: RequestInfo) -> tuple[str, frozenset[str]]:
    """What a request asks for, apart from the values of its parameters; one object of a list is as good as another."""
    parts = request.path.split("/")
    path = "/".join("*" if any(sign.isdigit() for sign in part) else part for part in parts[3:])
    return path, frozenset(request.query)


@cache
def _places(what: str, release: str) -> tuple[int, ...]:
    """The first request of each kind, counted from the begin of the run."""
    world = _world(release)
    before = len(world.fake.requests)
    _run(world, what)
    kinds: dict[tuple[str, frozenset[str]], int] = {}
    for request in world.fake.requests[before:]:
        kinds.setdefault(_kind(request), request.number - before)
    return tuple(sorted(kinds.values()))


def _world(release: str) -> SmallWorld:
    return SmallWorld(release, users=30)


async def _delta(world: SmallWorld, fault: tuple[Fault, int, int | None] | None) -> None:
    """A full sync, some changes, and a delta with altered answers: what it says is held against the truth."""
    first = KeepingSink()
    checkpoint = (await connect(world.fake, world.kind, world.clock).directory_sync(first, config=CONFIG)).checkpoint
    world.clock.elapsed += 600
    directory = world.directory
    gone, changed, *_ = directory.users
    directory.delete_user(gone)
    directory.update_user(changed, name="Another Name")
    directory.create_user()
    if fault:
        world.fake.inject(fault[0], nth=len(world.fake.requests) + fault[1], times=fault[2])
    sink = KeepingSink()
    integration = connect(world.fake, world.kind, world.clock)
    try:
        run = (await integration.directory_sync(sink, config=CONFIG, checkpoint=checkpoint)).run
    except IntegrationError:
        assert not any(closing.snapshot_complete for closing in sink.closings.values())
        return
    closing = sink.closings[Schema.ACCOUNT]
    if run.exit_code == 0:
        told = {envelope.resource for envelope in sink.of(Schema.ACCOUNT)}
        if closing.delta:
            told |= {envelope.resource for envelope in first.of(Schema.ACCOUNT)}
        told -= {removed.resource for removed in closing.removed or ()}
        assert told == {user["uid"] for user in directory.users.values()}, "a false claim"


def _run(world: SmallWorld, what: str, fault: tuple[Fault, int, int | None] | None = None) -> None:
    if what == "delta":
        asyncio.run(_delta(world, fault))
        return
    if fault:
        world.fake.inject(fault[0], nth=len(world.fake.requests) + fault[1], times=fault[2])
    if what == "full":
        world.sync()
    else:
        report: HealthReport = asyncio.run(connect(world.fake, world.kind, world.clock).health_check())
        assert (report.exit_code == 0) or report.status is HealthStatus.NEEDS_ATTENTION


def _cases() -> list[tuple[str, str, str, int, int | None]]:
    """Every alteration, of each answer of its own and of all from there on."""
    return [
        (what, release, name, place, times)
        for what, releases in (("full", RELEASES), ("delta", RELEASES[-1:]), ("health", RELEASES))
        for release in releases
        for place in _places(what, release)
        for name in ALTERATIONS
        for times in (1, None)
    ]


def _hold(cases: Iterable[tuple[str, str, str, int, int | None]]) -> None:
    for what, release, name, place, times in cases:
        try:
            _run(_world(release), what, (ALTERATIONS[name], place, times))
        except Exception as error:
            error.add_note(f"{what} of {release}: {name!r} at request {place}, {times or 'all'} times")
            raise


def test_there_are_enough_alterations() -> None:
    """At least 100, each of another kind."""
    assert len(ALTERATIONS) >= 100


@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_a_sample_of_alterations(chunk: int) -> None:
    """No traceback and no false claim, at some places of every kind of run."""
    cases = _cases()
    random.Random(11).shuffle(cases)
    _hold(cases[chunk : _SAMPLE * _CHUNKS : _CHUNKS])


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(8))
def test_many_alterations(chunk: int) -> None:
    """The same for one in 20 of all alterations at all places."""
    cases = _cases()
    random.Random(11).shuffle(cases)
    _hold(cases[chunk::160])
