"""The ledger of runs: the host's own word on what ran, whatever the engine thinks of it."""

from openlane_authentik.host.runs.claims import (
    ACTIVE,
    ClaimedRun,
    Outcome,
    claim,
    find_claimed,
    hold,
    lock_installation,
    note_input,
    renew_attempt,
    wait_briefly,
)
from openlane_authentik.host.runs.endings import close_run, complete_run, fail_run, give_back, settle_installation
from openlane_authentik.host.runs.requests import Trigger, active_run, request_run
from openlane_authentik.host.runs.views import Attempt, Run, error_before, get_run, list_runs

__all__ = [
    "ACTIVE",
    "Attempt",
    "ClaimedRun",
    "Outcome",
    "Run",
    "Trigger",
    "active_run",
    "claim",
    "close_run",
    "complete_run",
    "error_before",
    "fail_run",
    "find_claimed",
    "get_run",
    "give_back",
    "hold",
    "list_runs",
    "lock_installation",
    "note_input",
    "renew_attempt",
    "request_run",
    "settle_installation",
    "wait_briefly",
]
