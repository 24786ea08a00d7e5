"""Login with the API token, and logout."""

from typing import Final

from starlette.responses import RedirectResponse, Response

from openlane_authentik.host.errors import UnauthorisedError
from openlane_authentik.host.web.views import Page, View, safe_path

_SEE_OTHER: Final = 303


def _form(view: View) -> Response:
    if view.session is not None:
        return view.redirect("/")
    return view.render("login.html", next=view.request.query_params.get("next", "/"), refused=False)


async def _login(view: View) -> Response:
    wanted = safe_path(view.form.get("next", "/"))
    try:
        view.site.bearer.admit(view.request, view.form.get("token", "").strip())
    except UnauthorisedError:
        return view.render("login.html", 401, next=wanted, refused=True)
    answer = RedirectResponse(wanted, _SEE_OTHER)
    view.site.sessions.begin(answer, secure=view.request.url.scheme == "https")
    return answer


def _logout(view: View) -> Response:
    answer = RedirectResponse("/login", _SEE_OTHER)
    if view.session is not None:
        view.site.sessions.end(view.session, answer)
    return answer


PAGES: Final = (
    Page("GET", "/login", _form, open=True),
    Page("POST", "/login", _login, open=True),
    Page("POST", "/logout", _logout),
)
