"""Installations: nothing is stored before its health check passed, and what a save changes and keeps."""

import asyncio
from typing import Any

import msgspec
import pytest

from openlane_authentik.errors import BaseUrlError, FilterError
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import sync_run
from openlane_authentik.host.errors import (
    ConflictError,
    InvalidRequestError,
    UnhealthyError,
    UnknownProviderError,
    UnknownRecordError,
)
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import (
    InstallationStatus,
    SaveRequest,
    check_health,
    disconnect,
    get_installation,
    list_installations,
    read_credential,
    save,
)
from openlane_authentik.integration import AuthentikIntegration
from openlane_authentik.testing import Fault, Server
from tests.host.support import (
    AUTHENTIK,
    ORGANISATION,
    connect_demo,
    demo_request,
    dump,
    put,
    request_run,
    row_of,
)
from tests.support import SimulatedClock

PRIMARY = {"primaryDirectory": True}


def test_a_saved_installation_is_due_at_once(host: Host, server: Server, token: str, clock: SimulatedClock) -> None:
    """It waits for its first run, knows which directory it is, and shows that it has a credential and not which."""
    saved = connect_demo(host, server.url, token, name="Staff", frequency_seconds=900)
    assert (saved.status, saved.next_run_at, saved.frequency_seconds) == ("PENDING", host.now(), 900)
    assert saved.instance_id == server.url.removeprefix("http://")
    assert saved.health is not None
    assert saved.health["exitCode"] == 0
    shown = msgspec.to_builtins(saved)
    assert shown["credentialStored"] is True
    assert not {"credential", "checkpoint"} & shown.keys()
    assert (get_installation(host, saved.id), list_installations(host, ORGANISATION)) == (saved, [saved])
    assert list_installations(host, "org-2") == []
    assert clock.elapsed == 0


def test_it_is_called_what_it_is_told_else_what_the_provider_says(host: Host, server: Server, token: str) -> None:
    """The request's name, else the form's, else the brand."""
    saved = connect_demo(host, server.url, token)
    assert saved.name == "authentik"
    again: dict[str, Any] = {"installation_id": saved.id, "user_input": {"name": "Form"}}
    assert connect_demo(host, server.url, token, **again).name == "Form"
    assert connect_demo(host, server.url, token, **again, name="Asked").name == "Asked"


@pytest.mark.parametrize("kind", ["none", "object_level", "expired", "unknown"])
def test_a_failing_check_stores_nothing(kind: str, host: Host, server: Server) -> None:
    """A token that is refused or sees nothing: the report says why, and no table has a new row."""
    before = dump(host.database)
    refused = "a-token-that-was-never-made" if kind == "unknown" else server.fake.token(kind)
    with pytest.raises(UnhealthyError) as caught:
        connect_demo(host, server.url, refused)
    assert caught.value.exit_code == 77
    assert any(check["status"] == "fail" and check["remedy"] for check in caught.value.report["checks"])
    assert dump(host.database) == before


def test_a_failing_save_leaves_an_installation_as_it_was(
    host: Host, server: Server, token: str, clock: SimulatedClock
) -> None:
    """Every column: the credential, the checkpoint, the state it was in."""
    saved = connect_demo(host, server.url, token, user_input=PRIMARY)
    put(host, saved.id, checkpoint=b"kept", status="ERRORED", reason={"code": "x"}, failures_in_a_row=3)
    before = dump(host.database)
    clock.elapsed += 60
    with pytest.raises(UnhealthyError):
        connect_demo(host, server.url, server.fake.token("none"), installation_id=saved.id, name="New")
    with pytest.raises(FilterError):
        connect_demo(host, server.url, token, installation_id=saved.id, user_input={"filterExpr": "payload."})
    server.fake.inject(Fault.status(500), when=lambda path, _query: "core/brands" in path, times=None)
    with pytest.raises(Exception, match="500"):
        connect_demo(host, server.url, token, installation_id=saved.id)
    assert dump(host.database) == before


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"credential": {"baseUrl": "http://127.0.0.1:1"}}, "credential: token missing"),
        ({"credential": {"baseUrl": "http://127.0.0.1:1", "token": 7}}, "credential.token: breaks the rule type"),
        ({"user_input": {"filter": "s3cret"}}, "userInput: unknown key 'filter'"),
        ({"user_input": {"disableGroupSync": "s3cret"}}, "userInput.disableGroupSync: breaks the rule type boolean"),
        ({"organisation": " "}, "organisation"),
        ({"timeout_seconds": 0, "breaker_share": 2.0}, "timeoutSeconds.*breakerShare"),
        ({"frequency_seconds": 0}, "frequencySeconds"),
        ({"frequency_seconds": -5}, "frequencySeconds"),
        ({"name": "x" * 201}, "name"),
    ],
)
def test_a_form_that_is_filled_in_wrong_is_told_by_place(change: dict[str, Any], place: str, host: Host) -> None:
    """Nothing is sent anywhere, and no value is repeated."""
    request = {"organisation": "o", "credential": {"baseUrl": "http://127.0.0.1:1", "token": "t0ken"}} | change
    with pytest.raises(InvalidRequestError, match=place) as caught:
        asyncio.run(save(host, AUTHENTIK, SaveRequest(**request)))
    assert "s3cret" not in str(caught.value)


def test_what_the_integration_refuses_keeps_its_own_code(host: Host) -> None:
    """The address is the integration's to judge, and its remedy is shown."""
    with pytest.raises(BaseUrlError) as caught:
        connect_demo(host, "http://authentik.example.test", "t0ken")
    assert caught.value.code == "base_url_invalid"


def test_unknown_ids_are_told(host: Host, server: Server, token: str) -> None:
    """Of integrations and of installations."""
    with pytest.raises(UnknownProviderError):
        asyncio.run(save(host, "def_none", demo_request(server.url, token)))
    with pytest.raises(UnknownRecordError):
        connect_demo(host, server.url, token, installation_id="none")
    for ask in (disconnect, get_installation, read_credential):
        with pytest.raises(UnknownRecordError):
            ask(host, "none")


@pytest.mark.parametrize("credential", [None, {}, {"token": ""}, {"token": None}])
def test_empty_fields_keep_what_is_stored(
    credential: dict[str, Any] | None, host: Host, server: Server, token: str
) -> None:
    """A form that shows no secret comes back without one; the token stays, and the checkpoint with it."""
    saved = connect_demo(host, server.url, token)
    put(host, saved.id, checkpoint=b"kept")
    given = None if credential is None else {"baseUrl": server.url, **credential}
    asyncio.run(save(host, AUTHENTIK, SaveRequest(organisation=ORGANISATION, credential=given), saved.id))
    assert read_credential(host, saved.id) == {"baseUrl": server.url, "token": token}
    assert row_of(host, saved.id).checkpoint == b"kept"


def test_a_stored_token_is_not_sent_to_another_address(
    host: Host, server: Server, token: str, other_server: Server
) -> None:
    """Who may change the address, and no more, must not get the token sent to it."""
    saved = connect_demo(host, server.url, token)
    moved = SaveRequest(organisation=ORGANISATION, credential={"baseUrl": other_server.url})
    with pytest.raises(InvalidRequestError, match="token: fill it in again"):
        asyncio.run(save(host, AUTHENTIK, moved, saved.id))
    assert other_server.fake.requests == []


def test_a_new_token_or_form_takes_the_checkpoint_away(host: Host, server: Server, token: str) -> None:
    """What another token sees, or another filter keeps, cannot go on from where the last run ended."""
    saved = connect_demo(host, server.url, token)
    changes: list[dict[str, Any]] = [
        {"token": server.fake.token("superuser")},
        {"token": server.fake.token("superuser"), "user_input": {"disableGroupSync": True}},
    ]
    for change in changes:
        put(host, saved.id, checkpoint=b"old")
        connect_demo(host, server.url, **{"installation_id": saved.id, **change})
        assert row_of(host, saved.id).checkpoint is None


def test_a_save_mends_what_a_person_had_to(host: Host, server: Server, token: str) -> None:
    """No reason, no failures, due now; CONNECTED if a run ever ended well, else PENDING."""
    saved = connect_demo(host, server.url, token)
    broken = {"status": "ERRORED", "reason": {"code": "x"}, "failures_in_a_row": 4, "next_run_at": None}
    put(host, saved.id, **broken)
    again = connect_demo(host, server.url, token, installation_id=saved.id)
    assert (again.status, again.reason, again.failures_in_a_row) == ("PENDING", None, 0)
    assert again.next_run_at == host.now()
    run_id = request_run(host, saved.id)
    with transaction(host.database) as held:
        held.execute(sync_run.update().where(sync_run.c.id == run_id).values(status="COMPLETED"))
    put(host, saved.id, **broken)
    assert connect_demo(host, server.url, token, installation_id=saved.id).status == "CONNECTED"


def test_a_save_that_another_one_overtook_is_refused(
    host: Host, server: Server, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept of the credential would be that of before: the later one looks again and decides anew."""
    saved = connect_demo(host, server.url, token)
    health_check = AuthentikIntegration.health_check

    async def disconnects_meanwhile(*arguments: Any) -> Any:
        report = await health_check(*arguments)
        await asyncio.to_thread(disconnect, host, saved.id)
        return report

    with monkeypatch.context() as patched:
        patched.setattr(AuthentikIntegration, "health_check", disconnects_meanwhile)
        with pytest.raises(ConflictError, match="meanwhile"):
            connect_demo(host, server.url, token, installation_id=saved.id)
    assert get_installation(host, saved.id).status == InstallationStatus.DISABLED


def test_a_check_is_kept_and_changes_nothing_else(
    host: Host, server: Server, token: str, clock: SimulatedClock
) -> None:
    """A check that fails is shown; the status is the runs' to change."""
    saved = connect_demo(host, server.url, token)
    server.fake.inject(Fault.status(403), when=lambda path, _query: "core/groups" in path, times=None)
    clock.elapsed += 60
    checked = asyncio.run(check_health(host, saved.id))
    assert checked.health is not None
    assert checked.health["exitCode"] != 0
    assert checked.health_checked_at == host.now()
    same = msgspec.structs.replace(checked, health=saved.health, health_checked_at=saved.health_checked_at)
    assert same == saved
