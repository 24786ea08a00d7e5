"""By which names this host is asked: a page of another site cannot reach it by a name that leads here by DNS."""

import ipaddress
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from openlane_authentik.addresses import host_of
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.errors import MisdirectedError
from openlane_authentik.host.web.problems import answer_error

# Load balancers ask for it by any name, and it tells nothing.
ASKED_BY_ANY_NAME: Final = ("/healthz",)


def allowed_hosts(settings: HostSettings) -> set[str]:
    """Return the names, in small letters; any address in numbers is allowed beside them, as DNS plays no part there."""
    named = [name.strip() for name in settings.allowed_hosts.split(",")]
    return {name.lower() for name in ("localhost", settings.listen_host, *named) if name}


class KnownHosts:
    """Refuses requests for another host.

    Args:
        app: What is asked.
        names: See ``allowed_hosts``.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http" and scope["path"] not in ASKED_BY_ANY_NAME:
            given = Headers(scope=scope).getlist("host")
            if len(given) != 1 or not self._knows(host_of(given[0])):
                answer = answer_error(MisdirectedError("the request's Host header is no name of this host"))
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _knows(self, name: str) -> bool:
        try:
            ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
        except ValueError:
            return name.lower() in self._names
        return True
