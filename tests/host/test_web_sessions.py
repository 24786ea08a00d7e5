"""Sessions of browsers: how one begins and ends, and that no other site's page can use it."""

import re
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.tables import ended_session
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import Installation
from openlane_authentik.host.web.pages import PAGES
from openlane_authentik.host.web.sessions import COOKIE
from openlane_authentik.testing import Server
from tests.host.running import look_up
from tests.host.support import connect_demo
from tests.host.web_support import API_TOKEN, Web, filled, form_token, run_now, serving
from tests.support import NO_TRUST, SimulatedClock

pytestmark = pytest.mark.parametrize("make_database", ["sqlite"], indirect=True)
# What a page of another site makes a browser send.
_FOREIGN = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.test"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example.test"},
    {"Origin": "null"},
]


@pytest.fixture
def web(host: Host) -> Iterator[Web]:
    """Serve the host."""
    with serving(host) as served:
        yield served


@pytest.fixture
def synced(host: Host, server: Server) -> Installation:
    """Connect the fake authentik and sync it once."""
    installation = connect_demo(host, server.url, server.fake.token("viewer"))
    run_now(host, installation.id)
    return installation


def test_a_session_is_no_token(web: Web, synced: Installation) -> None:
    """The API takes no cookie, so that no page of another site can use it through a browser."""
    with web.browser() as browser:
        assert browser.get(f"/installations/{synced.id}").status_code == 200
        assert browser.get(f"/v1/integrations/{synced.id}").status_code == 401
        assert browser.post(f"/v1/integrations/{synced.id}/disconnect").status_code == 401


def test_every_page_needs_a_session(web: Web, synced: Installation) -> None:
    """Without one, or with a made-up one, every page but the login leads to the login and shows nothing."""
    for cookies in ({}, {COOKIE: "a.99999999999.b"}, {COOKIE: "a.b"}):
        with httpx.Client(base_url=web.url, cookies=cookies, verify=NO_TRUST) as stranger:
            for page in PAGES:
                if page.open:
                    continue
                answer = stranger.request(page.method, filled(page.path, synced.id))
                assert answer.status_code == 303, page.path
                assert answer.headers["location"].startswith("/login")
                assert answer.text == ""


def test_a_session_ends(web: Web, synced: Installation, clock: SimulatedClock) -> None:
    """After half a day; and a changed cookie is none."""
    with web.browser() as browser:
        cookie = browser.cookies[COOKIE]
        later = re.sub(r"\.(\d+)\.", lambda ends: f".{int(ends[1]) + 1}.", cookie)
        changed = httpx.get(f"{web.url}/installations/{synced.id}", cookies={COOKIE: later}, verify=NO_TRUST)
        assert changed.status_code == 303
        clock.elapsed += 12 * 3600 + 1
        assert browser.get("/", follow_redirects=False).headers["location"] == "/login"


def test_the_cookie_is_kept_from_scripts_and_other_sites(web: Web) -> None:
    """It is HttpOnly and SameSite, and holds nothing of the token."""
    answer = httpx.post(f"{web.url}/login", data={"token": API_TOKEN}, verify=NO_TRUST)
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert API_TOKEN not in answer.headers["set-cookie"]


def test_only_a_trusted_proxy_is_believed(host: Host, settings: HostSettings) -> None:
    """Behind one that serves over TLS the cookie is for TLS only; what others write into such headers is nothing."""
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    for proxies, is_secure in (("", False), ("127.0.0.0/8", True)):
        trusting = replace(host, settings=settings.model_copy(update={"trusted_proxies": proxies}))
        with serving(trusting) as web:
            answer = httpx.post(f"{web.url}/login", data={"token": API_TOKEN}, headers=forwarded, verify=NO_TRUST)
        assert ("secure" in answer.headers["set-cookie"].lower()) is is_secure


def test_signing_out_ends_the_session(web: Web, host: Host) -> None:
    """A copy of the cookie opens nothing any more, on another process either, and other sessions go on."""
    with web.browser() as browser, web.browser() as other:
        copied = browser.cookies[COOKIE]
        browser.post("/logout", data={"form_token": form_token(browser.get("/").text)})
        with serving(host) as again:
            for url in (web.url, again.url):
                assert httpx.get(url, cookies={COOKIE: copied}, verify=NO_TRUST).headers["location"] == "/login"
        assert other.get("/", follow_redirects=False).status_code == 200


def test_ended_sessions_are_forgotten(web: Web, host: Host, clock: SimulatedClock) -> None:
    """When they would have ended by themselves; a later sign-out takes them away."""
    for _ in range(2):
        with web.browser() as browser:
            browser.post("/logout", data={"form_token": form_token(browser.get("/").text)})
        clock.elapsed += 12 * 3600 + 1
    assert len(look_up(host.database, ended_session)) == 1


@pytest.mark.parametrize("headers", _FOREIGN)
def test_a_form_of_another_site_is_refused(web: Web, synced: Installation, headers: dict[str, str]) -> None:
    """Even with the session and the right form token: 403, and nothing is done."""
    with web.browser() as browser:
        there = {"form_token": form_token(browser.get(f"/installations/{synced.id}").text)}
        for page in PAGES:
            if page.method == "POST":
                path = filled(page.path, synced.id)
                assert browser.post(path, data=there, headers=headers).status_code == 403, page.path
    with web.client() as client:
        assert client.get(f"/v1/integrations/{synced.id}").json()["status"] == "CONNECTED"
        assert len(client.get(f"/v1/integrations/{synced.id}/runs").json()["items"]) == 1


def test_a_form_that_was_not_shown_is_refused(web: Web, synced: Installation) -> None:
    """Without its token, or with that of another session: 403, and nothing is done."""
    with web.browser() as browser, web.browser() as other:
        of_other = form_token(other.get(f"/installations/{synced.id}").text)
        for page in PAGES:
            if page.method != "POST" or page.open:
                continue
            for form in ({}, {"form_token": ""}, {"form_token": of_other}, {"form_token": "é"}):
                assert browser.post(filled(page.path, synced.id), data=form).status_code == 403, page.path
    with web.client() as client:
        assert client.get(f"/v1/integrations/{synced.id}").json()["credentialStored"] is True


@pytest.mark.parametrize(
    "wanted", ["//evil.example.test", "https://evil.example.test", "/\\evil.example.test", "/\tx", "javascript:x"]
)
def test_a_login_leads_to_this_host_only(web: Web, wanted: str) -> None:
    """Whatever a link to the login asks for."""
    answer = httpx.post(f"{web.url}/login", data={"token": API_TOKEN, "next": wanted}, verify=NO_TRUST)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_login_with_another_token_is_refused(web: Web) -> None:
    """401, no cookie, and where the right one is found."""
    answer = httpx.post(f"{web.url}/login", data={"token": "wrong"}, verify=NO_TRUST)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "api-token" in answer.text
