"""What the API refuses: ids that there are not, and requests that are not of the shape they should be."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import Installation
from openlane_authentik.testing import Server
from tests.host.support import AUTHENTIK, ORGANISATION, connect_demo
from tests.host.web_support import error_of, run_now, serving


@pytest.fixture
def client(host: Host) -> Iterator[httpx.Client]:
    """Return a client that has the API token."""
    with serving(host) as web, web.client() as opened:
        yield opened


@pytest.fixture
def synced(host: Host, server: Server) -> Installation:
    """Connect the fake authentik and sync it once."""
    installation = connect_demo(host, server.url, server.fake.token("viewer"))
    run_now(host, installation.id)
    return installation


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/integrations/nope"),
        ("POST", "/v1/integrations/nope/disconnect"),
        ("GET", "/v1/integrations/nope/runs"),
        ("GET", "/v1/integrations/nope/accounts"),
        ("GET", "/v1/integrations/nope/groups"),
        ("GET", "/v1/integrations/nope/memberships"),
        ("GET", "/v1/integrations/nope/changes"),
        ("GET", "/v1/integrations/nope/export"),
        ("GET", "/v1/integrations/nope/attention"),
        ("GET", "/v1/integrations/nope/attention/nope"),
        ("POST", "/v1/integrations/nope/attention/nope/confirm"),
        ("POST", "/v1/integrations/nope/attention/nope/dismiss"),
        ("GET", "/v1/runs/nope"),
        ("GET", "/v1/runs/nope/changes"),
        ("GET", "/v1/nope"),
    ],
)
def test_unknown_ids_are_not_found(client: httpx.Client, method: str, path: str) -> None:
    """Each is a 404 in the one shape of errors, with what to do."""
    assert error_of(client.request(method, path), 404)["code"] == "not_found"


def test_unknown_ids_in_bodies_are_not_found(client: httpx.Client, server: Server) -> None:
    """The same of an unknown provider and of an unknown installation in a body."""
    body: dict[str, Any] = {"organisation": ORGANISATION, "credential": {"baseUrl": server.url, "token": "any-token"}}
    assert error_of(client.post("/v1/integrations/nope/config", json=body), 404)["code"] == "provider_unknown"
    path = f"/v1/integrations/{AUTHENTIK}/config"
    assert error_of(client.post(path, json={**body, "installationId": "nope"}), 404)["code"] == "not_found"
    assert error_of(client.delete("/v1/integrations"), 405)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", "no JSON"),
        (b"[]", "Expected `object`"),
        (b"{}", "organisation"),
        (b'{"organisation": ""}', "organisation"),
        (b'{"organisation": "o", "shedule": {}}', "shedule"),
        (b'{"organisation": "o", "schedule": {"frequencySeconds": 59}}', "schedule.frequencySeconds"),
        (b'{"organisation": "o", "schedule": {"timeoutSeconds": "soon"}}', "schedule.timeoutSeconds"),
        (b'{"organisation": "o", "breaker": {"share": 1.5}}', "breaker.share"),
        (b'{"organisation": "o", "userInput": {"a": "\\u0000"}}', "userInput.a"),
        (b'{"organisation": "o", "userInput": ' + b'{"a":' * 90 + b"1" + b"}" * 90 + b"}", "userInput"),
        (b"[" * 100_000, "no JSON"),
        (b'{"organisation": "o", "credential": {"baseUrl": "https://a.test"}}', "credential: token missing"),
        (b'{"organisation": "o", "credential": {"baseUrl": "https://a.test", "token": 5}}', "credential.token"),
    ],
)
def test_a_bad_body_is_refused_with_its_place(client: httpx.Client, body: bytes, place: str) -> None:
    """What is wrong is named by its place and rule, before anything is asked of a provider."""
    error = error_of(client.post(f"/v1/integrations/{AUTHENTIK}/config", content=body), 422)
    assert error["code"] == "request_invalid"
    assert place in error["message"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=many",
        "limit=1&limit=2",
        "asOf=0",
        "asOf=99999999999999999999",
        "asOf=2026-02-30",
        "asOf=2026-08-31T12:00:00",
        "asOf=yesterday",
        "asOf=%D9%A1",
        "serach=x",
        "after=nonsense",
        "search=%00",
        "account=%00",
    ],
)
def test_a_bad_query_is_refused(client: httpx.Client, synced: Installation, query: str) -> None:
    """An unknown name is as wrong as a value out of its range: it may be a misspelt one."""
    error = error_of(client.get(f"/v1/integrations/{synced.id}/accounts?{query}"), 422)
    assert error["code"] == "request_invalid"


def test_a_run_that_never_was_is_not_found(client: httpx.Client, synced: Installation) -> None:
    """As of a run means one there was."""
    answer = client.get(f"/v1/integrations/{synced.id}/accounts", params={"asOf": 7})
    assert "no run 7" in error_of(answer, 404)["message"]
