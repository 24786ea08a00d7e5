"""Which authentik it is."""

from typing import Any

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.releases import Release
from openlane_authentik.errors import NotAuthentikError


async def read_release(client: AuthentikClient) -> Release | None:
    """Read the server's release; any valid token may. None when it is in a form not known.

    Raises:
        NotAuthentikError: JSON came, but no version.
        IntegrationError: See ``AuthentikClient.get``.
    """
    return (await client.get("admin/version/", shape=_release)).data


def _release(data: Any) -> Release | None:
    match data:
        case {"version_current": str(text)}:
            return Release.parse(text)
        case _:
            raise NotAuthentikError("admin/version/ answered JSON that is no version of authentik")
