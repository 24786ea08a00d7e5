"""Tell people that an installation needs them: a line in the log, and a webhook if one is set."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from openlane_authentik.errors import ProxySettingError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations.views import Installation
from openlane_authentik.log import get_logger
from openlane_authentik.proxies import find_proxy

_SECONDS: Final = 5.0
_log = get_logger()


def notify(host: Host, event: str, installation: Installation, reason: Mapping[str, Any]) -> None:
    """Tell of an installation; never raises, as nothing depends on somebody hearing it.

    Args:
        host: Whose webhook is called.
        event: Stable, for example ``installation_errored``.
        installation: Which one.
        reason: ``{code, message, remedy}``.
    """
    about = {"id": installation.id, "organisation": installation.organisation, "name": installation.name}
    _log.warning("notified", notification=event, installation_id=installation.id, reason=dict(reason))
    if host.settings.webhook_url is None:
        return
    body = {
        "event": event,
        "at": host.now(),
        "installation": {**about, "definitionId": installation.definition_id, "status": installation.status},
        "reason": dict(reason),
    }
    try:
        answer = _post(httpx.URL(host.settings.webhook_url.get_secret_value()), body)
    except (httpx.HTTPError, OSError, ValueError, ProxySettingError) as error:
        # A ValueError is a name too long for DNS. Any text would tell the address, which may carry a secret.
        _log.error("webhook_failed", notification=event, installation_id=installation.id, error=type(error).__name__)
        return
    if not answer.is_success:
        _log.error("webhook_failed", notification=event, installation_id=installation.id, status=answer.status_code)


def _post(url: httpx.URL, body: Mapping[str, Any]) -> httpx.Response:
    proxy = find_proxy(url)
    return httpx.post(
        url,
        json=body,
        timeout=_SECONDS,
        proxy=proxy.proxy if proxy else None,
        # The client would look for a proxy by rules of its own; certificates of the environment it is given.
        trust_env=False,
        verify=httpx.create_ssl_context(),
    )
