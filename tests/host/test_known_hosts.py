"""By which names the host is asked."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.host import Host
from tests.host.web_support import API_TOKEN, Web, error_of, serving
from tests.support import NO_TRUST

pytestmark = pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)


@pytest.fixture
def web(host: Host, settings: HostSettings) -> Iterator[Web]:
    """Serve a host that listens everywhere and has two names."""
    update = {"listen_host": "0.0.0.0", "allowed_hosts": "host.example.com, Intern"}  # noqa: S104 - it does not listen
    with serving(replace(host, settings=settings.model_copy(update=update))) as served:
        yield served


def _ask(web: Web, path: str, name: str) -> httpx.Response:
    return httpx.get(
        f"{web.url}{path}", headers={"Host": name, "Authorization": f"Bearer {API_TOKEN}"}, verify=NO_TRUST
    )


@pytest.mark.parametrize(
    "name",
    ["localhost", "LOCALHOST:1", "127.0.0.1:8790", "[::1]:8790", "[::1]", "192.0.2.7", "host.example.com", "intern:80"],
)
def test_its_own_names_are_answered(web: Web, name: str) -> None:
    """With any port: this machine, any address in numbers, and what the settings name."""
    assert _ask(web, "/v1/integrations", name).status_code == 200
    assert _ask(web, "/login", name).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "evil.example.test",
        "evil.example.test:8790",
        "host.example.com.evil.test",
        "127.0.0.1.evil.test",
        "",
        "a@localhost.test",
        "localhost.",
        "2130706433",
    ],
)
def test_another_name_is_refused(web: Web, name: str) -> None:
    """Else a page of another site could reach this host by a name of its own that leads here; 421 on every path."""
    for path in ("/v1/integrations", "/login", "/static/style.css", "/metrics", "/openapi.json", "/"):
        assert error_of(_ask(web, path, name), 421)["code"] == "host_unknown"


def test_a_probe_may_ask_by_any_name(web: Web) -> None:
    """A load balancer asks for the health by the name that it knows, which tells nothing."""
    assert _ask(web, "/healthz", "evil.example.test").status_code == 200
