"""A checkpoint belongs to the records it was made of: it is stored with the number of their run, or not at all."""

import asyncio
from typing import Any

import pytest

from openlane_authentik import Schema
from openlane_authentik.errors import TokenRejectedError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import check_health
from tests.host.in_process import stored, sync_now
from tests.host.scripted import save_scripted, scripted
from tests.host.support import checkpoint_of, put, row_of


def check_now(host: Host, installation_id: str) -> None:
    """Check an installation, as a person would."""
    asyncio.run(check_health(host, installation_id))


@pytest.mark.parametrize("request_", [{}, {"frequency_seconds": 600}, {"user_input": {"filterExpr": "true"}}])
def test_a_save_during_a_run_leaves_no_checkpoint_of_other_records(host: Host, request_: dict[str, Any]) -> None:
    """Whatever is saved while a run is under way, its records are taken over and the next run reads everything."""
    opened, script, saved = scripted(host)
    script.people(5)
    sync_now(opened, saved.id)
    assert checkpoint_of(opened, saved.id) == b"here"
    script.accounts["new"] = {"display_name": "New"}
    script.checkpoint = b"newer"
    script.meanwhile = lambda: save_scripted(opened, saved.id, **request_)
    sync_now(opened, saved.id)
    script.meanwhile = None
    assert ("new", "") in stored(opened, saved.id)[Schema.ACCOUNT]
    assert row_of(opened, saved.id).checkpoint is None
    sync_now(opened, saved.id)
    assert script.seen == [None, b"here", None]
    assert row_of(opened, saved.id).checkpoint_number == 3


def test_a_checkpoint_beside_other_records_is_not_used(host: Host) -> None:
    """One that is of an older run than the records, as after a repair by hand, is as good as none."""
    opened, script, saved = scripted(host)
    script.people(3)
    for _ in range(2):
        sync_now(opened, saved.id)
    put(opened, saved.id, checkpoint_number=1)
    assert checkpoint_of(opened, saved.id) is None
    put(opened, saved.id, checkpoint_number=2)
    assert checkpoint_of(opened, saved.id) == b"here"
    # One that failed changed no record.
    script.error = OSError()
    sync_now(opened, saved.id)
    assert checkpoint_of(opened, saved.id) == b"here"


def test_one_odd_refusal_stops_no_schedule(host: Host) -> None:
    """A refusal that a health check does not confirm is tried again; a second one in a row stops the schedule."""
    opened, script, saved = scripted(host)
    script.people(3)
    sync_now(opened, saved.id)
    script.error = TokenRejectedError("authentik refused the token")
    run = sync_now(opened, saved.id)
    assert run.error is not None
    assert (run.error["code"], run.error["recovery"]) == ("refusal_unconfirmed", "retry")
    row = row_of(opened, saved.id)
    assert (row.status, row.next_run_at is None) == ("CONNECTED", False)
    run = sync_now(opened, saved.id)
    assert run.error is not None
    assert run.error["code"] == "token_rejected"
    assert (row_of(opened, saved.id).status, row_of(opened, saved.id).next_run_at) == ("ERRORED", None)


def test_a_refusal_that_the_health_check_finds_too_stops_the_schedule_at_once(host: Host) -> None:
    """What is really refused is told at once; a check that passes later starts the schedule again."""
    opened, script, saved = scripted(host)
    script.people(3)
    sync_now(opened, saved.id)
    script.error = TokenRejectedError("authentik refused the token")
    script.healthy = False
    sync_now(opened, saved.id)
    assert row_of(opened, saved.id).status == "ERRORED"
    check_now(opened, saved.id)
    assert row_of(opened, saved.id).status == "ERRORED"
    script.error, script.healthy = None, True
    check_now(opened, saved.id)
    row = row_of(opened, saved.id)
    assert (row.status, row.reason, row.failures_in_a_row, row.next_run_at) == ("CONNECTED", None, 0, opened.now())
    assert sync_now(opened, saved.id).status == "COMPLETED"
