"""The ledger as it is shown."""

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import run_attempt, sync_run
from openlane_authentik.host.errors import UnknownRecordError
from openlane_authentik.host.runs.claims import ClaimedRun

_SHOWN: Final = sa.select(*(column for column in sync_run.c if column.name != "version"))


class Attempt(msgspec.Struct, frozen=True, rename="camel"):
    """One worker's attempt of a run; ``outcome`` is None while it is under way."""

    attempt: int
    worker_id: str
    started_at: str
    ended_at: str | None
    outcome: str | None


class Run(msgspec.Struct, frozen=True, rename="camel"):
    """One run; ``attempts`` only where a single run is asked for."""

    id: str
    installation_id: str
    number: int
    trigger: str
    status: str
    attempt: int
    worker_id: str | None
    requested_at: str
    started_at: str | None
    completed_at: str | None
    mode: str | None
    full_reason: str | None
    user_input: dict[str, Any] | None
    scope: str | None
    release: str | None
    exit_code: int | None
    full_count: int | None
    delta_count: int | None
    counts: dict[str, Any] | None
    sets: dict[str, Any] | None
    warnings: list[Any] | dict[str, Any] | None
    stats: dict[str, Any] | None
    error: dict[str, Any] | None
    attempts: tuple[Attempt, ...] | None = None


_PAGE: Final = 50


def get_run(held: sa.Connection, run_id: str) -> Run:
    """Return a run with its attempts.

    Raises:
        UnknownRecordError: There is no such run.
    """
    row = held.execute(_SHOWN.where(sync_run.c.id == run_id)).one_or_none()
    if row is None:
        raise UnknownRecordError("there is no such run")
    attempts = held.execute(
        sa.select(
            run_attempt.c.attempt,
            run_attempt.c.worker_id,
            run_attempt.c.started_at,
            run_attempt.c.ended_at,
            run_attempt.c.outcome,
        )
        .where(run_attempt.c.run_id == run_id)
        .order_by(run_attempt.c.attempt)
    )
    return Run(**row._mapping, attempts=tuple(Attempt(*attempt) for attempt in attempts))  # noqa: SLF001 - public, by SQLAlchemy's own word


def list_runs(
    held: sa.Connection,
    installation_id: str | None = None,
    *,
    status: str | None = None,
    before: str | None = None,
    limit: int = _PAGE,
) -> list[Run]:
    """Return runs, the newest first.

    Args:
        held: A connection.
        installation_id: Only this one's.
        status: Only those with it.
        before: Only those older than the run of this id, which is how one turns the page.
        limit: At most so many.
    """
    asked = _SHOWN.order_by(sync_run.c.requested_at.desc(), sync_run.c.number.desc(), sync_run.c.id)
    if installation_id is not None:
        asked = asked.where(sync_run.c.installation_id == installation_id)
    if status is not None:
        asked = asked.where(sync_run.c.status == status)
    if before is not None:
        last = held.execute(sa.select(sync_run).where(sync_run.c.id == before)).one_or_none()
        if last is None:
            raise UnknownRecordError("there is no such run")
        asked = asked.where(
            sa.or_(
                sync_run.c.requested_at < last.requested_at,
                sa.and_(
                    sync_run.c.requested_at == last.requested_at,
                    sa.or_(
                        sync_run.c.number < last.number,
                        sa.and_(sync_run.c.number == last.number, sync_run.c.id > last.id),
                    ),
                ),
            )
        )
    return [Run(**row._mapping) for row in held.execute(asked.limit(limit))]  # noqa: SLF001 - as above


def error_before(engine: sa.Engine, claimed: ClaimedRun) -> str | None:
    """Return the code of the error that the run before a claimed one ended with; None if it ended well."""
    before = sa.select(sync_run.c.error).where(
        sync_run.c.installation_id == claimed.installation_id, sync_run.c.number < claimed.number
    )
    with reading(engine) as held:
        error = held.scalar(before.order_by(sync_run.c.number.desc()).limit(1))
    return None if error is None else str(error["code"])
