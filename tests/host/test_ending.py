"""Disconnect deletes the credential and stops everything; the history stays, and waits for the directory's return."""

import asyncio
from uuid import uuid4

import pytest
import sqlalchemy as sa

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.database.tables import attention, sync_run
from openlane_authentik.host.errors import (
    DisconnectedError,
    InvalidRequestError,
)
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import (
    SaveRequest,
    check_health,
    disconnect,
    read_credential,
    save,
)
from openlane_authentik.host.providers import Providers
from openlane_authentik.testing import Server
from tests.host.support import (
    AUTHENTIK,
    ORGANISATION,
    connect_demo,
    put,
    request_run,
    row_of,
)
from tests.support import SimulatedClock

PRIMARY = {"primaryDirectory": True}


def test_disconnect_ends_everything_but_the_history(
    host: Host, server: Server, token: str, clock: SimulatedClock
) -> None:
    """No credential, no checkpoint, no schedule, no mark; the run is closed; and what is left to do is told."""
    saved = connect_demo(host, server.url, token, user_input=PRIMARY)
    run_id = request_run(host, saved.id)
    put(host, saved.id, checkpoint=b"old")
    with transaction(host.database) as held:
        held.execute(
            attention.insert().values(
                id=uuid4().hex,
                installation_id=saved.id,
                run_id=run_id,
                status="open",
                counts={},
                created_at=host.now(),
            )
        )
    clock.elapsed += 5
    ended = disconnect(host, saved.id)
    assert (ended.status, ended.credential_stored, ended.next_run_at, ended.is_primary) == (
        "DISABLED",
        False,
        None,
        False,
    )
    assert ended.reason is not None
    assert ended.reason["code"] == "disconnected"
    assert "delete it there under Directory > Tokens" in ended.reason["remedy"]
    row = row_of(host, saved.id)
    assert (row.credential, row.checkpoint) == (None, None)
    with reading(host.database) as held:
        closed = held.execute(sa.select(sync_run).where(sync_run.c.id == run_id)).one()
        assert (closed.status, closed.error["code"]) == ("FAILED", "disconnected")
        assert held.scalars(sa.select(attention.c.status)).all() == ["dismissed"]
    with pytest.raises(DisconnectedError):
        read_credential(host, saved.id)
    with pytest.raises(DisconnectedError):
        asyncio.run(check_health(host, saved.id))
    clock.elapsed += 5
    assert disconnect(host, saved.id) == ended


def test_an_integration_that_is_gone_can_still_be_disconnected(
    host: Host, settings: HostSettings, server: Server, token: str
) -> None:
    """Deleting a credential needs nobody's help."""
    saved = connect_demo(host, server.url, token)
    without = open_host(settings, providers=Providers({}))
    ended = disconnect(without, saved.id)
    assert ended.reason is not None
    assert "provider" in ended.reason["remedy"]
    without.close()


@pytest.mark.parametrize("asked", ["by its id", "by its directory"])
def test_a_directory_that_comes_back_is_the_installation_it_was(
    asked: str, host: Host, server: Server, token: str
) -> None:
    """The same id, and so the same history, whether its id was given or the directory was just connected anew."""
    saved = connect_demo(host, server.url, token)
    run_id = request_run(host, saved.id)
    with transaction(host.database) as held:
        held.execute(sync_run.update().where(sync_run.c.id == run_id).values(status="COMPLETED"))
    disconnect(host, saved.id)
    revived = connect_demo(host, server.url, token, installation_id=saved.id if asked == "by its id" else None)
    assert (revived.id, revived.status, revived.reason) == (saved.id, "CONNECTED", None)
    assert revived.next_run_at == host.now()
    assert revived.created_at == saved.created_at


def test_a_disconnected_installation_needs_a_whole_credential(host: Host, server: Server, token: str) -> None:
    """Nothing is kept that could fill an empty field."""
    saved = connect_demo(host, server.url, token)
    disconnect(host, saved.id)
    with pytest.raises(InvalidRequestError, match="baseUrl, token missing"):
        asyncio.run(save(host, AUTHENTIK, SaveRequest(organisation=ORGANISATION), saved.id))
