"""One directory is connected once an organisation, and one of its directories is primary, whoever saves at once."""

import pytest

from openlane_authentik.host.errors import (
    ConflictError,
)
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import (
    Installation,
    disconnect,
    list_installations,
)
from openlane_authentik.testing import Server
from tests.host.support import (
    at_once,
    connect_demo,
    dump,
    put,
    row_of,
)
from tests.support import SimulatedClock

PRIMARY = {"primaryDirectory": True}


def test_a_directory_is_connected_once_an_organisation(
    host: Host, server: Server, token: str, other_server: Server
) -> None:
    """A second time is a conflict, for another organisation it is none; and an installation stays what it is."""
    saved = connect_demo(host, server.url, token)
    before = dump(host.database)
    with pytest.raises(ConflictError, match=saved.id):
        connect_demo(host, server.url, token)
    with pytest.raises(ConflictError, match="another directory"):
        connect_demo(host, other_server.url, other_server.fake.token("viewer"), installation_id=saved.id)
    with pytest.raises(ConflictError, match="organisation"):
        connect_demo(host, server.url, token, installation_id=saved.id, organisation="org-2")
    assert dump(host.database) == before
    assert connect_demo(host, server.url, token, organisation="org-2").id != saved.id


def test_two_at_once_connect_a_directory_once(host: Host, server: Server, token: str) -> None:
    """Of two people who connect the same directory at the same moment, one is told of the other."""
    results = at_once(lambda: connect_demo(host, server.url, token), lambda: connect_demo(host, server.url, token))
    assert sorted(type(result).__name__ for result in results) == ["ConflictError", "Installation"]
    assert len(list_installations(host)) == 1


def test_the_new_primary_takes_the_mark_from_the_old(
    host: Host, server: Server, token: str, other_server: Server, clock: SimulatedClock
) -> None:
    """Row and form of the old say so, its checkpoint is gone, and other organisations keep theirs."""
    first = connect_demo(host, server.url, token, user_input=PRIMARY)
    elsewhere = connect_demo(host, server.url, token, user_input=PRIMARY, organisation="org-2")
    put(host, first.id, checkpoint=b"old")
    put(host, elsewhere.id, checkpoint=b"kept")
    clock.elapsed += 60
    second = connect_demo(host, other_server.url, other_server.fake.token("viewer"), user_input=PRIMARY)
    resigned = row_of(host, first.id)
    assert second.is_primary
    assert (resigned.is_primary, resigned.user_input, resigned.checkpoint) == (False, {"primaryDirectory": False}, None)
    # So that a run that is under way brings no checkpoint back: see ``settle_installation``.
    assert resigned.version == 2
    assert (row_of(host, elsewhere.id).is_primary, row_of(host, elsewhere.id).checkpoint) == (True, b"kept")


def test_two_saves_at_once_end_with_one_primary(host: Host, server: Server, token: str, other_server: Server) -> None:
    """From two threads, new and existing installations alike, over and over: always exactly one."""
    other_token = other_server.fake.token("viewer")
    for _ in range(4):
        ids = {row.instance_id: row.id for row in list_installations(host)}
        results = at_once(
            lambda: connect_demo(
                host,
                server.url,
                token,
                user_input=PRIMARY,
                installation_id=ids.get(server.url.removeprefix("http://")),  # noqa: B023 - called within the turn
            ),
            lambda: connect_demo(
                host,
                other_server.url,
                other_token,
                user_input=PRIMARY,
                installation_id=ids.get(other_server.url.removeprefix("http://")),  # noqa: B023 - as above
            ),
        )
        assert all(isinstance(result, Installation) for result in results), results
        marked = [row for row in list_installations(host) if row.is_primary]
        assert [row.user_input for row in marked] == [PRIMARY]
        assert sum(bool(row.user_input.get("primaryDirectory")) for row in list_installations(host)) == 1


def test_reconnecting_the_same_directory_keeps_the_mark(
    host: Host, server: Server, token: str, other_server: Server
) -> None:
    """Disconnected and connected again a directory is primary as before, so that no record changes for it.

    Unless another directory became primary meanwhile: that one stays so.
    """
    first = connect_demo(host, server.url, token, user_input=PRIMARY)
    disconnect(host, first.id)
    assert not row_of(host, first.id).is_primary
    again = connect_demo(host, server.url, token)
    assert (again.id, again.is_primary, again.user_input) == (first.id, True, PRIMARY)
    disconnect(host, first.id)
    second = connect_demo(host, other_server.url, other_server.fake.token("viewer"), user_input=PRIMARY)
    again = connect_demo(host, server.url, token)
    assert not again.is_primary
    assert row_of(host, second.id).is_primary
