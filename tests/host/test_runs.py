"""The ledger of runs: one active run an installation, one worker a run, and what an end means."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.errors import DeadlineError, IntegrationError, ServerUnavailableError, TokenRejectedError
from openlane_authentik.host import runs
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.database.tables import installation, run_attempt, sync_run
from openlane_authentik.host.errors import ConflictError, DisconnectedError, RunLostError, UnknownRecordError
from openlane_authentik.host.runs import ClaimedRun, Outcome, Trigger
from tests.host.running import add_installation, look_at, look_up
from tests.support import START

LATER = START + timedelta(minutes=7)


def test_requested_run_waits_with_its_number(engine: sa.Engine) -> None:
    """Runs of an installation are numbered from 1, without a gap, whoever asks."""
    add_installation(engine)
    add_installation(engine, "two")
    triggers: tuple[Trigger, ...] = ("schedule", "manual", "save")
    for number, trigger in enumerate(triggers, 1):
        claimed = _begin(engine, trigger=trigger)
        assert (claimed.number, claimed.trigger) == (number, trigger)
        _complete(engine, claimed)
    assert _begin(engine, "two").number == 1


def test_second_run_is_refused_while_one_is_active(engine: sa.Engine) -> None:
    """An active run, waiting or under way, refuses another; one that ended does not."""
    add_installation(engine)
    run_id = _request(engine)
    assert run_id is not None
    assert _request(engine, trigger="manual") is None
    claimed = runs.claim(engine, run_id, 1, "w1", START)
    assert claimed is not None
    assert _request(engine) is None
    _complete(engine, claimed)
    assert _request(engine) is not None


def test_one_of_many_requests_at_once_wins(engine: sa.Engine) -> None:
    """However many ask at the same moment, one run is made, and none of them fails."""
    add_installation(engine)
    for number in range(1, 6):
        with ThreadPoolExecutor(8) as pool:
            made = [run_id for run_id in pool.map(lambda _: _request(engine), range(8)) if run_id]
        assert len(made) == 1
        (row,) = look_up(engine, sync_run, status="PENDING")
        assert row.number == number
        claimed = runs.claim(engine, made[0], 1, "w1", START)
        assert claimed is not None
        _complete(engine, claimed)


def test_database_itself_refuses_a_second_active_run(engine: sa.Engine) -> None:
    """The guard is an index, so that no other path can make a second active run either."""
    add_installation(engine)
    _request(engine)
    row = look_up(engine, sync_run)[0]._asdict()
    with pytest.raises(sa.exc.IntegrityError), transaction(engine) as held:
        held.execute(sa.insert(sync_run).values(**row | {"id": "other", "number": 2, "error": sa.null()}))


@pytest.mark.parametrize(("status", "remedy"), [("ERRORED", "save it"), ("DISABLED", "with a credential")])
def test_stopped_installation_is_not_run(engine: sa.Engine, status: str, remedy: str) -> None:
    """A schedule passes over an installation that was stopped; a person is told what to do."""
    add_installation(engine, status=status)
    assert _request(engine) is None
    with pytest.raises(ConflictError, match=remedy):
        _request(engine, trigger="manual")
    assert look_up(engine, sync_run) == []


def test_unknown_installation_is_said_to_be_unknown(engine: sa.Engine) -> None:
    """What is not there cannot be run."""
    with pytest.raises(UnknownRecordError):
        _request(engine)


def test_one_of_many_claims_wins(engine: sa.Engine) -> None:
    """One worker gets an attempt; the others learn that it waits no more."""
    add_installation(engine)
    run_id = _request(engine)
    assert run_id is not None
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda n: runs.claim(engine, run_id, 1, f"w{n}", START), range(8)))
    (claimed,) = [claim for claim in claims if claim]
    (row,) = look_up(engine, run_attempt)
    assert (row.worker_id, row.outcome) == (claimed.worker_id, None)


def test_stale_attempt_can_change_nothing(engine: sa.Engine) -> None:
    """Whoever holds an attempt that was given to another can neither hold, complete nor fail the run."""
    add_installation(engine)
    stale = _begin(engine, worker="frozen")
    assert runs.give_back(engine, stale.id, 1, LATER)
    assert runs.claim(engine, stale.id, 1, "frozen", LATER) is None
    fresh = runs.claim(engine, stale.id, 2, "healthy", LATER)
    assert fresh is not None
    before = _everything(engine)
    with pytest.raises(RunLostError), transaction(engine) as held:
        runs.hold(held, stale)
    with pytest.raises(RunLostError):
        _complete(engine, stale)
    with pytest.raises(RunLostError):
        _fail(engine, stale, TokenRejectedError("refused"))
    assert not runs.give_back(engine, stale.id, 1, LATER)
    assert _everything(engine) == before
    _complete(engine, fresh)


def test_same_attempt_of_another_worker_is_not_held(engine: sa.Engine) -> None:
    """An attempt belongs to the worker that claimed it."""
    add_installation(engine)
    claimed = _begin(engine)
    with pytest.raises(RunLostError), transaction(engine) as held:
        runs.hold(held, dataclasses.replace(claimed, worker_id="other"))


def test_history_tells_who_was_on_a_run(engine: sa.Engine) -> None:
    """Each attempt keeps its worker, its times and its outcome."""
    add_installation(engine)
    first = _begin(engine, worker="w1")
    runs.give_back(engine, first.id, 1, LATER)
    second = runs.claim(engine, first.id, 2, "w2", LATER)
    assert second is not None
    runs.give_back(engine, first.id, 2, LATER, outcome="cancelled")
    third = runs.claim(engine, first.id, 3, "w3", LATER)
    assert third is not None
    _complete(engine, third)
    with reading(engine) as held:
        run = runs.get_run(held, first.id)
    assert run.attempts is not None
    told = [(attempt.attempt, attempt.worker_id, attempt.outcome) for attempt in run.attempts]
    assert told == [(1, "w1", "lost"), (2, "w2", "cancelled"), (3, "w3", "completed")]
    assert run.attempts[0].ended_at == rfc3339(LATER)
    assert (run.status, run.attempt, run.started_at, run.completed_at) == (
        "COMPLETED",
        3,
        rfc3339(LATER),
        rfc3339(LATER),
    )


def test_completed_run_settles_its_installation(engine: sa.Engine) -> None:
    """A run that ended well connects the installation, forgets failures and moves the schedule."""
    add_installation(
        engine, status="PENDING", reason={"code": "x"}, failures_in_a_row=3, interval_seconds=7200, next_run_at=None
    )
    claimed = _begin(engine)
    _complete(engine, claimed, checkpoint=b"here", changes=0)
    row = look_at(engine)
    assert (row.status, row.reason, row.failures_in_a_row, row.checkpoint) == ("CONNECTED", None, 0, b"here")
    assert (row.interval_seconds, row.next_run_at) == (14400, rfc3339(LATER + timedelta(seconds=14400)))
    (run,) = look_up(engine, sync_run)
    assert (run.status, run.delta_count, run.error) == ("COMPLETED", 7, None)


def test_run_without_checkpoint_is_scheduled_as_one_that_reads_all(engine: sa.Engine) -> None:
    """Only an installation that can ask for changes is asked every twenty minutes."""
    add_installation(engine, interval_seconds=1200)
    _complete(engine, _begin(engine), checkpoint=None, changes=5000)
    assert look_at(engine).interval_seconds == 3600


def test_fixed_frequency_counts_from_the_start_of_the_run(engine: sa.Engine) -> None:
    """The length of a run does not add to the frequency."""
    add_installation(engine, frequency_seconds=1800)
    _complete(engine, _begin(engine))
    assert look_at(engine).next_run_at == rfc3339(START + timedelta(seconds=1800))


def test_retriable_errors_back_off(engine: sa.Engine) -> None:
    """What time mends is tried again later and later; the installation stays connected, and nobody is told."""
    add_installation(engine, frequency_seconds=600)
    for failures in (1, 2, 3):
        assert not _fail(engine, _begin(engine), ServerUnavailableError("503"))
        row = look_at(engine)
        assert (row.status, row.failures_in_a_row) == ("CONNECTED", failures)
        assert row.next_run_at == rfc3339(LATER + timedelta(seconds=600 * 2**failures))
    add_installation(engine, "two", interval_seconds=1200)
    _fail(engine, _begin(engine, "two"), ServerUnavailableError("503"))
    assert look_at(engine, "two").next_run_at == rfc3339(LATER + timedelta(seconds=3600))


def test_terminal_error_stops_the_schedule_and_is_told_once(engine: sa.Engine) -> None:
    """What a person must mend sets ERRORED with the reason, and nothing is due any more."""
    add_installation(engine)
    claimed = _begin(engine)
    assert _fail(engine, claimed, TokenRejectedError("authentik refused the token"))
    row = look_at(engine)
    assert (row.status, row.next_run_at) == ("ERRORED", None)
    assert row.reason == {
        "code": "token_rejected",
        "message": "authentik refused the token",
        "remedy": TokenRejectedError.remedy,
    }
    (run,) = look_up(engine, sync_run)
    assert run.status == "FAILED"
    assert run.error == row.reason | {"recovery": "reconfigure"}
    assert look_up(engine, run_attempt)[0].outcome == "failed"


def test_time_limit_is_an_outcome_of_its_own(engine: sa.Engine) -> None:
    """A run that was stopped by its time limit is told from one that failed by itself."""
    add_installation(engine)
    assert not _fail(engine, _begin(engine), DeadlineError("too long"))
    assert look_up(engine, run_attempt)[0].outcome == "timed_out"
    assert look_at(engine).failures_in_a_row == 1


def test_save_during_a_run_counts_more_than_the_run(engine: sa.Engine) -> None:
    """What a run that began before a save finds out says nothing of the installation as it was saved."""
    add_installation(engine)
    saved = {"version": 2, "next_run_at": rfc3339(LATER), "checkpoint": b"of older records"}
    claimed = _begin(engine)
    _change(engine, saved)
    assert not _fail(engine, claimed, TokenRejectedError("the old token"))
    row = look_at(engine)
    assert (row.status, row.next_run_at, row.failures_in_a_row) == ("CONNECTED", rfc3339(LATER), 0)
    claimed = _begin(engine)
    _change(engine, {**saved, "version": 3})
    _complete(engine, claimed, checkpoint=b"of the old settings")
    assert (look_at(engine).checkpoint, look_at(engine).next_run_at) == (None, rfc3339(LATER))


def test_no_clock_tells_what_was_saved_since(engine: sa.Engine) -> None:
    """A save by a machine whose clock is behind the worker's counts, and one that was before the claim does not."""
    add_installation(engine, updated_at=rfc3339(LATER + timedelta(days=1)))
    _complete(engine, _begin(engine), checkpoint=b"here")
    assert (look_at(engine).checkpoint, look_at(engine).checkpoint_number) == (b"here", 1)
    claimed = _begin(engine)
    _change(engine, {"version": 2, "updated_at": rfc3339(START - timedelta(days=1)), "checkpoint": None})
    _complete(engine, claimed, checkpoint=b"of the old settings")
    assert look_at(engine).checkpoint is None


def test_runs_by_hand_lengthen_no_interval(engine: sa.Engine) -> None:
    """Four runs by hand that find nothing leave the next one where it is; one that finds much calls for more."""
    add_installation(engine, interval_seconds=1200)
    for _ in range(4):
        _complete(engine, _begin(engine, trigger="manual"), changes=0)
    assert look_at(engine).interval_seconds == 1200
    assert look_at(engine).next_run_at == rfc3339(LATER + timedelta(seconds=1200))
    _complete(engine, _begin(engine), changes=0)
    assert look_at(engine).interval_seconds == 2400
    _complete(engine, _begin(engine, trigger="manual"), changes=5)
    assert look_at(engine).interval_seconds == 1200
    due = look_at(engine).next_run_at
    for failures in range(1, 5):
        _fail(engine, _begin(engine, trigger="manual"), ServerUnavailableError("503"))
        row = look_at(engine)
        assert (row.interval_seconds, row.next_run_at, row.failures_in_a_row) == (1200, due, failures)


def test_closed_run_is_failed_whether_it_was_begun_or_not(engine: sa.Engine) -> None:
    """Closing from outside ends what waits and what is under way, and leaves what ended as it is."""
    add_installation(engine)
    waiting = _request(engine)
    assert waiting is not None
    assert _close(engine, waiting)
    assert runs.claim(engine, waiting, 1, "w1", LATER) is None
    claimed = _begin(engine)
    assert _close(engine, claimed.id)
    assert not _close(engine, claimed.id)
    assert not _close(engine, "none")
    with pytest.raises(RunLostError):
        _complete(engine, claimed)
    assert look_up(engine, run_attempt)[0].outcome == "cancelled"
    assert {row.error["code"] for row in look_up(engine, sync_run)} == {"disconnected"}


def test_run_that_takes_its_workers_down_is_closed(engine: sa.Engine) -> None:
    """After five lost workers a run is failed and tried later; workers that were stopped in order do not count."""
    add_installation(engine)
    run_id = _begin(engine).id
    outcomes: list[Outcome] = ["lost", "cancelled", "lost", "lost", "cancelled", "lost", "lost"]
    for attempt, outcome in enumerate(outcomes, 1):
        if attempt > 1:
            assert runs.claim(engine, run_id, attempt, "w", START) is not None
        assert runs.give_back(engine, run_id, attempt, LATER, outcome=outcome)
    (run,) = look_up(engine, sync_run)
    assert (run.status, run.error["code"], run.error["recovery"]) == ("FAILED", "run_lost", "retry")
    assert (look_at(engine).status, look_at(engine).failures_in_a_row) == ("CONNECTED", 1)


def test_attempt_that_the_engine_lost_is_made_anew(engine: sa.Engine) -> None:
    """A run that waits gets a new attempt once; one that is under way is left alone."""
    add_installation(engine)
    run_id = _request(engine)
    assert run_id is not None
    assert runs.renew_attempt(engine, run_id, 1)
    assert not runs.renew_attempt(engine, run_id, 1)
    assert runs.claim(engine, run_id, 2, "w1", START) is not None
    assert not runs.renew_attempt(engine, run_id, 2)


def test_runs_are_listed_newest_first_and_paged(engine: sa.Engine) -> None:
    """Each run is on one page, whatever is asked for, and an unknown page is said to be unknown."""
    add_installation(engine)
    add_installation(engine, "two")
    for n in range(5):
        for installation_id in ("one", "two"):
            _complete(engine, _begin(engine, installation_id, now=START + timedelta(minutes=n)))
    with reading(engine) as held:
        seen, page = [], runs.list_runs(held, limit=3)
        while page:
            seen += page
            page = runs.list_runs(held, before=page[-1].id, limit=3)
        assert len({run.id for run in seen}) == len(seen) == 10
        assert [run.number for run in seen] == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
        assert [run.number for run in runs.list_runs(held, "two")] == [5, 4, 3, 2, 1]
        assert runs.list_runs(held, status="FAILED") == []
        assert "installationId" in msgspec.to_builtins(seen[0])
        with pytest.raises(UnknownRecordError):
            runs.list_runs(held, before="none")
        with pytest.raises(UnknownRecordError):
            runs.get_run(held, "none")


def _request(engine: sa.Engine, installation_id: str = "one", trigger: Trigger = "schedule") -> str | None:
    with transaction(engine) as held:
        return runs.request_run(held, installation_id, trigger, START)


def _begin(
    engine: sa.Engine,
    installation_id: str = "one",
    *,
    worker: str = "w1",
    trigger: Trigger = "schedule",
    now: datetime = START,
) -> ClaimedRun:
    with transaction(engine) as held:
        run_id = runs.request_run(held, installation_id, trigger, now)
    assert run_id is not None
    claimed = runs.claim(engine, run_id, 1, worker, now)
    assert claimed is not None
    return claimed


def _complete(engine: sa.Engine, claimed: ClaimedRun, *, checkpoint: bytes | None = b"here", changes: int = 1) -> None:
    with transaction(engine) as held:
        runs.complete_run(held, claimed, {"delta_count": 7, "counts": {}}, LATER)
        runs.settle_installation(held, claimed, checkpoint=checkpoint, changes=changes, now=LATER)


def _fail(engine: sa.Engine, claimed: ClaimedRun, error: IntegrationError) -> bool:
    with transaction(engine) as held:
        return runs.fail_run(held, claimed, error, LATER)


def _close(engine: sa.Engine, run_id: str) -> bool:
    with transaction(engine) as held:
        return runs.close_run(held, run_id, DisconnectedError("disconnected"), LATER)


def _change(engine: sa.Engine, values: dict[str, Any]) -> None:
    with transaction(engine) as held:
        held.execute(sa.update(installation).values(**values))


def _everything(engine: sa.Engine) -> list[Any]:
    return [look_up(engine, table) for table in (installation, sync_run, run_attempt)]
