"""One run: what it read, what was proven, what it changed, and who worked on it."""

from typing import Final

from starlette.responses import Response

from openlane_authentik.host import runs
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.errors import UnknownRecordError
from openlane_authentik.host.installations import get_installation
from openlane_authentik.host.web.api_directory import changes
from openlane_authentik.host.web.lines import lines
from openlane_authentik.host.web.pages.installations import provider_name
from openlane_authentik.host.web.shapes import RunChangesQuery
from openlane_authentik.host.web.views import Page, View

_REFRESH_SECONDS: Final = 3


def _show(view: View) -> Response:
    host, query = view.host, view.query(RunChangesQuery)
    installation = get_installation(host, view.path["installationId"])
    with reading(host.database) as held:
        run = runs.get_run(held, view.path["runId"])
    if run.installation_id != installation.id:
        raise UnknownRecordError("the installation has no such run")
    page = changes(host, installation.id, query, run_id=run.id)
    return view.render(
        "run.html",
        installation=installation,
        provider=provider_name(host, installation.definition_id),
        run=run,
        lines=lines(host, installation.id, page.items),
        next=page.next,
        refresh=run.status in runs.ACTIVE and query.after is None and _REFRESH_SECONDS,
    )


PAGES: Final = (Page("GET", "/installations/{installationId}/runs/{runId}", _show),)
