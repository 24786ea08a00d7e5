"""A worker is killed wherever it may be, and the directory is never half of two runs.

The worker is a real one in a process of its own, an ``Engine`` with the real sync, that reads a fake authentik over
HTTP. It kills itself by SIGKILL at the n-th statement, commit or request of some phase of its work, where a run that
nobody disturbed tells how many there are: see ``doomed_worker``.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from openlane_authentik.host import runs
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import attention, change, run_attempt, sync_run
from openlane_authentik.host.host import Host, open_host
from tests.host.killing import Place, Source, Workers, count_points, serving_source
from tests.host.running import age_workers, look_up, wait_until
from tests.host.support import connect_demo, put
from tests.host.truth import (
    State,
    differences,
    directory,
    episodes,
    everything,
    has_ended,
    newest_run,
    only_installation,
    truth,
)

SCENES: Final = ("first", "full", "delta")
# What is sampled in the normal run, in each scene.
SAMPLE: Final = {
    "first": ("enqueue", "stage"),
    "full": ("take over: commit", "take over"),
    "delta": ("collect", "take over"),
}
# How often a phase has its turn; else once.
TURNS: Final = {"take over": 6, "take over: commit": 2, "flush": 2, "stage": 2, "collect": 3, "claim": 2}
CHUNKS: Final = 5
POINTS: Final = {"first": 6, "full": 7, "delta": 7}
assert CHUNKS * sum(POINTS.values()) == 100
# Of so many points one is followed by another, in the worker that recovers.
TWICE: Final = 4

Point = tuple[str, int]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Fork workers."""
    with Workers() as started:
        yield started


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    """Serve a directory at an address that stays."""
    with serving_source() as served:
        yield served


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Place:
    """Return where a host may lie."""
    return Place(tmp_path / "data", None if database_url.startswith("sqlite") else database_url)


@dataclass(frozen=True, slots=True)
class Scene:
    """An installation whose run number ``number`` is due.

    Attributes:
        place: Where it lies.
        number: Of the run that is killed.
        mode: Of this run.
        days: What the source has lived through when it runs.
        points: How many points each phase of it has.
    """

    place: Place
    number: int
    mode: str
    days: tuple[str, ...]
    points: Counter[str]

    def choose(self, rng: random.Random, turn: int) -> Point:
        """Return the point of a turn: the phases take turns, within a phase by chance."""
        phases = [phase for phase in sorted(self.points) for _ in range(TURNS.get(phase, 1))]
        # An order in which neighbours are far apart, so that each chunk gets some of all.
        return self.at(rng, random.Random(len(phases)).sample(phases, len(phases))[turn % len(phases)])

    def at(self, rng: random.Random, phase: str) -> Point:
        """Return a point of a phase."""
        return phase, rng.randint(1, self.points[phase])


def set_up(name: str, place: Place, source: Source, workers: Workers, trace: Path) -> Scene:
    """Bring an installation to where a scene begins, and let its run happen undisturbed, in a copy."""
    source.renew()
    host = open_host(place.settings)
    connected = connect_demo(host, source.url, source.token)
    number, days = 1, ("before",)
    if name != "first":
        number = 2
        work_until_run(1, place, host, workers)
        put(host, connected.id, next_run_at=host.now(), **({"checkpoint": None} if name == "full" else {}))
    host.close()
    copy = place.copied()
    host = open_host(copy.settings)
    for day in days:
        source.live(random.Random(day))
    work_until_run(number, copy, host, workers, trace)
    host.close()
    copy.remove()
    return Scene(place, number, "delta" if name == "delta" else "full", days, count_points(trace))


def work_until_run(number: int, place: Place, host: Host, workers: Workers, trace: Path | None = None) -> None:
    """Let a worker work until a run has ended, and end it in order."""
    pid = workers.start(place.settings, trace=trace)
    wait_until(lambda: has_ended(host, number))
    workers.terminate(pid)


@pytest.mark.parametrize("name", SCENES)
def test_killed_worker_leaves_no_trace_but_in_the_history(
    name: str, place: Place, source: Source, workers: Workers, tmp_path: Path
) -> None:
    """Whatever a worker was at when it was killed, the next brings the directory to where the source is.

    Until then nothing is visible of the attempt that was killed, unless it was whole. After it no record was removed
    that is there, none is twice, and the log and the ledger tell what happened and no more.
    """
    scene = set_up(name, place, source, workers, tmp_path / "trace")
    for phase in SAMPLE[name]:
        rng = random.Random(f"{name} {phase}")
        survive([scene.at(rng, phase)], scene, source, workers, rng)


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("name", SCENES)
def test_worker_may_be_killed_at_any_point(
    name: str, chunk: int, place: Place, source: Source, workers: Workers, tmp_path: Path
) -> None:
    """The same at 100 points of each database, every phase among them; some kill the worker that recovers, too."""
    scene = set_up(name, place, source, workers, tmp_path / "trace")
    for turn in range(chunk * POINTS[name], (chunk + 1) * POINTS[name]):
        rng = random.Random(f"{name} {turn}")
        points = [scene.choose(rng, turn)]
        if turn % TWICE == 0:
            points.append(scene.choose(rng, rng.randrange(1000)))
        survive(points, scene, source, workers, rng)


@pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("share", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_first_start_may_be_killed(share: int, place: Place, source: Source, workers: Workers, tmp_path: Path) -> None:
    """A host that was killed as it made its tables, its key and the proof of it starts as if nothing had been."""
    trace = tmp_path / "trace"
    pid = workers.start(place.settings, trace=trace)
    wait_until(lambda: count_points(trace)["tick"])
    workers.terminate(pid)
    points = count_points(trace)
    every = [(phase, n) for phase in ("open", "open: commit") for n in range(1, points[phase] + 1)]
    for number, point in enumerate(random.Random(share).sample(every, min(share, len(every)))):
        fresh = Place(tmp_path / f"fresh-{number}", None)
        pid = workers.start(fresh.settings, at=("kill", *point))
        wait_until(lambda: workers.ended(pid) is not None)  # noqa: B023
        source.renew()
        host = open_host(fresh.settings)
        connect_demo(host, source.url, source.token)
        work_until_run(1, fresh, host, workers)
        assert newest_run(host).status == "COMPLETED", point
        assert directory(host) == truth(source), point
        host.close()


def survive(points: list[Point], scene: Scene, source: Source, workers: Workers, rng: random.Random) -> None:
    """Kill a worker at one point after the other, let the last recover, and see that all is as it must be."""
    place = scene.place.copied()
    source.renew()
    for day in scene.days:
        source.live(random.Random(day))
    host = open_host(place.settings)
    lost = set()
    states = [directory(host)]
    stored = everything(host)
    try:
        for point in points:
            pid = workers.start(place.settings, at=("kill", *point))
            # A point that did not come this time is one after the end of the run.
            wait_until(lambda: workers.ended(pid) is not None or has_ended(host, scene.number))  # noqa: B023
            workers.kill_if_there(pid)
            age_workers(host.database)
            found = newest_run(host)
            if found is not None and found.status == "RUNNING":
                lost.add(found.attempt)
            if has_ended(host, scene.number):
                states.append(truth(source))
                assert directory(host) == states[-1]
                break
            assert everything(host) == stored
        source.live(rng)
        if len(states) > 1:
            with transaction(host.database) as held:
                runs.request_run(held, only_installation(host).id, "manual", host.clock.now())
        last = scene.number + len(states) - 1
        pid = workers.start(place.settings)
        wait_until(lambda: has_ended(host, last))
        states.append(truth(source))
        check(host, scene, states, len(lost))
    except AssertionError as error:
        error.add_note(f"killed at {points}")
        raise
    finally:
        workers.kill_all()
        host.close()
        place.remove()


def check(host: Host, scene: Scene, states: list[State], lost: int) -> None:
    """Check that the store is where the source is, and that log and ledger tell how it came there."""
    assert directory(host) == states[-1]
    connected = only_installation(host)
    assert (connected.status, connected.failures_in_a_row, connected.reason) == ("CONNECTED", 0, None)
    assert connected.checkpoint is not None
    history = sorted(look_up(host.database, sync_run), key=lambda run: run.number)
    numbers = range(scene.number, scene.number + len(states) - 1)
    assert [(run.number, run.status, run.error) for run in history] == [
        (number, "COMPLETED", None) for number in range(1, numbers[-1] + 1)
    ]
    assert history[scene.number - 1].mode == scene.mode
    for run in history[scene.number - 1 :]:
        attempts = sorted(look_up(host.database, run_attempt, run_id=run.id), key=lambda attempt: attempt.attempt)
        times_lost = lost if run.number == scene.number else 0
        assert [attempt.outcome for attempt in attempts] == ["lost"] * times_lost + ["completed"]
        assert all(attempt.ended_at is not None for attempt in attempts)
    log = [
        (line.number, line.schema, line.external_id, line.group_id, line.kind)
        for line in look_up(host.database, change)
        if line.number >= scene.number
    ]
    wanted = [
        (scene.number + which, *line)
        for which in range(len(numbers))
        for line in differences(states[which], states[which + 1], {key for state in states[:which] for key in state})
    ]
    assert sorted(log) == sorted(wanted)
    assert directory(host, as_of=numbers[-1]) == states[-1]
    if scene.number > 1:
        assert directory(host, as_of=scene.number - 1) == states[0]
    times_come = Counter(line[1:4] for line in wanted if line[4] in {"added", "returned"}) + Counter(states[0].keys())
    assert episodes(host) == {(*key, episode + 1) for key, times in times_come.items() for episode in range(times)}
    assert look_up(host.database, attention) == []
