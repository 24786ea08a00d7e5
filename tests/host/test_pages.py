"""The pages, in a real browser: what an operator does from the first login to the last disconnect."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import list_installations
from openlane_authentik.host.providers import Providers
from openlane_authentik.testing import Server
from tests.host import tiny_integration
from tests.host.support import AUTHENTIK, connect_demo
from tests.host.web_support import API_TOKEN, CHROMIUM, CHROMIUM_FLAGS, Web, run_now, serving

pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs Chromium at {CHROMIUM}"),
    pytest.mark.parametrize("make_database", ["sqlite"], indirect=True),
]
_NARROW = 400
_UNLABELLED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
    .filter((one) => !one.labels.length).map((one) => one.outerHTML)"""
_WIDTH = "() => document.documentElement.scrollWidth"
Given = TypeVar("Given")


@pytest.fixture
def web(host: Host) -> Iterator[Web]:
    """Serve the host."""
    with serving(host) as served:
        yield served


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Run the system's Chromium."""
    with pytest.MonkeyPatch.context() as patched:
        # Its profile goes with the files of the tests, also when the run is killed.
        patched.setenv("TMPDIR", str(tmp_path_factory.mktemp("chromium")))
        playwright = sync_playwright().start()
    try:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()
    finally:
        playwright.stop()


@pytest.fixture
def page(chromium: Browser, web: Web) -> Iterator[Page]:
    """Open a page as wide as a phone, signed in; what breaks the content policy or fails as a script fails the test."""
    context = chromium.new_context(base_url=web.url, viewport={"width": _NARROW, "height": 800})
    opened = context.new_page()
    broken: list[str] = []
    opened.on("pageerror", lambda error: broken.append(str(error)))
    opened.on("console", lambda said: broken.append(said.text) if "Content Security" in said.text else None)
    opened.on("dialog", lambda dialog: broken.append(dialog.message))
    opened.goto("/")
    opened.get_by_label("API token").fill(API_TOKEN)
    opened.get_by_role("button", name="Sign in").click()
    yield opened
    context.close()
    assert broken == []


def _apart(call: Callable[[], Given]) -> Given:
    """Call what runs an event loop of its own, which the browser's thread has already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def _fits(page: Page) -> None:
    """Check that a page needs no scrolling to the side, has one heading, and a label for each field."""
    assert page.evaluate(_WIDTH) <= _NARROW, page.url
    assert page.evaluate(_UNLABELLED) == [], page.url
    expect(page.get_by_role("heading", level=1)).to_have_count(1)


def test_from_login_to_disconnect(page: Page, host: Host, server: Server) -> None:
    """A person connects a directory, sees it healthy, syncs it, looks at people, and disconnects it."""
    page.get_by_role("link", name="Connect a directory").click()
    _fits(page)
    page.get_by_label("Base URL").fill(server.url)
    page.get_by_label("API Token").fill("not-the-token")
    page.get_by_label("Organisation").fill("Acme")
    page.get_by_label("Name", exact=True).fill("People & Co")
    page.get_by_label("Every").fill("30")
    page.get_by_label("Primary Directory").check()
    page.get_by_label("Filter Expression").fill("payload.is_active")
    page.get_by_role("button", name="Connect").click()

    # Told in the form what failed, by its code, with what to do; what was typed is kept, except the secret.
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The health check failed. Nothing was saved.")
    expect(alert.get_by_text("token_rejected", exact=True)).to_be_visible()
    expect(alert).to_contain_text("What to do")
    assert list_installations(host) == []
    _fits(page)
    expect(page.get_by_label("Base URL")).to_have_value(server.url)
    expect(page.get_by_label("API Token")).to_have_value("")
    expect(page.get_by_label("Every")).to_have_value("30")
    expect(page.get_by_label("Primary Directory")).to_be_checked()
    expect(page.get_by_label("Filter Expression")).to_have_value("payload.is_active")

    page.get_by_label("Filter Expression").fill("")
    page.get_by_label("API Token").fill(server.fake.token("viewer"))
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("heading", name="People & Co")).to_be_visible()
    expect(page.locator(".badges").first).to_have_text(re.compile("Pending.*Healthy.*Primary directory", re.DOTALL))
    (one,) = list_installations(host)
    assert (one.organisation, one.frequency_seconds, one.is_primary) == ("Acme", 1800, True)

    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_role("status")).to_contain_text("A sync has been asked for")
    expect(page.get_by_role("button", name="A run is under way")).to_be_disabled()
    _apart(lambda: run_now(host, one.id))
    # The page renews itself while a run is active, and not after.
    expect(page.locator(".badge", has_text="Connected").first).to_be_visible(timeout=20_000)
    expect(page.locator("meta[http-equiv=refresh]")).to_have_count(0)
    _fits(page)

    page.get_by_role("link", name="Accounts").click()
    someone = next(iter(server.fake.directory.users.values()))
    page.get_by_label("Search").fill(someone["name"].upper())
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("link", name=someone["name"]).first).to_be_visible()

    page.goto(f"/installations/{one.id}/disconnect")
    _fits(page)
    expect(page.get_by_text("delete it there under Directory")).to_be_visible()
    page.get_by_role("button", name="Disconnect").click()
    expect(page.locator(".badge", has_text="Disabled").first).to_be_visible()
    expect(page.get_by_text("delete it there under Directory")).to_be_visible()
    assert list_installations(host)[0].credential_stored is False
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login$"))


def test_settings_keep_what_is_stored(page: Page, host: Host, server: Server) -> None:
    """A secret is never shown; left empty it stays. A wrong field is marked where it is."""
    one = _apart(lambda: connect_demo(host, server.url, server.fake.token("viewer"), user_input={"name": "By API"}))
    page.goto(f"/installations/{one.id}/settings")
    _fits(page)
    expect(page.get_by_label("API Token")).to_have_value("")
    expect(page.get_by_text("Stored – leave empty to keep.").first).to_be_visible()  # noqa: RUF001 - as shown
    page.get_by_label("Disable Group Sync").check()
    page.get_by_text("Options of the sync").click()
    page.get_by_label("Concurrency").fill("2")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    (saved,) = list_installations(host)
    assert saved.user_input == {
        "name": "By API",
        "primaryDirectory": False,
        "disableGroupSync": True,
    }
    assert saved.config["concurrency"] == 2
    assert saved.credential_stored is True

    page.goto(f"/installations/{one.id}/settings")
    page.get_by_label("Filter Expression").fill("payload.is_active &&")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved.")
    expect(page.get_by_label("Filter Expression")).to_have_value("payload.is_active &&")
    assert list_installations(host) == [saved]
    page.get_by_label("Base URL").fill("https://elsewhere.example.test")
    page.get_by_label("Filter Expression").fill("")
    page.get_by_role("button", name="Save").click()
    # The stored token does not go to another address.
    expect(page.locator(".field.wrong")).to_contain_text("Fill it in again")
    assert list_installations(host) == [saved]


def test_removals_wait_for_a_person(page: Page, host: Host, server: Server) -> None:
    """The list, the installation and the question itself say what would be removed; a person decides."""
    people = [pk for pk, user in server.fake.directory.users.items() if user["username"] != "it-viewer"]
    one = _apart(lambda: connect_demo(host, server.url, server.fake.token("viewer"), name="Lab"))
    _apart(lambda: run_now(host, one.id))
    server.fake.directory.delete_users(people)
    _apart(lambda: run_now(host, one.id))
    page.goto("/")
    _fits(page)
    page.get_by_role("link", name="Needs attention").click()
    expect(page.get_by_role("alert")).to_contain_text("12 of 13 accounts")
    page.get_by_role("link", name="Look at the list and decide").click()
    _fits(page)
    page.get_by_role("button", name="Confirm these").click()
    expect(page.get_by_role("status")).to_contain_text("Confirmed.")
    _apart(lambda: run_now(host, one.id))
    page.goto(f"/installations/{one.id}/changes?kind=removed&schema=DirectoryAccount")
    expect(page.locator(".badge", has_text="Removed")).to_have_count(12)


def test_the_history_of_a_person(page: Page, host: Host, server: Server) -> None:
    """When they were deactivated and which run saw it, and the directory as it was before."""
    directory = server.fake.directory
    pk, user = next((pk, user) for pk, user in directory.users.items() if user["is_active"])
    one = _apart(lambda: connect_demo(host, server.url, server.fake.token("viewer"), name="Lab"))
    _apart(lambda: run_now(host, one.id))
    evil = "<script>alert('x')</script> \"O'Neill\""
    directory.update_user(pk, is_active=False, name=evil)
    run = _apart(lambda: run_now(host, one.id))
    page.goto(f"/installations/{one.id}/account?id={user['uid']}")
    _fits(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(evil)
    changed = page.get_by_role("row").filter(has=page.locator(".badge", has_text="Changed"))
    expect(changed).to_contain_text("INACTIVE")
    changed.get_by_role("link", name="Run 2").click()
    expect(page).to_have_url(re.compile(f"/runs/{run.id}$"))
    _fits(page)
    expect(page.get_by_text("Proven complete").first).to_be_visible()
    page.goto(f"/installations/{one.id}/accounts?asOf=1")
    expect(page.get_by_text("The directory as of run 1.")).to_be_visible()
    expect(page.get_by_role("link", name=user["name"], exact=True).first).to_be_visible()
    expect(page.get_by_text(evil)).to_have_count(0)
    page.get_by_label("As of run or day").fill((run.completed_at or "")[:10])
    page.get_by_label("Search").fill(user["username"])
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("The directory as of run 2.")).to_be_visible()
    expect(page.get_by_text(user["username"], exact=True)).to_be_visible()
    expect(page.get_by_text("not known of the past").first).to_be_visible()


def test_every_page_fits_a_phone_and_keyboard(page: Page, host: Host, server: Server) -> None:
    """At 400 px nothing scrolls to the side; the first key leads past the header to the content."""
    one = _apart(lambda: connect_demo(host, server.url, server.fake.token("viewer"), name="L" * 200))
    run = _apart(lambda: run_now(host, one.id))
    base = f"/installations/{one.id}"
    paths = ("", "/accounts", "/groups", "/memberships", "/changes", "/settings", f"/runs/{run.id}")
    for path in ("/", "/installations/new", "/nope", *(base + rest for rest in paths)):
        page.goto(path)
        _fits(page)
    page.goto(base)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


def test_another_integration_has_a_form_of_its_own(chromium: Browser, host: Host) -> None:
    """The form is drawn from the integration's own schemas: another one needs nothing here."""
    both = Providers({tiny_integration.ID: tiny_integration.definition, AUTHENTIK: host.providers.get(AUTHENTIK)})
    with_both = Host(host.settings, host.database, host.vault, both, host.clock)
    with serving(with_both) as web, chromium.new_context(base_url=web.url) as context:
        page = context.new_page()
        page.goto("/installations/new")
        page.get_by_label("API token").fill(API_TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Badges").click()
        page.get_by_label("pass").fill("open sesame")
        page.get_by_label("Organisation").fill("Lodge")
        page.get_by_role("button", name="Connect").click()
        expect(page.get_by_role("heading", name="North Gate")).to_be_visible()
        (one,) = list_installations(with_both)
        assert (one.organisation, one.definition_id) == ("Lodge", tiny_integration.ID)
        page.goto(f"/installations/{one.id}/settings")
        expect(page.get_by_text("Stored – leave empty to keep.")).to_be_visible()  # noqa: RUF001 - as shown
