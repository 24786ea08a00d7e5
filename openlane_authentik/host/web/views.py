"""What every page goes through: session, same-site check, form token, and failures as pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from openlane_authentik.host.host import Host
from openlane_authentik.host.web.auth import Bearer
from openlane_authentik.host.web.problems import (
    UNKNOWN,
    Problem,
    headers_of,
    known,
    log_unknown,
    problem_of,
    status_of,
)
from openlane_authentik.host.web.rendering import NOTICES, Renderer
from openlane_authentik.host.web.requests import Shape, read_form, read_path, read_query
from openlane_authentik.host.web.routes import run
from openlane_authentik.host.web.sessions import FORM_TOKEN, Sessions, check_same_site

_SEE_OTHER: Final = 303
_NOTICE: Final = "notice"


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages share."""

    host: Host
    bearer: Bearer
    sessions: Sessions
    renderer: Renderer
    wake: Callable[[], None]


@dataclass(frozen=True, slots=True)
class View:
    """One request of a browser.

    Attributes:
        site: What all pages share.
        request: The request.
        session: The id of the session; None where none is needed.
        path: What the path names.
        form: What was sent.
    """

    site: Site
    request: Request
    session: str | None
    path: Mapping[str, str]
    form: Mapping[str, str] = field(repr=False)

    @property
    def host(self) -> Host:
        """The host."""
        return self.site.host

    def query(self, shape: type[Shape]) -> Shape:
        """Return the query, in which empty fields are not there.

        Raises:
            InvalidRequestError: See ``read_query``.
        """
        return read_query(self.request, shape, of_form=True)

    def render(self, template: str, status: int = 200, **context: Any) -> Response:
        """Answer with a page."""
        return _render(self.site, template, status, session=self.session, request=self.request, **context)

    def redirect(self, path: str, notice: str | None = None) -> Response:
        """Send the browser on, with something to say there."""
        query = f"?{urlencode({_NOTICE: notice})}" if notice else ""
        return RedirectResponse(f"{path}{query}", _SEE_OTHER)


@dataclass(frozen=True, slots=True)
class Page:
    """One method of one page.

    Attributes:
        handler: Gives the answer; a plain function runs in a thread, as it waits for the database.
        open: Whether it needs no session.
    """

    method: str
    path: str
    handler: Callable[[View], Any]
    open: bool = False


def page_route(page: Page, site: Site) -> Route:
    """Return the route of a page."""

    async def endpoint(request: Request) -> Response:
        session = None
        try:
            session = await run_in_threadpool(site.sessions.read, request)
            form: dict[str, str] = {}
            if page.method == "POST":
                check_same_site(request)
            if session is None and not page.open:
                return _to_login(request)
            if page.method == "POST":
                form = await read_form(request)
                if not page.open:
                    site.sessions.check_form(session or "", form)
                form.pop(FORM_TOKEN, None)
            answer = await run(page.handler, View(site, request, session, read_path(request), form))
        except Exception as error:  # noqa: BLE001 - it becomes a page, and is logged there
            return _failed(site, request, session, error)
        assert isinstance(answer, Response)  # noqa: S101 - the handlers are typed by their use only
        return answer

    return Route(page.path, endpoint, methods=[page.method])


def page_not_found(site: Site, status: int) -> Response:
    """Answer that there is no such page."""
    problem = Problem("not_found", "There is no such page.", "Go back to the list of installations.")
    return _render(site, "error.html", status, problem=problem, session=None, request=None)


def safe_path(text: str) -> str:
    """Return where to go after a login: a page of this host, whatever was asked for."""
    local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if local else "/"


def _to_login(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = f"?next={quote(here)}" if request.method == "GET" and here != "/" else ""
    return RedirectResponse(f"/login{wanted}", _SEE_OTHER)


def _failed(site: Site, request: Request, session: str | None, error: Exception) -> Response:
    told = known(error)
    if told is None:
        log_unknown(error)
        problem, status = UNKNOWN, 500
    else:
        problem, status = problem_of(told), status_of(told)
    answer = _render(site, "error.html", status, problem=problem, session=session, request=request)
    answer.headers.update(headers_of(error))
    return answer


def _render(
    site: Site, template: str, status: int, *, session: str | None, request: Request | None, **context: Any
) -> Response:
    notice = NOTICES.get(request.query_params.get(_NOTICE, "")) if request is not None else None
    shared = {
        "signed_in": session is not None,
        "form_token": site.sessions.form_token(session) if session is not None else "",
        "notice": notice,
        "refresh": False,
        "here": request.url.path if request is not None else "/",
    }
    return HTMLResponse(site.renderer.render(template, shared | context), status)
