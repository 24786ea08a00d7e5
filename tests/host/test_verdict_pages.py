"""What stands against the newest run is told where an operator looks first, never only in the run's own page."""

from collections.abc import Iterator

import pytest

from openlane_authentik import Schema
from openlane_authentik.host.cli.records import tell_proof
from openlane_authentik.host.cli.tables import runs_table, tell_verdict
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import Installation
from openlane_authentik.host.store.lists import list_records
from openlane_authentik.terminal import open_console
from openlane_authentik.testing import Fault, Server
from tests.host.support import AUTHENTIK, connect_demo, put
from tests.host.web_support import Web, as_text, error_of, run_now, serving


@pytest.fixture
def web(host: Host) -> Iterator[Web]:
    """The host, served."""
    with serving(host) as running:
        yield running


@pytest.fixture
def synced(host: Host, server: Server, token: str) -> Installation:
    """A connected directory, synced once."""
    shown = connect_demo(host, server.url, token)
    assert run_now(host, shown.id).exit_code == 0
    return shown


def _shown(web: Web, installation: Installation) -> tuple[str, str]:
    with web.browser() as client:
        return as_text(client.get("/").text), as_text(client.get(f"/installations/{installation.id}").text)


def test_a_proven_run_is_praised_by_silence(web: Web, synced: Installation) -> None:
    """Nothing stands against a run that proved everything."""
    for page in _shown(web, synced):
        assert "could not prove" not in page
        assert "failed" not in page
        assert "not all proven" not in page.lower()


def test_a_token_that_sees_a_part_is_told_on_both_pages(
    web: Web, host: Host, server: Server, synced: Installation
) -> None:
    """A run that completed and proved nothing says so, with the reason and its code, and removed nothing."""
    narrow = {"baseUrl": server.url, "token": server.fake.token("object_level")}
    put(host, synced.id, credential=host.vault.seal(synced.id, narrow))
    run = run_now(host, synced.id)
    assert (run.status, run.exit_code) == ("COMPLETED", 77)
    for page in _shown(web, synced):
        assert "Run 2 could not prove everything" in page
        assert "partial_visibility" in page
        assert "Can view User" in page
    assert "Not all proven" in _shown(web, synced)[1]


def test_a_list_of_what_is_not_proven_says_so(
    web: Web, host: Host, server: Server, synced: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages, API and command: people who left may be among them. As of the run before nothing stands against them."""
    narrow = {"baseUrl": server.url, "token": server.fake.token("object_level")}
    put(host, synced.id, credential=host.vault.seal(synced.id, narrow))
    run_now(host, synced.id)
    for asked, proven in (("", False), ("?asOf=1", True)):
        for kind in ("accounts", "groups", "memberships"):
            with web.browser() as client:
                page = as_text(client.get(f"/installations/{synced.id}/{kind}{asked}").text)
            assert ("Not proven" in page) != proven, (kind, asked)
            with web.client() as client:
                proof = client.get(f"/v1/integrations/{synced.id}/{kind}{asked}").json()["proof"]
            assert proof["proven"] == proven
            assert ("partial_visibility" in proof["reasons"]) != proven
    listed = list_records(host.database, Schema.ACCOUNT, synced.id)
    tell_proof(open_console(stderr=False), listed.proof)
    assert "not proven (partial_visibility)" in " ".join(capsys.readouterr().out.split())


def test_a_filter_that_drops_too_much_is_refused_with_its_number(web: Web, synced: Installation) -> None:
    """In the API as ``records`` of the problem; the same save with ``confirm`` passes, and tells what is odd of it."""
    path, filter_expr = f"/v1/integrations/{AUTHENTIK}/config", "payload.is_activ == true"
    body = {"installationId": synced.id, "organisation": synced.organisation, "credential": {}}
    body["userInput"] = {"filterExpr": filter_expr}
    with web.client() as client:
        refused = error_of(client.post(path, json=body), 409)
        assert refused["code"] == "scope_unconfirmed"
        assert f"{refused['records']:,} records" in refused["message"]
        too_few = error_of(client.post(path, json=body | {"confirm": refused["records"] - 1}), 409)
        assert too_few["records"] == refused["records"]
        saved = client.post(path, json=body | {"confirm": refused["records"]}).json()
    assert saved["filterWarnings"][0]["code"] == "filter_unknown_field"
    assert "did you mean 'is_active'?" in _shown(web, synced)[1]


def test_a_set_that_three_runs_could_not_prove_needs_attention(
    web: Web, host: Host, server: Server, synced: Installation
) -> None:
    """Told on both pages after the third, and no more after a run that proves it."""
    stored = host.vault.seal(synced.id, {"baseUrl": server.url, "token": server.fake.token("viewer")})
    narrow = {"baseUrl": server.url, "token": server.fake.token("object_level")}
    put(host, synced.id, credential=host.vault.seal(synced.id, narrow))
    told = "not proven by the newest 3 runs"
    for number in range(1, 4):
        run_now(host, synced.id)
        assert all((told in page) == (number == 3) for page in _shown(web, synced))
    put(host, synced.id, credential=stored)
    run_now(host, synced.id)
    assert not any(told in page for page in _shown(web, synced))


def test_a_filter_that_keeps_nobody_is_told_on_both_pages(
    web: Web, host: Host, synced: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typo that takes everybody out of scope does not look like a run where all is well, on pages and commands."""
    put(host, synced.id, user_input={"filterExpr": "payload.is_activ == true"})
    run = run_now(host, synced.id)
    assert (run.status, run.exit_code) == ("COMPLETED", 0)
    for page in _shown(web, synced):
        assert "Run 2 completed with warnings" in page
        assert "filter_kept_nothing" in page
        assert "is_activ" in page
    assert "Warnings" in _shown(web, synced)[1]
    console = open_console(stderr=False)
    tell_verdict(console, synced, run)
    console.print(runs_table([run]))
    told = capsys.readouterr().out
    assert "run 2 completed with warnings" in told
    assert "all read: filter_kept_nothing" in " ".join(told.split())


def test_a_run_that_failed_says_why_and_what_happens_next(web: Web, server: Server, synced: Installation) -> None:
    """What passes by itself is told with its code and remedy, though the installation stays connected."""
    server.fake.inject(Fault.status(500), times=None)
    assert run_now(web.host, synced.id).status == "FAILED"
    for page in _shown(web, synced):
        assert "Run 2 failed" in page
        assert "server_failed" in page
        assert "tried again" in page
