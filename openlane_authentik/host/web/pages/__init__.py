"""The pages, by what they are about."""

from typing import Final

from openlane_authentik.host.web.pages import attention, directory, installations, login, runs, settings
from openlane_authentik.host.web.views import Page

PAGES: Final[tuple[Page, ...]] = (
    *login.PAGES,
    *installations.PAGES,
    # /installations/new must be known before /installations/{installationId}.
    *settings.PAGES,
    *installations.PAGES_OF_ONE,
    *runs.PAGES,
    *attention.PAGES,
    *directory.PAGES,
)
