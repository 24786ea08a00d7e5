"""What a page, the API or the ledger tells to do is told in the words of a page; a command tells it in its own."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from openlane_authentik.host import runs
from openlane_authentik.host.cli.tables import health_table, tell_run, tell_trouble
from openlane_authentik.host.cli.words import print_told
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.errors import (
    DatabaseUnreachableError,
    KeyMissingError,
    SchemaError,
    UnhealthyError,
    WrongKeyError,
)
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import Installation, get_installation
from openlane_authentik.host.web.problems import problem_of
from openlane_authentik.testing import Server
from tests.host.support import AUTHENTIK, connect_demo, put
from tests.host.web_support import Web, as_text, form_token, run_now, serving

_FOREIGN = ("--", "AUTHENTIK_", "OPENLANE_", "SSL_CERT_FILE", "disableGroupSync", "disable_group_sync", "`")


@pytest.fixture
def web(host: Host) -> Iterator[Web]:
    """The host, served."""
    with serving(host) as running:
        yield running


def _blind(host: Host, server: Server, installation: Installation) -> None:
    """Return an installation a token that may not list groups."""
    narrow = {"baseUrl": server.url, "token": server.fake.token("view_user_only")}
    put(host, installation.id, credential=host.vault.seal(installation.id, narrow))


def _printed(capsys: pytest.CaptureFixture[str], *things: Any) -> str:
    console = Console(width=1000)
    for thing in things:
        thing(console)
    return capsys.readouterr().out


def test_a_form_that_does_not_pass_says_the_names_of_its_fields(web: Web, server: Server) -> None:
    """Each remedy that is shown with the form names what stands on the form."""
    path = f"/installations/new?definition={AUTHENTIK}"
    with web.browser() as client:
        form = {
            "form_token": form_token(client.get(path).text),
            "organisation": "o",
            "credential.baseUrl": server.url,
            "credential.token": server.fake.token("view_user_only"),
        }
        answer = client.post(path, data=form)
    assert answer.status_code == 422
    shown = as_text(answer.text)
    assert "no_permission_groups" in shown
    assert "switch on 'Disable Group Sync'" in shown
    assert "Disable Group Sync" in as_text(answer.text.split("<form", 1)[1])
    assert not [word for word in _FOREIGN if word in shown]


def test_a_private_authority_is_filled_in(web: Web) -> None:
    """The remedy of a certificate that is not trusted names the field of the form, no option and no variable."""
    body = {"organisation": "o", "credential": {"baseUrl": web.url.replace("http:", "https:"), "token": "t"}}
    with web.client() as client:
        error = client.post(f"/v1/integrations/{AUTHENTIK}/config", json=body)
    text = error.text
    assert "tls_failed" in text, text
    assert "'Certificate Authorities'" in text
    assert not [word for word in _FOREIGN if word in text]


def test_a_stored_failure_is_told_on_the_page_and_by_the_commands_in_their_words(
    web: Web, host: Host, server: Server, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger keeps the words of the pages; the commands tell the same remedy with their option."""
    saved = connect_demo(host, server.url, token)
    _blind(host, server, saved)
    run = run_now(host, saved.id)
    one = get_installation(host, saved.id)
    assert one.reason is not None
    assert run.error is not None
    for stored in (one.reason["remedy"], run.error["remedy"]):
        assert "switch on 'Disable Group Sync'" in stored
        assert not [word for word in _FOREIGN if word in stored]
    with web.browser() as client:
        for path in (f"/installations/{saved.id}", f"/installations/{saved.id}/runs/{run.id}"):
            shown = as_text(client.get(path).text)
            assert "switch on 'Disable Group Sync'" in shown
            assert not [word for word in _FOREIGN if word in shown]
    with reading(host.database) as held:
        found = runs.get_run(held, run.id)
    told = _printed(capsys, lambda console: tell_run(console, found), lambda console: tell_trouble(console, one, []))
    assert told.count("connect it with --disable-group-sync") == 2
    assert "Disable Group Sync" not in told
    print_told([one, {"lastRun": found}])
    printed = json.loads(capsys.readouterr().out)
    for remedy in (printed[0]["reason"]["remedy"], printed[1]["lastRun"]["error"]["remedy"]):
        assert "connect it with --disable-group-sync" in remedy


def test_a_failed_check_is_told_by_the_command_in_its_words(
    host: Host, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report that keeps a save from being stored has the page's words, and the command's table its own."""
    with pytest.raises(UnhealthyError) as caught:
        connect_demo(host, server.url, server.fake.token("view_user_only"))
    assert "switch on 'Disable Group Sync'" in json.dumps(caught.value.report)
    told = _printed(capsys, lambda console: console.print(health_table(caught.value.report)))
    assert "--disable-group-sync" in told
    assert "Disable Group Sync" not in told


@pytest.mark.parametrize("kind", [DatabaseUnreachableError, SchemaError, KeyMissingError, WrongKeyError])
def test_the_hosts_own_trouble_names_no_variable_on_a_page(
    kind: type[DatabaseUnreachableError | SchemaError | KeyMissingError | WrongKeyError],
) -> None:
    """Whoever reads a page need not be the one who started the host with its variables."""
    told = problem_of(kind("x")).remedy
    assert not [word for word in _FOREIGN if word in told]
    assert "host" in told
