"""Figures for Prometheus and the health probe: computed from the database when they are asked for."""

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import disconnect
from openlane_authentik.host.scheduling.workers import beat
from openlane_authentik.testing import Server
from tests.host.support import connect_demo
from tests.host.web_support import Web, run_now, serving
from tests.support import NO_TRUST, SimulatedClock

Figures = dict[tuple[str, str], float]


@pytest.fixture
def web(host: Host) -> Iterator[Web]:
    """Serve the host."""
    with serving(host) as served:
        yield served


def _figures(web: Web) -> Figures:
    with web.client() as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_figures_of_an_empty_host(web: Web) -> None:
    """Every status is there from the start, so that an alert on it has something to look at."""
    figures = _figures(web)
    for status in ("PENDING", "CONNECTED", "ERRORED", "DISABLED"):
        assert figures["openlane_host_installations", status] == 0
    for status in ("PENDING", "RUNNING", "COMPLETED", "FAILED"):
        assert figures["openlane_host_runs", status] == 0
    assert figures["openlane_host_workers", ""] == 0


def test_figures_follow_the_database(web: Web, host: Host, server: Server, clock: SimulatedClock) -> None:
    """Installations, runs, changes and workers are counted; the age of the last complete run grows with time."""
    one = connect_demo(host, server.url, server.fake.token("viewer"))
    run = run_now(host, one.id)
    beat(host.database, "a-worker", clock)
    at_first = _figures(web)
    assert at_first["openlane_host_installations", "CONNECTED"] == 1
    assert at_first["openlane_host_runs", "COMPLETED"] == 1
    assert at_first["openlane_host_changes_total", one.id] == run.delta_count
    assert at_first["openlane_host_attention_open", one.id] == 0
    assert at_first["openlane_host_seconds_since_completed_run", one.id] == 0
    assert at_first["openlane_host_workers", ""] == 1
    clock.elapsed += 90
    assert _figures(web)["openlane_host_seconds_since_completed_run", one.id] == 90


def test_a_disconnected_installation_has_no_age(web: Web, host: Host, server: Server) -> None:
    """Nobody is woken because a directory that was disconnected on purpose is not synced any more."""
    one = connect_demo(host, server.url, server.fake.token("viewer"))
    run_now(host, one.id)
    disconnect(host, one.id)
    figures = _figures(web)
    assert figures["openlane_host_installations", "DISABLED"] == 1
    assert ("openlane_host_seconds_since_completed_run", one.id) not in figures


def test_open_questions_are_counted(web: Web, host: Host, server: Server) -> None:
    """What waits for an operator can raise an alert."""
    people = list(server.fake.directory.users)
    one = connect_demo(host, server.url, server.fake.token("viewer"), breaker_share=0.1, breaker_least=1)
    run_now(host, one.id)
    server.fake.directory.delete_users(people[4:])
    run_now(host, one.id)
    assert _figures(web)["openlane_host_attention_open", one.id] == 1


def test_figures_need_the_token(web: Web) -> None:
    """On loopback too: a foreign page can reach loopback through a browser."""
    with web.client(token=None) as client:
        assert client.get("/metrics").status_code == 401


def test_the_probe_needs_no_token_and_tells_nothing(web: Web) -> None:
    """A load balancer asks it; it answers no more than that all is well."""
    answer = httpx.get(f"{web.url}/healthz", verify=NO_TRUST)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_the_probe_fails_when_the_tables_are_of_another_version(web: Web, host: Host) -> None:
    """A process that was left behind by a migration takes no traffic, and says what is wrong."""
    with transaction(host.database) as held:
        held.execute(sa.text("UPDATE alembic_version SET version_num = 'of-tomorrow'"))
    answer = httpx.get(f"{web.url}/healthz", verify=NO_TRUST)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "database_schema"


def test_the_probe_does_not_wait_for_a_writer(web: Web, host: Host) -> None:
    """While a run is taken over, which holds SQLite's write lock, the host is as healthy as ever."""
    with transaction(host.database):
        assert httpx.get(f"{web.url}/healthz", timeout=5, verify=NO_TRUST).status_code == 200
