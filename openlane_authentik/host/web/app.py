"""The whole application: API, pages, metrics and probe, on one host."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from openlane_authentik.host.host import Host
from openlane_authentik.host.web import api, api_directory, health, metrics
from openlane_authentik.host.web.auth import Bearer
from openlane_authentik.host.web.headers import SafeHeaders
from openlane_authentik.host.web.hosts import KnownHosts, allowed_hosts
from openlane_authentik.host.web.openapi import document
from openlane_authentik.host.web.pages import PAGES
from openlane_authentik.host.web.problems import LastResort, answer_problem, problem_of_http
from openlane_authentik.host.web.rendering import Renderer
from openlane_authentik.host.web.routes import Answer, Call, Operation, route
from openlane_authentik.host.web.sessions import Sessions
from openlane_authentik.host.web.views import Site, page_not_found, page_route

_STATIC: Final = Path(__file__).parent / "static"
# What answers in JSON when there is nothing at an address; everything else is for a browser.
_FOR_PROGRAMS: Final = ("/v1/", "/metrics", "/healthz", "/openapi.json")


def _openapi(_call: Call) -> dict[str, Any]:
    return document(OPERATIONS)


OPERATIONS: Final[tuple[Operation, ...]] = (
    *api.OPERATIONS,
    *api_directory.OPERATIONS,
    health.OPERATION,
    metrics.OPERATION,
    Operation(
        method="GET",
        path="/openapi.json",
        name="getOpenApi",
        summary="This document.",
        handler=_openapi,
        answers={200: Answer("The document.", dict[str, Any])},
        open=True,
    ),
)


def create_app(host: Host, *, api_token: str, wake: Callable[[], None] | None = None) -> Starlette:
    """Compose the application.

    Args:
        host: What it shows and changes.
        api_token: See ``load_api_token``.
        wake: Tells an engine in this process to look for work now (``Engine.wake``); without it a worker finds what
            was asked for at its next tick.
    """
    bearer = Bearer(api_token)
    woken = wake or _asleep
    site = Site(host, bearer, Sessions(api_token, host), Renderer(host.clock), woken)

    async def nothing_there(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
        if request.url.path.startswith(_FOR_PROGRAMS):
            return answer_problem(problem_of_http(error), error.status_code)
        return page_not_found(site, error.status_code)

    return Starlette(
        routes=[
            *(route(operation, host, bearer, woken) for operation in OPERATIONS),
            *(page_route(page, site) for page in PAGES),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(LastResort),
            Middleware(KnownHosts, names=allowed_hosts(host.settings)),
        ],
        exception_handlers={HTTPException: nothing_there},
    )


def _asleep() -> None:
    """Nobody in this process is to be woken."""
