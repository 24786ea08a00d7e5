"""A run ends when its time is over, whatever it is waiting for."""

import asyncio

import pytest

from openlane_authentik import DirectorySyncConfig
from openlane_authentik.errors import DeadlineError
from openlane_authentik.testing import Directory, FakeAuthentik, Fault
from tests.fault.small_sync import RELEASES, SmallWorld
from tests.support import KeepingSink, connect

LIMIT = 500.0


@pytest.mark.parametrize("release", RELEASES)
def test_a_run_that_takes_too_long_ends(release: str) -> None:
    """No request is begun after the deadline; the run fails as one to try again, and proves nothing."""
    world = SmallWorld(release)
    world.fake.inject(Fault.slow(55.0), times=None)
    result = world.sync(DirectorySyncConfig(page_size=12, timeout_seconds=LIMIT))
    assert isinstance(result.error, DeadlineError)
    assert (result.error.code, result.exit_code) == ("deadline_exceeded", 75)
    # Those under way at the deadline may still end: four of a minute each.
    assert result.seconds <= LIMIT + 4 * 60.0


@pytest.mark.parametrize("release", RELEASES)
def test_no_wait_goes_past_the_deadline(release: str) -> None:
    """A wait that would end after the deadline is not even begun."""
    world = SmallWorld(release)
    world.fake.inject(Fault.status(503, retry_after=90), nth=4, times=None)
    result = world.sync(DirectorySyncConfig(page_size=12, timeout_seconds=60.0))
    assert isinstance(result.error, DeadlineError)
    assert result.seconds < 60.0


@pytest.mark.parametrize("nth", [1, 3, 9, 14, 18])
def test_a_request_that_never_ends_does_not_outlast_the_deadline(nth: int) -> None:
    """A server that goes silent is left at the deadline, with no task behind."""

    async def for_ever(_seconds: float) -> None:
        await asyncio.Event().wait()

    async def sync() -> KeepingSink:
        sink = KeepingSink()
        fake = FakeAuthentik(Directory.generate(60, 9, seed=4), release="2026.2", sleep=for_ever)
        fake.inject(Fault.slow(50.0), nth=nth, times=None)
        with pytest.raises(DeadlineError):
            await connect(fake).directory_sync(sink, config=DirectorySyncConfig(page_size=12, timeout_seconds=0.3))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return sink

    sink = asyncio.run(sync())
    assert [(run.status, run.exit_code) for run in sink.runs] == [("FAILED", 75)]
    assert sink.closings == {}
