"""What a sync costs the modelled server, in virtual time: the same figures on every machine.

The model is that of ``benchmarks/model.py``, after a measured server: two workers, 0.07 s a count, 0.2 s and 4 ms a
user for a page of users, 0.6 s a lean page of groups.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pytest

from benchmarks.model import WORKERS, is_count, is_look, modelled_seconds
from openlane_authentik import DirectorySyncConfig, SyncResult, UserInput
from openlane_authentik.testing import Directory, FakeAuthentik
from tests.support import KeepingSink, SimulatedClock, connect
from tests.virtual_time import run_in_virtual_time

USERS = 10_000
GROUPS = 500


@dataclass
class Run:
    """One sync: its result, its seconds of the modelled server's time, and its requests."""

    result: SyncResult
    seconds: float
    requests: int
    proof: int


class Modelled:
    """A directory of 10,000 users on the modelled server."""

    def __init__(self, release: str = "2025.12") -> None:
        self.clock = SimulatedClock(datetime(2028, 1, 1, tzinfo=UTC))
        self.directory = Directory.generate(USERS, GROUPS, seed=7, clock=self.clock.now)
        self.fake = FakeAuthentik(self.directory, release=release, cost=modelled_seconds, workers=WORKERS)
        self.fake.token(expiring=False)
        self.people = [pk for pk in self.directory.users if pk != self.fake.tokens.account("viewer")]

    def sync(self, checkpoint: bytes | None = None, *, with_groups: bool = True) -> Run:
        self.clock.elapsed += 600
        self.fake.requests.clear()
        integration = connect(self.fake, clock=self.clock)
        user_input = UserInput(disable_group_sync=not with_groups)
        sink = KeepingSink()
        work = integration.directory_sync(
            sink, user_input, DirectorySyncConfig(timeout_seconds=1e9), checkpoint=checkpoint
        )
        result, seconds = run_in_virtual_time(work)
        assert result.run.exit_code == 0
        proof = sum(is_count(request) or is_look(request) for request in self.fake.requests)
        return Run(result, seconds, len(self.fake.requests), proof)


def _delete(pk: int, directory: Directory) -> None:
    directory.delete_user(pk)


def _drift(modelled: Modelled, first: int) -> None:
    """Plan the deletion of twelve users, each behind one of the four readers of a full sync."""
    users = modelled.directory.users
    in_order = sorted((pk for pk in modelled.people if pk in users), key=lambda pk: users[pk]["date_joined"])
    gone = [in_order[span * len(in_order) // 4 + first + step] for step in range(3) for span in range(4)]
    modelled.fake.requests.clear()
    for place, pk in enumerate(gone):
        modelled.fake.before(60 + place, partial(_delete, pk))


@pytest.fixture(scope="module")
def modelled() -> Modelled:
    """The directory of this module, changed from test to test."""
    return Modelled("2026.5")


def test_twelve_deletions_behind_the_reader_cost_little(modelled: Modelled) -> None:
    """A full sync during which twelve users are deleted takes at most 1.2 times an undisturbed one, groups or not."""
    for first, with_groups in ((1, True), (10, False)):
        undisturbed = modelled.sync(with_groups=with_groups)
        _drift(modelled, first)
        disturbed = modelled.sync(with_groups=with_groups)
        assert disturbed.seconds <= 1.2 * undisturbed.seconds


def test_a_delta_costs_little(modelled: Modelled) -> None:
    """With nobody changed a tenth of a full sync or less, with three deleted a sixth or less."""
    full = modelled.sync()
    unchanged = modelled.sync(full.result.checkpoint)
    assert unchanged.seconds <= full.seconds / 10
    modelled.directory.delete_users([pk for pk in modelled.people if pk in modelled.directory.users][200:203])
    deleted = modelled.sync(unchanged.result.checkpoint)
    assert deleted.result.run.mode == "delta"
    assert deleted.seconds <= full.seconds / 6


def test_the_proof_costs_a_delta_ten_requests_at_most(modelled: Modelled) -> None:
    """With nobody changed a delta sends at most 10 requests more than the 28 it sent before it was proven by stamps."""
    checkpoint = modelled.sync().result.checkpoint
    assert modelled.sync(checkpoint).requests <= 38


def test_three_thousand_logins_cost_half_a_full_sync_at_most(modelled: Modelled) -> None:
    """Logins of three users in ten are read along ``last_login``."""
    full = modelled.sync()
    for pk in [pk for pk in modelled.people if pk in modelled.directory.users][300:3300]:
        modelled.clock.elapsed += 1
        modelled.directory.log_in(pk)
    delta = modelled.sync(full.result.checkpoint)
    assert delta.result.run.mode == "delta"
    assert delta.seconds <= full.seconds / 2


def test_virtual_time_is_told_by_the_model_alone() -> None:
    """A wait of an hour takes no time, and two waits at once take the longer."""

    async def wait() -> None:
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(60))

    before = time.monotonic()
    _, seconds = run_in_virtual_time(wait())
    assert seconds == pytest.approx(3600)
    assert time.monotonic() - before < 600
