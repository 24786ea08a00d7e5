"""Real workers with real syncs that are killed, frozen, cut off or told to end, while others go on."""

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import (
    account,
    change,
    group,
    host_fact,
    installation,
    membership,
    run_attempt,
    sync_run,
    worker,
)
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import disconnect, read_credential
from tests.host.doomed_worker import OVER
from tests.host.killing import Place, Source, Workers, count_points, serving_source
from tests.host.running import age_workers, look_up, wait_until
from tests.host.support import connect_demo, put
from tests.host.truth import differences, directory, everything, has_ended, only_installation, truth

POSTGRESQL_ONLY: Final = pytest.mark.parametrize("make_database", ["postgresql"], indirect=True)
# No worker is lost by the clock, however slow the machine is, but by ``age_workers``.
QUICK: Final[dict[str, Any]] = {"worker_lost_seconds": 600.0, "tick_seconds": 0.5}


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Fork workers."""
    with Workers() as started:
        yield started


@pytest.fixture(autouse=True)
def _none_left(workers: Workers) -> Iterator[None]:
    yield
    workers.kill_all()


@pytest.fixture
def source() -> Iterator[Source]:
    """Serve a directory that can hold an answer back."""
    with serving_source() as served:
        yield served


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Place:
    """Return where the host lies."""
    return Place(tmp_path / "data", None if database_url.startswith("sqlite") else database_url)


@pytest.fixture
def host(place: Place) -> Iterator[Host]:
    """Open the host that the workers share."""
    opened = open_host(place.settings)
    yield opened
    opened.close()


@POSTGRESQL_ONLY
@pytest.mark.parametrize(
    "changed", [pytest.param(QUICK, id="quick"), pytest.param({}, id="as_shipped", marks=pytest.mark.soak)]
)
def test_another_worker_takes_over_within_thirty_seconds(
    changed: dict[str, Any], host: Host, place: Place, source: Source, workers: Workers
) -> None:
    """A worker that is killed in the middle of a sync is replaced by the other, which ends the run well."""
    connect_demo(host, source.url, source.token)
    source.hold(10)
    asked = len(source.fake.requests) + 10
    settings = {"tick_seconds": 5.0, **changed}
    killed = workers.start(place.settings, **settings)
    wait_until(lambda: len(source.fake.requests) >= asked)
    (lost,) = look_up(host.database, worker)
    workers.start(place.settings, **settings)
    wait_until(lambda: len(look_up(host.database, worker)) == 2)
    at = datetime.now(UTC)
    workers.kill(killed)
    if changed:
        age_workers(host.database, lost.id)
    wait_until(lambda: has_ended(host, 1), 60)
    (run,) = look_up(host.database, sync_run)
    first, second = sorted(look_up(host.database, run_attempt), key=lambda attempt: attempt.attempt)
    assert (first.outcome, second.outcome, run.status) == ("lost", "completed", "COMPLETED")
    assert first.worker_id != second.worker_id
    taken = datetime.fromisoformat(second.started_at) - at
    sys.stdout.write(f"taken over after {taken.total_seconds():.1f} s\n")
    assert timedelta(seconds=0) < taken < timedelta(seconds=30)
    assert directory(host) == truth(source)


@POSTGRESQL_ONLY
def test_fifty_due_at_once_are_each_synced_once_by_two_workers(
    host: Host, place: Place, source: Source, workers: Workers
) -> None:
    """Two workers share fifty real syncs: none is done twice, or twice at a time, and all are whole."""
    first = connect_demo(host, source.url, source.token, frequency_seconds=86400)
    names = [first.id, *(f"i{number:02}" for number in range(1, 50))]
    sealed = [host.vault.seal(name, read_credential(host, first.id)) for name in names]
    row = only_installation(host)._mapping  # noqa: SLF001 - public, by SQLAlchemy's own word
    with transaction(host.database) as held:
        for name, credential in list(zip(names, sealed, strict=True))[1:]:
            # The same directory, as other organisations have it.
            other = {"id": name, "organisation": name, "credential": credential}
            held.execute(sa.insert(installation).values({**row, **other}))
        held.execute(sa.update(installation).values(next_run_at=None))
    for _ in range(2):
        workers.start(place.settings, tick_seconds=0.5, runs_at_once=8)
    wait_until(lambda: len(look_up(host.database, worker)) == 2)
    asked = len(source.fake.requests)
    with transaction(host.database) as held:
        held.execute(sa.update(installation).values(next_run_at=host.now()))
    wait_until(lambda: len(look_up(host.database, sync_run, status="COMPLETED")) == 50, 120)
    workers.kill_all()
    ledger = look_up(host.database, sync_run)
    assert sorted(run.installation_id for run in ledger) == sorted(names)
    assert {(run.number, run.attempt, run.status) for run in ledger} == {(1, 1, "COMPLETED")}
    attempts = look_up(host.database, run_attempt)
    assert len(attempts) == 50
    assert len({attempt.worker_id for attempt in attempts}) == 2
    # As often as the ledger says, and by nobody else.
    once = Counter(request.path for request in source.fake.requests[asked:])
    asked = len(source.fake.requests)
    wanted = truth(source)
    again = Counter(request.path for request in source.fake.requests[asked:])
    assert once == Counter({path: 50 * count for path, count in again.items()})
    for table, schema in (
        (account, "DirectoryAccount"),
        (group, "DirectoryGroup"),
        (membership, "DirectoryMembership"),
    ):
        stored = Counter(record.installation_id for record in look_up(host.database, table))
        assert stored == Counter(dict.fromkeys(names, sum(key[0] == schema for key in wanted)))
    logged: defaultdict[str, int] = defaultdict(int)
    for line in look_up(host.database, change):
        logged[line.installation_id] += 1
    assert set(logged.values()) == {len(wanted)}


@POSTGRESQL_ONLY
@pytest.mark.parametrize(
    ("phase", "n"),
    [
        ("flush", 9),
        ("take over: commit", 1),
        *(pytest.param(phase, n, marks=pytest.mark.soak) for phase in ("collect", "stage", "flush") for n in (1, 10)),
        *(pytest.param("take over", n, marks=pytest.mark.soak) for n in (1, 3, 30, 60, 90)),
    ],
)
def test_frozen_worker_that_wakes_late_changes_nothing(
    phase: str, n: int, host: Host, place: Place, source: Source, workers: Workers, tmp_path: Path
) -> None:
    """A worker that freezes while it collects or takes over is replaced, and what it does when it wakes is refused.

    One that froze within the transaction that takes over keeps others waiting until the database ends it. One that
    froze just before cannot be told to stop any more, and finds at the beginning of it that the run is another's.
    """
    connect_demo(host, source.url, source.token)
    trace = tmp_path / "trace"
    frozen = workers.start(place.settings, trace=trace, at=("freeze", phase, n), **QUICK)
    wait_until(lambda: workers.is_frozen(frozen))
    untouched = everything(host)
    assert directory(host) == {}
    if phase != "flush":
        # Else nothing but the fence refuses it, whereas a record that changed would get a second line in the log.
        source.live(random.Random(n))
    age_workers(host.database)
    workers.start(place.settings, **QUICK)
    wait_until(lambda: has_ended(host, 1))
    attempts = sorted(look_up(host.database, run_attempt), key=lambda attempt: attempt.attempt)
    assert [attempt.outcome for attempt in attempts] == ["lost", "completed"]
    assert everything(host) != untouched
    before = [everything(host), *(look_up(host.database, table) for table in (sync_run, run_attempt, installation))]
    workers.wake(frozen, trace)
    wait_until(lambda: count_points(trace)[OVER] == 1)
    after = [everything(host), *(look_up(host.database, table) for table in (sync_run, run_attempt, installation))]
    assert after == before
    assert directory(host) == truth(source)
    # It is a worker again like any other.
    wait_until(lambda: len(look_up(host.database, worker)) == 2)


CUTS: Final = [("stage", 4), ("collect", 12), ("take over: commit", 1)]
MORE_CUTS: Final = [
    ("stage", 10),
    ("collect", 28),
    ("flush", 1),
    ("flush", 20),
    ("take over: commit", 2),
    *(("take over", random.Random(seed).randint(1, 120)) for seed in range(11)),
]


@POSTGRESQL_ONLY
def test_lost_connection_costs_an_attempt_and_no_more(
    host: Host, place: Place, source: Source, workers: Workers
) -> None:
    """When the database ends the connection that a run collects into, the run is made anew, and the store is whole."""
    lose_connections(CUTS, host, place, source, workers)


@POSTGRESQL_ONLY
@pytest.mark.soak
def test_connection_may_be_lost_at_any_point(host: Host, place: Place, source: Source, workers: Workers) -> None:
    """The same at more points."""
    lose_connections(MORE_CUTS, host, place, source, workers)


def lose_connections(points: list[tuple[str, int]], host: Host, place: Place, source: Source, workers: Workers) -> None:
    """Let one run after the other lose its connection at a point, and see that each is right in the end."""
    # Many days of the source pass within minutes of this machine's clock.
    connected = connect_demo(host, source.url, source.token, breaker_share=1.0)
    earlier: set[tuple[str, str, str]] = set()
    for number, (phase, n) in enumerate(points, 1):
        before = directory(host)
        pid = workers.start(place.settings, at=("cut", phase, n))
        wait_until(lambda: has_ended(host, number))  # noqa: B023
        (run,) = look_up(host.database, sync_run, number=number)
        attempts = sorted(look_up(host.database, run_attempt, run_id=run.id), key=lambda attempt: attempt.attempt)
        # After the commit nothing is lost any more.
        lost = [] if (phase, n) == ("take over: commit", 2) else ["lost"]
        assert ([attempt.outcome for attempt in attempts], run.status) == ([*lost, "completed"], "COMPLETED"), (
            phase,
            n,
            run.error,
        )
        now = truth(source)
        assert directory(host) == now
        log = [
            (line.schema, line.external_id, line.group_id, line.kind)
            for line in look_up(host.database, change, number=number)
        ]
        assert sorted(log) == sorted(differences(before, now, earlier))
        earlier |= before.keys()
        workers.terminate(pid)
        source.live(random.Random(number))
        put(host, connected.id, next_run_at=host.now(), **({"checkpoint": None} if number % 2 else {}))


def test_disconnect_ends_a_run_that_collects(
    host: Host, place: Place, source: Source, workers: Workers, tmp_path: Path
) -> None:
    """Within seconds the worker asks no more; nothing of the run is stored, and the credential is gone."""
    connected = connect_demo(host, source.url, source.token)
    trace = tmp_path / "trace"
    source.hold(12)
    asked = len(source.fake.requests) + 12
    workers.start(place.settings, trace=trace)
    wait_until(lambda: len(source.fake.requests) >= asked)
    (sealed,) = [row.credential for row in look_up(host.database, installation)]
    disconnect(host, connected.id)
    assert wait_until(lambda: count_points(trace)[OVER] == 1, 10) < 10
    last = len(source.fake.requests)
    source.released.set()
    (run,) = look_up(host.database, sync_run)
    assert (run.status, run.error["code"]) == ("FAILED", "disconnected")
    assert [attempt.outcome for attempt in look_up(host.database, run_attempt)] == ["cancelled"]
    ended = only_installation(host)
    assert (ended.status, ended.credential, ended.next_run_at) == ("DISABLED", None, None)
    assert directory(host) == {}
    assert look_up(host.database, change) == []
    assert sealed not in str([look_up(host.database, table) for table in (installation, sync_run, host_fact)])
    # The worker is as well as before, and has nothing to do: it looks again and leaves all as it is.
    ticks = count_points(trace)["tick"]
    wait_until(lambda: count_points(trace)["tick"] > ticks + 8)
    assert len(source.fake.requests) == last
    assert len(look_up(host.database, sync_run)) == 1
