"""Installations: a directory that an organisation has connected, from its first save until its disconnect."""

from openlane_authentik.host.installations.credential import read_credential
from openlane_authentik.host.installations.ending import disconnect
from openlane_authentik.host.installations.health import check_health
from openlane_authentik.host.installations.save import SaveRequest, save
from openlane_authentik.host.installations.views import (
    Installation,
    InstallationStatus,
    get_installation,
    list_installations,
)

__all__ = [
    "Installation",
    "InstallationStatus",
    "SaveRequest",
    "check_health",
    "disconnect",
    "get_installation",
    "list_installations",
    "read_credential",
    "save",
]
