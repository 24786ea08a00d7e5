"""Replaced accounts where people look: the API, the pages, the command, and the webhook's words."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.host import Host
from tests.e2e.command import environment, run
from tests.host.asked import one_question
from tests.host.in_process import sync_now
from tests.host.scripted import Script, scripted
from tests.host.web_support import Web, as_text, every_item, serving
from tests.host.webhook import listening, with_status
from tests.support import SimulatedClock

ASKED = "60 accounts, 60 memberships come back under another identifier: the directory was restored or upgraded"


class _Lab:
    """A served host with a directory of 60 people."""

    def __init__(self, host: Host) -> None:
        self.host, self.script, saved = scripted(host)
        self.id = saved.id
        self.script.people(60, groups=1)
        sync_now(self.host, self.id)

    def replace(self, script: Script, *uids: str) -> None:
        clock = self.host.clock
        assert isinstance(clock, SimulatedClock)
        clock.elapsed += 60
        script.told = script.replace({uid: f"new-{uid}" for uid in uids}, display_name="Renamed")
        sync_now(self.host, self.id)


@pytest.fixture
def lab(host: Host) -> _Lab:
    """Return the lab."""
    return _Lab(host)


@pytest.fixture
def web(lab: _Lab) -> Iterator[Web]:
    """Serve it."""
    with serving(lab.host) as running:
        yield running


def test_the_api_links_both_accounts(lab: _Lab, web: Web) -> None:
    """The account names its predecessor; its change log is both accounts', and each line names the other one."""
    lab.replace(lab.script, "u003")
    base = f"/v1/integrations/{lab.id}"
    with web.client() as client:
        (record,) = every_item(client, f"{base}/accounts", account="new-u003")
        (held,) = every_item(client, f"{base}/memberships", account="new-u003")
        lines = every_item(client, f"{base}/changes", externalId="new-u003", schema="DirectoryAccount")
        replaced = every_item(client, f"{base}/changes", kind="replaced")
        document = client.get("/openapi.json").json()
    assert record["predecessor"] == "u003"
    assert record["firstSeenAt"] == held["firstSeenAt"] == lines[0]["at"] < lines[2]["at"]
    told = [(line["externalId"], line["kind"], line["predecessor"], line["successor"]) for line in lines]
    assert told == [
        ("u003", "added", None, None),
        ("u003", "replaced", None, "new-u003"),
        ("new-u003", "succeeded", "u003", None),
    ]
    assert "display_name" in lines[2]["fields"]
    assert {line["schema"] for line in replaced} == {"DirectoryAccount", "DirectoryMembership"}
    shapes = document["components"]["schemas"]
    assert {"predecessor", "successor"} < shapes["Change"]["properties"].keys()
    assert {"kind", "successor"} < shapes["Candidate"]["properties"].keys()


def test_the_page_of_a_person_tells_their_earlier_account(lab: _Lab, web: Web) -> None:
    """The new account's page has the whole history and links the old one, whose page leads to the new one."""
    lab.replace(lab.script, "u003")
    base = f"/installations/{lab.id}"
    with web.browser() as client:
        new, old = (client.get(f"{base}/account", params={"id": uid}).text for uid in ("new-u003", "u003"))
        shown = as_text(client.get(f"{base}/changes", params={"kind": "succeeded"}).text)
    assert f'href="{base}/account?id=u003"' in new
    assert f'href="{base}/account?id=new-u003"' in old
    assert "The same as u003 before" in as_text(new)
    assert "Person 3 → is now Renamed" in as_text(new)
    assert "Added" in as_text(new)
    assert "The same as new-u003 from then on" in as_text(old)
    assert "Not in the directory" in as_text(old)
    assert "Succeeded" in shown


def test_the_question_is_asked_in_its_own_words(lab: _Lab, web: Web) -> None:
    """The webhook, the API and the page say how many come back under another identifier, and who becomes whom."""
    with listening(with_status(204)) as webhook:
        changed = lab.host.settings.model_copy(update={"webhook_url": SecretStr(webhook.url)})
        lab.host = replace(lab.host, settings=changed)
        lab.replace(lab.script, *list(lab.script.accounts))
    ((_, _, body),) = webhook.told
    reason = json.loads(body)["reason"]
    assert reason["code"] == "replacements_need_attention"
    assert ASKED in reason["message"]
    question = one_question(lab.host, lab.id)
    path = f"{lab.id}/attention/{question.id}"
    with web.client() as client:
        items = every_item(client, f"/v1/integrations/{path}", limit=50)
    assert len(items) == 120
    assert {(one["kind"], one["successor"] == f"new-{one['externalId']}") for one in items} == {("replaced", True)}
    with web.browser() as client:
        page = as_text(client.get(f"/installations/{path}").text)
        assert "Are these the same people?" in page
        assert "Confirm these 120 records" in page
        assert "new-u007" in page
        assert ASKED in as_text(client.get(f"/installations/{lab.id}").text)


def test_the_command_tells_both_ids(lab: _Lab, settings: HostSettings) -> None:
    """The change log of an account has its predecessor's lines; a question's list says who becomes whom."""
    env = environment(
        OPENLANE_HOST_DATA_DIR=str(settings.data_dir),
        OPENLANE_HOST_DATABASE_URL=settings.database_address,
    )
    lab.replace(lab.script, "u003")
    shown = run("host", "changes", lab.id, "--record", "new-u003", env=env)
    assert shown.returncode == 0, shown.stderr
    kinds = [line.split()[3] for line in shown.stdout.splitlines()[1:] if line[0].isdigit()]
    assert sorted(kinds) == ["added", "added", "replaced", "replaced", "succeeded", "succeeded"]
    assert "now new-u003" in shown.stdout
    assert "was u003" in shown.stdout
    lab.script.told = None
    sync_now(lab.host, lab.id)
    lab.replace(lab.script, *list(lab.script.accounts))
    asked = run("host", "attention", lab.id, env=env)
    assert ASKED in " ".join(asked.stdout.split())
    assert "DirectoryAccount u007 is now new-u007  Person 7" in asked.stdout
