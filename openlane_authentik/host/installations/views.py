"""What is shown of an installation: everything but its credential and its checkpoint."""

from enum import StrEnum
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import installation, sync_run
from openlane_authentik.host.errors import UnknownRecordError
from openlane_authentik.host.host import Host
from openlane_authentik.host.runs.concerns import Concern, list_concerns


class InstallationStatus(StrEnum):
    """How it stands with an installation, in the words of the contract."""

    PENDING = "PENDING"
    CONNECTED = "CONNECTED"
    ERRORED = "ERRORED"
    DISABLED = "DISABLED"


class Installation(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """An installation.

    Attributes:
        instance_id: Which directory it is.
        reason: Why it is ERRORED or DISABLED: ``code``, ``message`` and ``remedy``.
        credential_stored: Whether there is a credential; nothing ever shows it.
        metadata: What the integration tells of it.
        health: Of the last health check: ``status``, ``exitCode`` and ``checks``.
        frequency_seconds: None is the adaptive rule, which stands at ``interval_seconds``.
        next_run_at: None when nothing is scheduled.
        breaker_share, breaker_least: Above which part of a set, and how many at least, removals and replaced accounts
            need a person.
        keep_filter_copy: Whether a copy is kept to preview filters on.
        filter_warnings: What is worth telling of its filter: ``code`` and ``message``.
        concerns: What of its runs needs somebody, beside what the breaker asks.
    """

    id: str
    organisation: str
    definition_id: str
    instance_id: str
    name: str
    status: InstallationStatus
    reason: dict[str, Any] | None
    credential_stored: bool
    user_input: dict[str, Any]
    config: dict[str, Any]
    metadata: dict[str, Any]
    health: dict[str, Any] | None
    health_checked_at: str | None
    is_primary: bool
    frequency_seconds: int | None
    timeout_seconds: int
    interval_seconds: int
    failures_in_a_row: int
    next_run_at: str | None
    breaker_share: float
    breaker_least: int
    keep_filter_copy: bool
    filter_warnings: list[dict[str, Any]]
    concerns: list[Concern]
    created_at: str
    updated_at: str


_INNER: Final = frozenset({"credential", "checkpoint", "checkpoint_number", "version"})
_SHOWN: Final = sa.select(
    *(column for column in installation.c if column.name not in _INNER),
    installation.c.credential.is_not(None).label("credential_stored"),
)


def list_installations(host: Host, organisation: str | None = None) -> list[Installation]:
    """Return the installations, the oldest first; of one organisation if it is given."""
    query = _SHOWN.order_by(installation.c.created_at, installation.c.id)
    if organisation is not None:
        query = query.where(installation.c.organisation == organisation)
    with reading(host.database) as held:
        return [_view(held, row) for row in held.execute(query).all()]


def get_installation(host: Host, installation_id: str) -> Installation:
    """Return one installation.

    Raises:
        UnknownRecordError: There is none of this id.
    """
    with reading(host.database) as held:
        return view_within(held, installation_id)


def view_within(held: sa.Connection, installation_id: str) -> Installation:
    """Return one installation as it is in a transaction.

    Raises:
        UnknownRecordError: There is none of this id.
    """
    row = held.execute(_SHOWN.where(installation.c.id == installation_id)).one_or_none()
    if row is None:
        raise UnknownRecordError(f"there is no installation {installation_id!r}")
    return _view(held, row)


def status_by_history(held: sa.Connection, installation_id: str) -> InstallationStatus:
    """Return what an installation is that nothing stands in the way of: CONNECTED once a run has ended well."""
    completed = sa.select(sync_run.c.id).where(
        sync_run.c.installation_id == installation_id, sync_run.c.status == "COMPLETED"
    )
    return InstallationStatus.CONNECTED if held.scalar(completed.limit(1)) else InstallationStatus.PENDING


def _view(held: sa.Connection, row: Any) -> Installation:
    values = row._asdict()
    status = InstallationStatus(values["status"])
    concerns = list_concerns(held, row.id) if status is not InstallationStatus.DISABLED else []
    return Installation(**{**values, "status": status, "concerns": concerns})
