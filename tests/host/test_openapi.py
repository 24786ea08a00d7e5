"""The OpenAPI document: made from the routes, so that neither can say what the other does not."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from openlane_authentik.host.host import Host
from openlane_authentik.host.web import create_app
from openlane_authentik.host.web.pages import PAGES
from tests.host.web_support import API_TOKEN, Web, serving
from tests.support import NO_TRUST

pytestmark = pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)


@pytest.fixture
def web(host: Host) -> Iterator[Web]:
    """Serve the host."""
    with serving(host) as served:
        yield served


def _document(web: Web) -> dict[str, Any]:
    answer = httpx.get(f"{web.url}/openapi.json", verify=NO_TRUST)
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def test_the_document_is_valid(web: Web) -> None:
    """It is OpenAPI 3.1 by the specification's own schema, and every reference leads somewhere."""
    OpenAPIV31SpecValidator(_document(web)).validate()


def test_every_route_is_in_the_document(web: Web) -> None:
    """What the router serves and the document tells are the same, but for the pages, which are for people."""
    pages = {(page.method, page.path) for page in PAGES}
    served = {
        (method, route.path)
        for route in create_app(web.host, api_token=API_TOKEN).routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    told = {(method.upper(), path) for path, operations in _document(web)["paths"].items() for method in operations}
    assert pages <= served
    assert told == served - pages


def test_what_needs_no_token_is_told(web: Web) -> None:
    """Only the probe and the document itself are open, and the document says so."""
    operations = [operation for path in _document(web)["paths"].values() for operation in path.values()]
    assert {one["operationId"] for one in operations if one.get("security") == []} == {"getHealth", "getOpenApi"}
    assert all("401" in one["responses"] for one in operations if one.get("security") != [])
    assert len({one["operationId"] for one in operations}) == len(operations)


def test_queries_and_bodies_are_told_with_their_limits(web: Web) -> None:
    """A generated client knows what may be asked: names, types, limits, and what must be there."""
    paths = _document(web)["paths"]
    asked = {one["name"]: one for one in paths["/v1/integrations/{installationId}/accounts"]["get"]["parameters"]}
    assert asked["installationId"]["required"] is True
    assert asked["asOf"]["required"] is False
    assert re.search(asked["asOf"]["schema"]["pattern"], "2026-08-31")
    assert asked["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
    body = paths["/v1/integrations/{definitionId}/config"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["$ref"] == "#/components/schemas/SaveBody"
    run = paths["/v1/integrations/{installationId}/operations/run"]["post"]["responses"]
    assert {"200", "202"} <= run.keys()
