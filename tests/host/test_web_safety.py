"""What the web interface keeps to itself, and from whom."""

import base64
import logging
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from openlane_authentik.host.attention import list_attention
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.errors import HostSettingError
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import Installation
from openlane_authentik.host.web import api, load_api_token
from openlane_authentik.host.web.app import OPERATIONS
from openlane_authentik.host.web.pages import PAGES
from openlane_authentik.host.web.server import listen
from openlane_authentik.testing import Server
from tests.host.support import AUTHENTIK, connect_demo
from tests.host.web_support import API_TOKEN, Web, as_text, filled, form_token, run_now, serving
from tests.support import NO_TRUST

_SQLITE = pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)


@pytest.fixture
def web(host: Host) -> Iterator[Web]:
    """Serve the host."""
    with serving(host) as served:
        yield served


@pytest.fixture
def token(server: Server) -> str:
    """Return the token of the provider, which nothing may ever show."""
    return str(server.fake.token("viewer"))


@pytest.fixture
def synced(host: Host, server: Server, token: str) -> Installation:
    """Connect the fake authentik and sync it once."""
    installation = connect_demo(host, server.url, token)
    run_now(host, installation.id)
    return installation


@_SQLITE
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong-token-wrong-token"},
        {"Authorization": f"Bearer {API_TOKEN}x"},
        {"Authorization": f"Basic {API_TOKEN}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \xe9\xe9"},
        {"Authorization": API_TOKEN},
    ],
)
def test_every_operation_refuses_without_the_token(web: Web, synced: Installation, headers: dict[str, str]) -> None:
    """None, another, one too long, another scheme: 401, the same words whatever exists, and nothing is changed."""
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    with web.client() as client:
        before = client.get(f"/v1/integrations/{synced.id}").json()
    for number, operation in enumerate(OPERATIONS, start=1):
        if operation.open:
            continue
        # From an address of its own, as one that guesses often is refused otherwise.
        with httpx.Client(
            transport=httpx.HTTPTransport(local_address=f"127.0.1.{number}", verify=NO_TRUST), headers=encoded
        ) as client:
            answers = [
                client.request(operation.method, f"{web.url}{filled(operation.path, known)}")
                for known in (synced.id, "nope")
            ]
        assert {answer.status_code for answer in answers} == {401}, operation.path
        assert answers[0].json() == answers[1].json()
        assert answers[0].headers["www-authenticate"] == "Bearer"
        assert synced.id not in answers[0].text
    with web.client() as client:
        assert client.get(f"/v1/integrations/{synced.id}").json() == before


def test_no_answer_ever_holds_a_secret(
    web: Web, host: Host, server: Server, token: str, synced: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """A walk through every operation and page, good requests and bad: neither token is in any answer or log line."""
    caplog.set_level(logging.DEBUG)
    people = [pk for pk, user in server.fake.directory.users.items() if user["username"] != "it-viewer"]
    person = server.fake.directory.users[people[0]]["uid"]
    server.fake.directory.delete_users(people)
    run = run_now(host, synced.id)
    (asked,) = list_attention(host, synced.id)
    places = {"runId": run.id, "attentionId": asked.id}
    base_url = {"baseUrl": server.url}
    bodies: list[Any] = [
        {"organisation": "org-1", "installationId": synced.id, "credential": {**base_url, "token": token}},
        {"organisation": "org-1", "installationId": synced.id, "credential": {"token": token, "tokn": token}},
        {"organisation": "org-1", "credential": {**base_url, "token": token}, "userInput": {"filterExpr": "1 +"}},
        {"organisation": "org-1", "credential": {**base_url, "token": f"{token}é"}},
        {"organisation": "org-1", "credential": {"baseUrl": "http://127.0.0.1:9", "token": token}},
        {"operation": "HealthCheck"},
        {"operation": "DirectorySync"},
    ]
    answers: list[httpx.Response] = []
    with web.client() as client, web.browser() as browser:
        # What ends the installation comes last.
        for operation in sorted(OPERATIONS, key=lambda one: one.name == "disconnectInstallation"):
            path = filled(operation.path, synced.id, **places)
            sent = bodies if operation.body is not None else [None]
            answers.extend(client.request(operation.method, path, json=body) for body in sent)
        again = {"organisation": "org-1", "credential": {**base_url, "token": token}}
        assert client.post(f"/v1/integrations/{AUTHENTIK}/config", json=again).status_code == 200
        first = browser.get(f"/installations/{synced.id}")
        forms = [
            {"credential.baseUrl": server.url, "credential.token": token},
            {"credential.baseUrl": "nonsense", "credential.token": token, "organisation": "org-1"},
            {"credential.baseUrl": server.url, "credential.token": f"{token}x", "organisation": "org-1"},
            {"credential.token": token, "breaker.share": "much"},
            {},
        ]
        for page in sorted(PAGES, key=lambda one: (one.path.endswith("disconnect"), one.path == "/logout")):
            path = filled(page.path, synced.id, **places)
            path += f"?id={person}" if path.endswith(("/account", "/group")) else ""
            path += f"?definition={AUTHENTIK}" if path.endswith("/new") else ""
            sent_forms = [{}] if page.method == "GET" else forms
            for form in sent_forms:
                data = {**form, "form_token": form_token(first.text)} if page.method == "POST" else None
                answers.append(browser.request(page.method, path, data=data))
    assert {answer.status_code // 100 for answer in answers} >= {2, 4}
    assert not any(answer.status_code == 500 for answer in answers)
    for secret in (token, API_TOKEN):
        for answer in answers:
            assert secret not in answer.text, answer.url
            assert secret not in str(answer.headers), answer.url
        assert secret not in caplog.text
        assert not any(secret in str(record.__dict__) for record in caplog.records)


@_SQLITE
def test_names_are_shown_as_text(web: Web, host: Host, server: Server, token: str) -> None:
    """Whatever a person, a group, a directory or a search is called: it becomes no element, attribute or link."""
    evil = "<script>alert(1)</script>"
    quotes = "\"'><img src=x onerror=alert(2)>&lt;"
    directory = server.fake.directory
    group = directory.create_group(name=f"{evil} team")
    pk = directory.create_user(username="evil", name=evil, email='"x"@evil.test', groups=[group])
    directory.create_user(username="quotes", name=quotes, groups=[group])
    one = connect_demo(host, server.url, token, name=f"{evil}{quotes}", organisation=f"{quotes}")
    run_now(host, one.id)
    directory.update_user(pk, name=f"{evil}{quotes}", attributes={evil: quotes})
    run = run_now(host, one.id)
    uid = directory.users[pk]["uid"]
    paths = [
        "/",
        *(f"/installations/{one.id}{rest}" for rest in ("", "/accounts", "/groups", "/memberships", "/settings")),
        f"/installations/{one.id}/disconnect",
        f"/installations/{one.id}/changes",
        f"/installations/{one.id}/changes?search={quote(evil)}",
        f"/installations/{one.id}/accounts?search={quote(quotes)}",
        f"/installations/{one.id}/memberships?account={quote(quotes)}&group={quote(evil)}",
        f"/installations/{one.id}/account?id={uid}",
        f"/installations/{one.id}/group?id={group}",
        f"/installations/{one.id}/runs/{run.id}",
        f"/installations/{one.id}/accounts?limit={quote(evil)}",
        f"/installations/{quote(evil)}",
        f"/login?next={quote(quotes)}",
    ]
    seen = ""
    with web.browser() as browser:
        for path in paths:
            page = browser.get(path).text
            assert "<script" not in page, path
            assert "<img src=x" not in page, path
            seen += as_text(page)
        token_of_form = form_token(browser.get(f"/installations/{one.id}/settings").text)
        form = {"form_token": token_of_form, "name": quotes, "credential.baseUrl": evil, "schedule.timeout": quotes}
        page = browser.post(f"/installations/{one.id}/settings", data=form).text
        assert "<script" not in page
        assert "<img src=x" not in page
    assert evil in seen
    assert quotes in seen


@_SQLITE
def test_every_answer_tells_browsers_to_be_careful(web: Web, synced: Installation) -> None:
    """No scripts, no frames, no sniffing, no cache of people's data, and nothing of what serves it."""
    with web.browser() as browser:
        for path in ("/", f"/installations/{synced.id}", "/nope", "/v1/integrations", "/healthz", "/static/style.css"):
            headers = browser.get(path).headers
            assert "default-src 'self'" in headers["content-security-policy"]
            assert "script-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "server" not in headers
            cached = "max-age" in headers["cache-control"]
            assert cached == path.startswith("/static/")
        for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/"):
            assert browser.get(path).status_code == 404


@_SQLITE
def test_an_unknown_failure_tells_nothing(
    host: Host, server: Server, token: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 without details; the log says where, and not what the exception says, which may quote a row."""

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("Ada Lovelace, ada@example.test")

    one = connect_demo(host, server.url, token)
    with serving(host) as web, web.client() as client, web.browser() as browser:
        monkeypatch.setattr(api, "list_installations", broken)
        monkeypatch.setattr("openlane_authentik.host.web.pages.installations.list_installations", broken)
        answer, page = client.get("/v1/integrations"), browser.get("/")
        assert client.get(f"/v1/integrations/{one.id}").status_code == 200
    assert (answer.status_code, page.status_code) == (500, 500)
    assert answer.json()["error"]["code"] == "internal"
    assert "Look at the host's log" in as_text(page.text)
    assert "Ada" not in answer.text + page.text
    told = [record for record in caplog.records if record.message == "request_failed"]
    assert [record.__dict__["error"] for record in told] == ["ValueError"] * 2
    assert "broken" in str(told[0].__dict__["where"])
    assert not any("Ada" in str(record.__dict__) for record in caplog.records)


def test_what_no_database_can_hold_is_refused(web: Web, synced: Installation) -> None:
    """Numbers and letters beyond what a database takes are the request's fault, on either database."""
    after = base64.urlsafe_b64encode(b"[1000000000000000000000000]").decode()
    with web.client() as client:
        paths = [f"/v1/integrations/{synced.id}/changes?after={after}", "/v1/integrations/%00", "/v1/runs/a%00b"]
        for path in paths:
            assert client.get(path).status_code == 422, path
        assert client.get("/v1/runs/%ff%fe").status_code == 404
        huge = b'{"organisation": "' + b"x" * 1_100_000 + b'"}'
        assert client.post(f"/v1/integrations/{AUTHENTIK}/config", content=huge).status_code == 413


@_SQLITE
def test_the_api_token_is_made_once(host: Host) -> None:
    """At the first start, for nobody else on this machine; processes that start at once agree on it."""
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(load_api_token(host))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1
    assert len(made) == 8
    file = host.settings.data_dir / "api-token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() == made[0]
    assert [path.name for path in host.settings.data_dir.glob("api-token*")] == ["api-token"]


@_SQLITE
@pytest.mark.parametrize("given", ["", "short", "with a space in it all", "ünïcödé-ünïcödé-ünïcödé"])
def test_an_unfit_api_token_is_refused(settings: HostSettings, given: str) -> None:
    """One that could be guessed, or that no header can carry; the error does not repeat it."""
    opened = open_host(settings.model_copy(update={"api_token": None}))
    try:
        (settings.data_dir / "api-token").write_text(given)
        with pytest.raises(HostSettingError) as raised:
            load_api_token(opened)
        assert not given or given not in str(raised.value)
    finally:
        opened.close()


@_SQLITE
def test_a_given_api_token_is_taken(settings: HostSettings) -> None:
    """What the operator sets is the token, and no file is made."""
    given = HostSettings(**{**settings.model_dump(), "api_token": API_TOKEN})
    opened = open_host(given)
    try:
        assert load_api_token(opened) == API_TOKEN
        assert not (settings.data_dir / "api-token").exists()
    finally:
        opened.close()


def test_a_taken_address_is_a_clear_error() -> None:
    """It is the setting that is wrong, and the message names it."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(HostSettingError, match=f"cannot listen on 127.0.0.1 port {port}"):
            listen("127.0.0.1", port)


def test_an_open_page_does_not_keep_the_host_from_ending(host: Host) -> None:
    """The server ends within seconds of being told to, with a connection still open."""
    with serving(host) as web:
        client = web.client()
        assert client.get("/healthz").status_code == 200
    assert not [thread for thread in threading.enumerate() if thread.name == "host-web"]
    client.close()
