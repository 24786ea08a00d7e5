"""What an operator is asked: the records that a run would remove or replace, to be confirmed or dismissed."""

from typing import Final

from starlette.responses import Response

from openlane_authentik.host import attention
from openlane_authentik.host.installations import get_installation
from openlane_authentik.host.web.api import find_attention
from openlane_authentik.host.web.lines import display_names
from openlane_authentik.host.web.pages.installations import provider_name
from openlane_authentik.host.web.shapes import CandidatesQuery
from openlane_authentik.host.web.views import Page, View

_PATH: Final = "/installations/{installationId}/attention/{attentionId}"


def _show(view: View) -> Response:
    host, query = view.host, view.query(CandidatesQuery)
    installation = get_installation(host, view.path["installationId"])
    asked = find_attention(host, installation.id, view.path["attentionId"])
    begin = int(query.after)
    items = attention.list_candidates(host, installation.id, asked.id, offset=begin, limit=query.limit)
    end = begin + len(items)
    names = display_names(host, installation.id, ((one.external_id, one.group_id) for one in items))
    return view.render(
        "attention.html",
        installation=installation,
        provider=provider_name(host, installation.definition_id),
        asked=asked,
        items=items,
        names=names,
        begin=begin,
        next=str(end) if items and end < asked.records else None,
    )


def _confirm(view: View) -> Response:
    decided = attention.confirm(view.host, view.path["installationId"], view.path["attentionId"])
    view.site.wake()
    return view.redirect(f"/installations/{decided.installation_id}", "confirmed")


def _dismiss(view: View) -> Response:
    decided = attention.dismiss(view.host, view.path["installationId"], view.path["attentionId"])
    return view.redirect(f"/installations/{decided.installation_id}", "dismissed")


PAGES: Final = (
    Page("GET", _PATH, _show),
    Page("POST", f"{_PATH}/confirm", _confirm),
    Page("POST", f"{_PATH}/dismiss", _dismiss),
)
