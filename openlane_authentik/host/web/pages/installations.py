"""The list of installations, and what one of them looks like."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from starlette.responses import Response

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host import attention, runs
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import attention as questions
from openlane_authentik.host.errors import UnknownProviderError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import (
    Installation,
    check_health,
    disconnect,
    get_installation,
    list_installations,
)
from openlane_authentik.host.runs import Run
from openlane_authentik.host.store.breaker import OPEN
from openlane_authentik.host.store.history import directory
from openlane_authentik.host.web.api import ask_for_sync
from openlane_authentik.host.web.shapes import After, Asked
from openlane_authentik.host.web.views import Page, View

_RUNS: Final = 15
_REFRESH_SECONDS: Final = 3
_KINDS: Final = {"accounts": Schema.ACCOUNT, "groups": Schema.GROUP, "memberships": Schema.MEMBERSHIP}


class RunsQuery(Asked, frozen=True):
    """Which of an installation's runs are shown."""

    after: After | None = None
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """A line of the list."""

    installation: Installation
    provider: str
    last: Run | None
    ended: Run | None
    questions: int


def provider_name(host: Host, definition_id: str) -> str:
    """Return the name of an integration, which may be installed no more."""
    try:
        return host.providers.get(definition_id).spec.display_name
    except UnknownProviderError:
        return definition_id


def _list(view: View) -> Response:
    host = view.host
    listed = list_installations(host)
    with reading(host.database) as held:
        last = {one.id: next(iter(runs.list_runs(held, one.id, limit=1)), None) for one in listed}
        ended = {one.id: _newest_that_ended(held, one.id) for one in listed}
        columns = questions.c
        asked = held.execute(
            sa.select(columns.installation_id, sa.func.count().label("many"))
            .where(columns.status == OPEN)
            .group_by(columns.installation_id)
        )
        open_questions = {row.installation_id: int(row.many) for row in asked}
    lines = [
        Overview(
            one, provider_name(host, one.definition_id), last[one.id], ended[one.id], open_questions.get(one.id, 0)
        )
        for one in listed
    ]
    refresh = any(run is not None and run.status in runs.ACTIVE for run in last.values())
    return view.render("installations.html", lines=lines, refresh=refresh and _REFRESH_SECONDS)


def _show(view: View) -> Response:
    host, query = view.host, view.query(RunsQuery)
    shown = get_installation(host, view.path["installationId"])
    asked = attention.list_attention(host, shown.id)
    with reading(host.database) as held:
        found = runs.list_runs(held, shown.id, before=query.after, limit=_RUNS + 1)
        active = runs.active_run(held, shown.id)
        completed = runs.list_runs(held, shown.id, status="COMPLETED", limit=1)
        last = _newest_that_ended(held, shown.id)
        counts = {
            name: held.scalar(sa.select(sa.func.count()).select_from(directory(schema, shown.id)))
            for name, schema in _KINDS.items()
        }
    page = found[:_RUNS]
    return view.render(
        "installation.html",
        installation=shown,
        provider=provider_name(host, shown.definition_id),
        questions=asked,
        counts=counts,
        runs=page,
        older=page[-1].id if len(found) > _RUNS else None,
        active=active,
        last=last,
        completed=completed[0] if completed else None,
        refresh=active is not None and query.after is None and _REFRESH_SECONDS,
    )


def _newest_that_ended(held: sa.Connection, installation_id: str) -> Run | None:
    """Return the newest run that is over; only the newest of all can still be waiting or under way."""
    newest = runs.list_runs(held, installation_id, limit=2)
    return next((run for run in newest if run.status not in runs.ACTIVE), None)


def _sync(view: View) -> Response:
    asked = ask_for_sync(view.host, view.path["installationId"])
    view.site.wake()
    return view.redirect(f"/installations/{asked.installation_id}", "asked")


async def _check(view: View) -> Response:
    checked = await check_health(view.host, view.path["installationId"])
    return view.redirect(f"/installations/{checked.id}", "checked")


def _ask_to_disconnect(view: View) -> Response:
    shown = get_installation(view.host, view.path["installationId"])
    try:
        connections = view.host.providers.get(shown.definition_id).connections
    except UnknownProviderError:
        connections = ()
    told = connections[0].disconnect.description if connections else "Delete the credential at the provider."
    return view.render(
        "disconnect.html", installation=shown, provider=provider_name(view.host, shown.definition_id), told=told
    )


def _disconnect(view: View) -> Response:
    ended = disconnect(view.host, view.path["installationId"])
    return view.redirect(f"/installations/{ended.id}", "disconnected")


PAGES: Final = (Page("GET", "/", _list),)
PAGES_OF_ONE: Final = (
    Page("GET", "/installations/{installationId}", _show),
    Page("POST", "/installations/{installationId}/sync", _sync),
    Page("POST", "/installations/{installationId}/check", _check),
    Page("GET", "/installations/{installationId}/disconnect", _ask_to_disconnect),
    Page("POST", "/installations/{installationId}/disconnect", _disconnect),
)
