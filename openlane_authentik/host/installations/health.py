"""Health checks: what stands between an installation and a sync."""

import asyncio
from typing import Any

from openlane_authentik.errors import IntegrationError
from openlane_authentik.host.contract import HealthReport, Integration
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.errors import CollectionFailedError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations.credential import read_credential
from openlane_authentik.host.installations.views import Installation, get_installation
from openlane_authentik.remedies import Surface, retold


async def check_health(host: Host, installation_id: str) -> Installation:
    """Check an installation with its stored credential, and keep what was found.

    Its status is left as it is: only a save that passes makes an installation that needs a person work again.

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
    with transaction(host.database) as held:
        held.execute(
            installation.update()
            .where(installation.c.id == installation_id, installation.c.credential.is_not(None))
            .values(health=report, health_checked_at=host.now())
        )
