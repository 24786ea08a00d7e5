"""Health checks: what stands between an installation and a sync."""

import asyncio
from typing import Any

import sqlalchemy as sa

from openlane_authentik.errors import IntegrationError
from openlane_authentik.host.contract import HealthReport, Integration
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.errors import CollectionFailedError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations.credential import read_credential
from openlane_authentik.host.installations.views import (
    Installation,
    InstallationStatus,
    get_installation,
    status_by_history,
)
from openlane_authentik.remedies import Surface, retold


async def check_health(host: Host, installation_id: str) -> Installation:
    """Check an installation with its stored credential, and keep what was found.

    One that was stopped by an error runs again at once when the check passes: what stood in its way is gone.

    Raises:
        UnknownRecordError: There is no such installation.
        DisconnectedError: It has no credential.
        UnknownProviderError: Its integration is no longer installed.
        IntegrationError: The check could not be made.
    """
    shown = await asyncio.to_thread(get_installation, host, installation_id)
    credential = await asyncio.to_thread(read_credential, host, installation_id)
    definition = host.providers.get(shown.definition_id)
    integration = definition.build(credential)
    report = await examine(integration, definition.parse_user_input(shown.user_input))
    await asyncio.to_thread(_store, host, installation_id, report)
    return await asyncio.to_thread(get_installation, host, installation_id)


async def examine(integration: Integration, user_input: Any) -> dict[str, Any]:
    """Run a health check; gives ``status``, ``exitCode`` and ``checks``, and no more of the token's account.

    Raises:
        IntegrationError: The check could not be made.
    """
    try:
        return _as_json(await integration.health_check(user_input))
    except IntegrationError:
        raise
    except Exception as error:
        # Its text is the integration's, and may tell anything.
        raise CollectionFailedError(f"the health check itself failed: {type(error).__name__}") from error


def _as_json(report: HealthReport) -> dict[str, Any]:
    checks = [
        {
            "check": str(check.check),
            "status": str(check.status),
            "code": check.code,
            "seen": check.seen,
            "remedy": retold(check.remedy, Surface.HOST),
        }
        for check in report.checks
    ]
    return {"status": str(report.status), "exitCode": report.exit_code, "checks": checks}


def _store(host: Host, installation_id: str, report: dict[str, Any]) -> None:
    now = host.now()
    with transaction(host.database) as held:
        mine = (installation.c.id == installation_id, installation.c.credential.is_not(None))
        held.execute(installation.update().where(*mine).values(health=report, health_checked_at=now))
        if report["exitCode"] == 0:
            again = {"reason": sa.null(), "failures_in_a_row": 0, "next_run_at": now}
            status = status_by_history(held, installation_id)
            stopped = installation.c.status == InstallationStatus.ERRORED
            held.execute(installation.update().where(*mine, stopped).values(status=status, **again))
