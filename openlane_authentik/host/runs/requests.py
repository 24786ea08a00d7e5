"""Ask for a run: at most one an installation is active, whoever asks and from wherever."""

import secrets
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.database.connections import insert
from openlane_authentik.host.database.tables import installation, sync_run
from openlane_authentik.host.errors import ConflictError, UnknownRecordError
from openlane_authentik.host.runs.claims import ACTIVE, SCHEDULE

Trigger = Literal["schedule", "manual", "save"]
_STOPPED: Final = {
    "ERRORED": "the installation has an error: correct what its reason says, and check or save it, which runs it again",
    "DISABLED": "the installation is disconnected: save it with a credential, which connects and runs it again",
}


def request_run(held: sa.Connection, installation_id: str, trigger: Trigger, now: datetime) -> str | None:
    """Put a run on the list, where a worker finds it.

    Returns:
        Its id; None when one is active already, or when a schedule asks for an installation that was stopped.

    Raises:
        UnknownRecordError: There is no such installation.
        ConflictError: A person asks for an installation that was stopped; the message says what to do.
    """
    # Looked at before the lock: a run that is just being taken over holds its installation for long.
    if active_run(held, installation_id) is not None:
        return None
    status = held.scalar(
        sa.select(installation.c.status)
        .where(installation.c.id == installation_id)
        .with_for_update(key_share=True)  # so that it cannot be disconnected meanwhile
    )
    if status is None:
        raise UnknownRecordError("there is no such installation")
    if status in _STOPPED:
        if trigger == SCHEDULE:
            return None
        raise ConflictError(_STOPPED[status])
    run_id = secrets.token_hex(8)
    number = held.scalar(sa.select(sa.func.max(sync_run.c.number)).where(sync_run.c.installation_id == installation_id))
    added: str | None = held.scalar(
        insert(held, sync_run)
        .values(
            id=run_id,
            installation_id=installation_id,
            number=(number or 0) + 1,
            trigger=trigger,
            status="PENDING",
            attempt=1,
            requested_at=rfc3339(now),
        )
        .on_conflict_do_nothing()  # the index of active runs is the guard
        .returning(sync_run.c.id)
    )
    return added


def active_run(held: sa.Connection, installation_id: str) -> str | None:
    """Return the id of the run that waits or is under way; None when there is none."""
    found: str | None = held.scalar(
        sa.select(sync_run.c.id).where(sync_run.c.installation_id == installation_id, sync_run.c.status.in_(ACTIVE))
    )
    return found
