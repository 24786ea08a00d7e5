"""Disconnect: nothing is collected any more, and the history stays."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from openlane_authentik.host import runs
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import attention, installation
from openlane_authentik.host.errors import DisconnectedError, UnknownProviderError, UnknownRecordError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations.primary import hold_organisation
from openlane_authentik.host.installations.views import Installation, InstallationStatus, view_within
from openlane_authentik.host.store.filter_copies import delete_copies
from openlane_authentik.log import get_logger

_log = get_logger()


def disconnect(host: Host, installation_id: str) -> Installation:
    """Delete the credential and the copy for previews, close what runs, and stop the schedule.

    Records, runs and change log are kept. To disconnect again changes nothing.

    Raises:
        UnknownRecordError: There is no such installation.
        DatabaseUnreachableError: See ``transaction``.
    """
    moment = host.clock.now()
    with transaction(host.database) as held:
        row = _locked(held, installation_id)
        if row.status != InstallationStatus.DISABLED:
            _end(held, row, _reason(host, row.definition_id), moment, host.now())
            _log.info("installation_disconnected", installation_id=installation_id)
        return view_within(held, installation_id)


def _locked(held: sa.Connection, installation_id: str) -> Any:
    """Return the installation, which nobody else changes from here on."""
    whose = held.scalar(sa.select(installation.c.organisation).where(installation.c.id == installation_id))
    if whose is None:
        raise UnknownRecordError(f"there is no installation {installation_id!r}")
    hold_organisation(held, whose)
    return held.execute(
        sa.select(installation).where(installation.c.id == installation_id).with_for_update(key_share=True)
    ).one()


def _end(held: sa.Connection, row: Any, reason: dict[str, str], moment: datetime, now: str) -> None:
    held.execute(
        installation.update()
        .where(installation.c.id == row.id)
        .values(
            status=InstallationStatus.DISABLED,
            reason=reason,
            credential=None,
            checkpoint=None,
            checkpoint_number=None,
            version=installation.c.version + 1,
            is_primary=False,
            failures_in_a_row=0,
            next_run_at=None,
            updated_at=now,
        )
    )
    delete_copies(held, row.id)
    if (run_id := runs.active_run(held, row.id)) is not None:
        runs.close_run(held, run_id, DisconnectedError("the installation was disconnected"), moment)
    held.execute(
        attention.update()
        .where(attention.c.installation_id == row.id, attention.c.status.in_(("open", "confirmed")))
        .values(status="dismissed", decided_at=now)
    )


def _reason(host: Host, definition_id: str) -> dict[str, str]:
    try:
        connections = host.providers.get(definition_id).connections
    except UnknownProviderError:
        # An integration that is gone must not keep its installations from being ended.
        connections = ()
    left_to_do = connections[0].disconnect.description if connections else "Delete the credential at the provider."
    return {
        "code": DisconnectedError.code,
        "message": "The installation was disconnected, and its stored credential deleted.",
        "remedy": left_to_do,
    }
