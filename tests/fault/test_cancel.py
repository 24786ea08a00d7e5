"""A run that is cancelled, wherever it is, leaves nothing behind: no task, no connection, no half-written file."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from openlane_authentik import AuthentikIntegration, DirectorySyncConfig, Envelope, parse_credential
from openlane_authentik.emit.ndjson import NdjsonSink
from openlane_authentik.emit.output import open_output
from openlane_authentik.testing import Fault, serve
from tests.fault.small_sync import CONFIG, SmallWorld, no_open_sockets
from tests.support import KeepingSink, connect

BEFORE = b"what was there before\n"


class PatientNdjsonSink(NdjsonSink):
    """Takes its time, so that a run can be cancelled in the middle of handing over."""

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Write, after a while."""
        await asyncio.sleep(0)
        await super().accept(envelopes)


async def cancelled_at(world: SmallWorld, output: Path, tick: int) -> bool:
    """Sync into a file, cancelled at a turn of the event loop; whether it was cancelled before its end."""

    async def sync() -> None:
        with open_output(output) as file:
            await connect(world.fake, clock=world.clock).directory_sync(PatientNdjsonSink(file), config=CONFIG)

    task = asyncio.create_task(sync())
    for _ in range(tick):
        await asyncio.sleep(0)
        if task.done():
            break
    was_cancelled = task.cancel()
    await asyncio.wait([task])
    assert asyncio.all_tasks() == {asyncio.current_task()}, f"a task was left behind at turn {tick}"
    assert task.cancelled() == was_cancelled
    return was_cancelled


@pytest.mark.parametrize("release", ["2023.10", "2026.2"])
def test_cancelled_at_any_turn_it_leaves_nothing_behind(release: str, tmp_path: Path) -> None:
    """At whatever turn of the event loop: no task stays, the old file is whole, and no temporary file is left."""
    output = tmp_path / "out.ndjson"
    tick, going = 0, True
    while going:
        tick += 1
        output.write_bytes(BEFORE)
        world = SmallWorld(release)
        # So that some turns lie in the wait before a request is sent again.
        world.fake.inject(Fault.status(503, retry_after=2), nth=6)
        world.fake.inject(Fault.cut_body(), nth=11)
        going = asyncio.run(cancelled_at(world, output, tick))
        assert (output.read_bytes() == BEFORE) == going
        assert [path.name for path in tmp_path.iterdir()] == ["out.ndjson"]
    assert tick > 50


def test_after_a_cancelled_run_the_next_is_complete() -> None:
    """A cancelled run spoils nothing for the next."""
    world = SmallWorld("2026.2")

    async def cancel() -> None:
        task = asyncio.create_task(connect(world.fake, clock=world.clock).directory_sync(KeepingSink(), config=CONFIG))
        world.fake.before(10, lambda _: task.cancel())
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(cancel())
    assert world.sync().all_proven


@pytest.mark.parametrize("nth", [1, 7, 12, 16])
def test_cancelled_over_real_connections_no_socket_stays_open(nth: int) -> None:
    """The connections of a cancelled run are closed."""

    def block() -> None:
        world = SmallWorld("2026.2")
        with serve(world.fake) as server:
            credential = parse_credential({"baseUrl": server.url, "token": world.fake.token()}, allow_http=True)

            async def cancel() -> None:
                loop = asyncio.get_running_loop()
                sync = AuthentikIntegration(credential).directory_sync(KeepingSink(), config=CONFIG)
                task = asyncio.create_task(sync)
                # The hook runs in the server's thread.
                world.fake.before(nth, lambda _: loop.call_soon_threadsafe(task.cancel))
                await asyncio.wait([task])
                assert task.cancelled()
                assert asyncio.all_tasks() == {asyncio.current_task()}

            asyncio.run(cancel())

    no_open_sockets(block)


def test_a_failed_run_leaves_the_old_file(tmp_path: Path) -> None:
    """A run that fails does not touch what was written before."""
    output = tmp_path / "out.ndjson"
    output.write_bytes(BEFORE)
    world = SmallWorld("2026.2")
    world.fake.inject(Fault.html(), nth=14, times=None)

    async def sync() -> None:
        with open_output(output) as file:
            await connect(world.fake, clock=world.clock).directory_sync(
                NdjsonSink(file), config=DirectorySyncConfig(page_size=12)
            )

    with pytest.raises(Exception, match="not JSON"):
        asyncio.run(sync())
    assert output.read_bytes() == BEFORE
    assert [path.name for path in tmp_path.iterdir()] == ["out.ndjson"]
