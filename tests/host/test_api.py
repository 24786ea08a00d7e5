"""The JSON API, over real HTTP, with a real directory behind it."""

import asyncio
import csv
import io
import json
from collections.abc import Generator, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import Installation, list_installations
from openlane_authentik.host.web.api_directory import Download
from openlane_authentik.testing import Server
from tests.host.support import AUTHENTIK, ORGANISATION, connect_demo
from tests.host.web_support import Web, error_of, every_item, run_now, serving


@pytest.fixture
def web(host: Host) -> Iterator[Web]:
    """Serve the host."""
    with serving(host) as served:
        yield served


@pytest.fixture
def client(web: Web) -> Iterator[httpx.Client]:
    """Return a client that has the API token."""
    with web.client() as opened:
        yield opened


@pytest.fixture
def synced(host: Host, server: Server) -> Installation:
    """Connect the fake authentik and sync it once."""
    installation = connect_demo(host, server.url, server.fake.token("viewer"))
    run_now(host, installation.id)
    return installation


def _body(server: Server, token: str, **rest: Any) -> dict[str, Any]:
    return {"organisation": ORGANISATION, "credential": {"baseUrl": server.url, "token": token}, **rest}


def test_providers_are_listed_with_their_forms(client: httpx.Client) -> None:
    """A host's own interface can be drawn from the cards alone."""
    items = client.get("/v1/integrations/providers").json()["items"]
    (card,) = [item for item in items if item["spec"]["id"] == AUTHENTIK]
    assert card["userInput"]["schema"]["properties"]["filterExpr"]
    assert card["credentialRegistrations"][0]["schema"]["required"] == ["baseUrl", "token"]


def test_connect_sync_and_read(web: Web, client: httpx.Client, server: Server) -> None:
    """From nothing to a directory by the API alone; a worker of this process is woken for it."""
    body = _body(server, server.fake.token("viewer"), name="Lab", schedule={"frequencySeconds": 900})
    saved = client.post(f"/v1/integrations/{AUTHENTIK}/config", json=body)
    assert saved.status_code == 200
    shown = saved.json()
    assert (shown["name"], shown["status"], shown["credentialStored"]) == ("Lab", "PENDING", True)
    assert shown["frequencySeconds"] == 900
    path = f"/v1/integrations/{shown['id']}"
    asked = client.post(f"{path}/operations/run", json={"operation": "DirectorySync"})
    assert asked.status_code == 202
    again = client.post(f"{path}/operations/run", json={"operation": "DirectorySync"})
    assert again.json()["id"] == asked.json()["id"], "a run that is active already is answered with"
    assert len(web.wakes) == 3
    run_now(web.host, shown["id"])
    run = client.get(f"/v1/runs/{asked.json()['id']}").json()
    assert (run["status"], run["trigger"], len(run["attempts"])) == ("COMPLETED", "manual", 1)
    assert client.get(path).json()["status"] == "CONNECTED"
    assert [one["id"] for one in client.get(f"{path}/runs").json()["items"]] == [run["id"]]
    people = {user["uid"] for user in server.fake.directory.users.values()}
    assert {one["externalId"] for one in every_item(client, f"{path}/accounts")} == people
    assert len(every_item(client, f"/v1/runs/{run['id']}/changes")) == run["deltaCount"]


def test_installations_are_listed_by_organisation(host: Host, client: httpx.Client, server: Server) -> None:
    """Each organisation sees its own when it is asked for."""
    mine = connect_demo(host, server.url, server.fake.token("viewer"))
    other = connect_demo(host, server.url, server.fake.token("viewer"), organisation="org-2")
    assert {one["id"] for one in client.get("/v1/integrations").json()["items"]} == {mine.id, other.id}
    asked = client.get("/v1/integrations", params={"organisation": "org-2"})
    assert [one["id"] for one in asked.json()["items"]] == [other.id]


def test_an_unhealthy_save_stores_nothing(host: Host, client: httpx.Client, server: Server) -> None:
    """The answer tells each failed check by its code, with what to do; nothing is stored of it."""
    error = error_of(client.post(f"/v1/integrations/{AUTHENTIK}/config", json=_body(server, "no-such-token")), 422)
    assert error["code"] == "health_check_failed"
    failed = [check for check in error["report"]["checks"] if check["status"] == "fail"]
    assert [check["code"] for check in failed] == ["token_rejected"]
    assert all(check["remedy"] for check in failed)
    assert list_installations(host) == []


def test_a_change_keeps_the_credential(client: httpx.Client, server: Server, synced: Installation) -> None:
    """What is not filled in of the credential stays; a failed change leaves everything as it was."""
    path = f"/v1/integrations/{AUTHENTIK}/config"
    change = {"organisation": ORGANISATION, "installationId": synced.id, "name": "Renamed", "breaker": {"share": 0.5}}
    changed = client.post(path, json=change).json()
    assert (changed["id"], changed["name"], changed["breakerShare"]) == (synced.id, "Renamed", 0.5)
    broken = {**change, "name": "Never", "credential": {"token": "no-such-token"}}
    error_of(client.post(path, json=broken), 422)
    assert client.get(f"/v1/integrations/{synced.id}").json() == changed
    assert error_of(client.post(path, json=_body(server, server.fake.token("viewer"))), 409)["code"] == "conflict"


def test_a_health_check_is_kept(client: httpx.Client, server: Server, synced: Installation) -> None:
    """What it found is answered and shown from then on, failures too."""
    path = f"/v1/integrations/{synced.id}"
    asked = client.post(f"{path}/operations/run", json={"operation": "HealthCheck"})
    assert asked.status_code == 200
    report = asked.json()
    assert (report["status"], report["exitCode"]) == ("healthy", 0)
    assert client.get(path).json()["health"]["checks"] == report["checks"]
    (account,) = [pk for pk, user in server.fake.directory.users.items() if user["username"] == "it-viewer"]
    server.fake.directory.update_user(account, is_active=False)
    report = client.post(f"{path}/operations/run", json={"operation": "HealthCheck"}).json()
    assert report["exitCode"] == 77
    assert client.get(path).json()["health"]["exitCode"] == 77


def test_disconnect_tells_what_is_left_to_do(client: httpx.Client, synced: Installation) -> None:
    """The credential is gone, the history stays, and no sync can be asked for."""
    path = f"/v1/integrations/{synced.id}"
    ended = client.post(f"{path}/disconnect").json()
    assert (ended["status"], ended["credentialStored"], ended["nextRunAt"]) == ("DISABLED", False, None)
    assert "delete it there" in ended["reason"]["remedy"]
    assert error_of(client.post(f"{path}/operations/run", json={"operation": "DirectorySync"}), 409)
    assert error_of(client.post(f"{path}/operations/run", json={"operation": "HealthCheck"}), 409)
    assert every_item(client, f"{path}/accounts")
    assert every_item(client, f"{path}/runs")


@pytest.mark.parametrize("kind", ["accounts", "groups", "memberships", "changes"])
def test_paging_gives_every_record_once(client: httpx.Client, synced: Installation, kind: str) -> None:
    """However many are asked for at a time, now and as of a run: all of them, none twice, in one order."""
    path = f"/v1/integrations/{synced.id}/{kind}"
    whole = every_item(client, path, limit=1000)
    assert whole

    @settings(max_examples=8, deadline=None)
    @given(limit=st.integers(1, len(whole) + 1), as_of=st.booleans())
    def turned(limit: int, as_of: bool) -> None:  # noqa: FBT001 - named by hypothesis
        limit = max(limit, len(whole) // 12 + 1)
        query: dict[str, Any] = {"asOf": 1} if as_of and kind != "changes" else {}
        items = every_item(client, path, limit=limit, **query)
        named = [(one["externalId"], one["groupId"], one.get("schema")) for one in items]
        assert named == [(one["externalId"], one["groupId"], one.get("schema")) for one in whole]

    turned()


def test_runs_are_paged(host: Host, client: httpx.Client, synced: Installation) -> None:
    """The newest first, each once."""
    for _ in range(4):
        run_now(host, synced.id)
    path = f"/v1/integrations/{synced.id}/runs"
    assert [run["number"] for run in every_item(client, path, limit=2)] == [5, 4, 3, 2, 1]
    assert every_item(client, path, limit=2, status="FAILED") == []


def test_when_was_this_person_deactivated(
    host: Host, client: httpx.Client, server: Server, synced: Installation
) -> None:
    """The change log answers: the run, the moment, the field, before and after; and as of then they were active."""
    directory = server.fake.directory
    pk, user = next(
        (pk, user) for pk, user in directory.users.items() if user["is_active"] and user["type"] == "internal"
    )
    directory.update_user(pk, is_active=False)
    run = run_now(host, synced.id)
    path = f"/v1/integrations/{synced.id}"
    (line,) = every_item(client, f"{path}/changes", externalId=user["uid"], kind="changed")
    assert (line["runId"], line["runNumber"], line["fields"]) == (run.id, 2, ["status"])
    assert (line["before"]["status"], line["after"]["status"]) == ("ACTIVE", "INACTIVE")
    assert line["at"]
    then = every_item(client, f"{path}/accounts", account=user["uid"], asOf=1)
    now = every_item(client, f"{path}/accounts", account=user["uid"])
    assert [one["record"]["status"] for one in (*then, *now)] == ["ACTIVE", "INACTIVE"]
    assert every_item(client, f"/v1/runs/{run.id}/changes", schema="DirectoryAccount") == [line]


def test_memberships_of_an_account_and_of_a_group(client: httpx.Client, synced: Installation) -> None:
    """Who is where can be asked from both ends."""
    path = f"/v1/integrations/{synced.id}"
    whole = [(one["externalId"], one["groupId"]) for one in every_item(client, f"{path}/memberships")]
    account, group = whole[0]
    of_account = every_item(client, f"{path}/memberships", account=account)
    of_group = every_item(client, f"{path}/memberships", group=group)
    assert [one["groupId"] for one in of_account] == [there for who, there in whole if who == account]
    assert [one["externalId"] for one in of_group] == [who for who, there in whole if there == group]
    assert [one["externalId"] for one in every_item(client, f"{path}/groups", group=group)] == [group]


def test_search_takes_wildcards_for_what_they_are(
    host: Host, client: httpx.Client, server: Server, synced: Installation
) -> None:
    """Percent sign, underscore, backslash and quotes are letters like others; case does not matter."""
    for number, name in enumerate(["50% off", "snake_case", "back\\slash", 'O\'Neill "Bob"', "ÉMILE"]):
        server.fake.directory.create_user(username=f"odd-{number}", name=name, email="")
    run_now(host, synced.id)

    def found(search: str) -> set[str]:
        items = every_item(client, f"/v1/integrations/{synced.id}/accounts", search=search)
        return {one["record"]["display_name"] for one in items}

    assert found("0% o") == {"50% off"}
    assert found("snake_c") == {"snake_case"}
    assert found("k\\s") == {"back\\slash"}
    assert found("o'neill \"b") == {'O\'Neill "Bob"'}
    assert found("émile") == {"ÉMILE"}
    assert found("%") == {"50% off"}
    assert found("';--") == set()


def test_authentiks_usernames_and_logins_are_listed(client: httpx.Client, server: Server, synced: Installation) -> None:
    """What authentik calls ``username`` and ``last_login`` stands in the API's list, and finds the account."""
    users = {user["uid"]: user for user in server.fake.directory.users.values()}
    path = f"/v1/integrations/{synced.id}/accounts"
    items = client.get(path, params={"limit": 1000}).json()["items"]
    assert {one["externalId"]: one["username"] for one in items} == {
        uid: user["username"] for uid, user in users.items()
    }
    logged_in = {uid for uid, user in users.items() if user["last_login"]}
    assert {one["externalId"] for one in items if one["lastLoginAt"]} == logged_in != set()
    uid, user = next(iter(users.items()))
    found = client.get(path, params={"search": user["username"].upper()}).json()["items"]
    assert uid in {one["externalId"] for one in found}


def test_the_past_is_asked_for_by_date(client: httpx.Client, synced: Installation) -> None:
    """Lists and exports take a date or a time; one before the first run is refused with when that was."""
    (run,) = client.get(f"/v1/integrations/{synced.id}/runs").json()["items"]
    ended = run["completedAt"]
    for name in ("accounts", "groups", "memberships", "export"):
        path = f"/v1/integrations/{synced.id}/{name}"
        by_number = client.get(path, params={"asOf": 1})
        for when in (ended[:10], ended):
            answer = client.get(path, params={"asOf": when})
            assert answer.status_code == 200
            assert name == "export" or answer.json() == by_number.json()
        told = error_of(client.get(path, params={"asOf": "2001-01-01"}), 404)["message"]
        assert ended in told
    file = client.get(f"/v1/integrations/{synced.id}/export", params={"asOf": ended})
    assert "run-1.csv" in file.headers["content-disposition"]


def test_export_of_who_has_what(host: Host, client: httpx.Client, server: Server, synced: Installation) -> None:
    """CSV and NDJSON say the same, now and as of a run; both come as files."""
    gone = next(iter(server.fake.directory.users))
    uid = server.fake.directory.users[gone]["uid"]
    server.fake.directory.delete_user(gone)
    run_now(host, synced.id)
    path = f"/v1/integrations/{synced.id}/export"

    def exported(**query: Any) -> list[dict[str, Any]]:
        as_lines = client.get(path, params={"format": "ndjson", **query})
        as_table = client.get(path, params={"format": "csv", **query})
        assert as_table.headers["content-type"].startswith("text/csv")
        assert "attachment" in as_table.headers["content-disposition"]
        about, *lines = [json.loads(line) for line in as_lines.text.splitlines()]
        assert about["export"]["installationId"] == synced.id
        rows = list(csv.DictReader(io.StringIO(as_table.content.decode("utf-8-sig"))))
        assert [(row["accountId"], row["groupId"]) for row in rows] == [
            (line["accountId"], line["groupId"] or "") for line in lines
        ]
        return lines

    assert uid in {line["accountId"] for line in exported(asOf=1)}
    assert uid not in {line["accountId"] for line in exported()}
    assert error_of(client.get(path, params={"asOf": 99}), 404)["code"] == "not_found"


def test_a_broken_off_export_lets_go_of_the_database() -> None:
    """However the sending ends, what the file is read from is closed."""
    closed: list[bool] = []

    def chunks() -> Generator[bytes, None, None]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    async def gone(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError

    async def received() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    with pytest.raises(ClientDisconnect):
        asyncio.run(Download(chunks(), "who.csv", "text/csv")(scope, received, gone))
    assert closed == [True]


def test_removals_are_confirmed_or_dismissed(
    host: Host, web: Web, client: httpx.Client, server: Server, synced: Installation
) -> None:
    """The list is paged; dismissing keeps it all; confirming asks for the run that then removes exactly these."""
    keeper = {"it-viewer"}
    people = [pk for pk, user in server.fake.directory.users.items() if user["username"] not in keeper]
    gone = {server.fake.directory.users[pk]["uid"] for pk in people}
    server.fake.directory.delete_users(people)
    run_now(host, synced.id)
    path = f"/v1/integrations/{synced.id}/attention"
    (asked,) = client.get(path).json()["items"]
    assert asked["message"].startswith("needs attention: 12 of 13 accounts")
    listed = every_item(client, f"{path}/{asked['id']}", limit=5)
    assert {one["externalId"] for one in listed if one["schema"] == "DirectoryAccount"} == gone
    assert client.post(f"{path}/{asked['id']}/dismiss").json()["status"] == "dismissed"
    assert error_of(client.post(f"{path}/{asked['id']}/confirm"), 409)["code"] == "conflict"
    run_now(host, synced.id)
    (asked,) = client.get(path).json()["items"]
    before = len(web.wakes)
    assert client.post(f"{path}/{asked['id']}/confirm").json()["status"] == "confirmed"
    assert len(web.wakes) == before + 1
    run_now(host, synced.id)
    left = {one["externalId"] for one in every_item(client, f"/v1/integrations/{synced.id}/accounts")}
    assert not left & gone
    every = client.get(path, params={"status": "all"}).json()["items"]
    assert [one["runId"] == asked["runId"] for one in every] == [True, False]
    assert client.get(path).json()["items"] == []
