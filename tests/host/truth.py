"""What the store must hold, and what it does: a directory as a full sync tells it, against the host's own lists."""

import asyncio
from collections.abc import Container, Iterator
from typing import Any, Final

import msgspec

from openlane_authentik import AuthentikIntegration, Schema, parse_credential
from openlane_authentik.host.database.tables import (
    account,
    attention,
    change,
    group,
    installation,
    membership,
    sync_run,
)
from openlane_authentik.host.host import Host
from openlane_authentik.host.runs import ACTIVE
from openlane_authentik.host.store.kinds import KINDS
from openlane_authentik.host.store.lists import list_records
from tests.host.killing import Source
from tests.host.running import look_up
from tests.support import KeepingSink

# The moments and the raw record, which the store keeps apart.
ASIDE: Final = frozenset({"last_seen_at", "observed_at", "last_login_at", "profile"})
STORED: Final = (account, group, membership, change, attention)

# Records by schema, id, and of memberships the group's id.
State = dict[tuple[str, str, str], dict[str, Any]]


def differences(
    before: State, after: State, earlier: Container[tuple[str, str, str]] = ()
) -> Iterator[tuple[str, str, str, str]]:
    """Return the lines that the log must have when the directory went from one state to the next.

    Args:
        before: Where it came from.
        after: Where it went.
        earlier: Records that were there at some time before that.
    """
    for key in sorted(before.keys() | after.keys()):
        if key not in before:
            yield (*key, "returned" if key in earlier else "added")
        elif key not in after:
            yield (*key, "removed")
        elif before[key] != after[key]:
            yield (*key, "changed")


def truth(source: Source) -> State:
    """Return the directory as a full sync tells it that nothing disturbs."""
    sink = KeepingSink()
    credential = parse_credential({"baseUrl": source.url, "token": source.token})
    asyncio.run(AuthentikIntegration(credential, transport=source.fake.transport()).directory_sync(sink))
    assert all(closing.snapshot_complete for closing in sink.closings.values())
    state: State = {}
    for envelope in sink.envelopes:
        record = {key: value for key, value in envelope.record.items() if key not in ASIDE}
        if envelope.schema == Schema.MEMBERSHIP:
            external_id, group_id = record["directory_account_id"], record["directory_group_id"]
        else:
            external_id, group_id = record["external_id"], ""
        state[envelope.schema.value, external_id, group_id] = record
    return state


def directory(host: Host, as_of: int | None = None) -> State:
    """Return the directory as the store tells it."""
    installation_id = only_installation(host).id
    state: State = {}
    for schema in Schema:
        after: str | None = None
        while True:
            page = list_records(host.database, schema, installation_id, as_of=as_of, after=after, limit=1000)
            for item in page.items:
                key = (schema.value, item.external_id, item.group_id or "")
                assert key not in state
                state[key] = msgspec.json.decode(item.record)
            after = page.next
            if after is None:
                break
    return state


def everything(host: Host) -> list[Any]:
    """Return all that a run may not change before it is whole."""
    connected = only_installation(host)
    return [connected.checkpoint, connected.status, *(sorted(look_up(host.database, table)) for table in STORED)]


def episodes(host: Host) -> set[tuple[str, str, str, int]]:
    """Return the episodes of every record, ended or not; see that none is there twice."""
    found = [
        (kind.schema.value, *(getattr(row, key) for key in kind.keys), *("",) * (2 - len(kind.keys)), row.episode)
        for kind in KINDS.values()
        for row in look_up(host.database, kind.table)
    ]
    assert len(set(found)) == len(found)
    return set(found)


def only_installation(host: Host) -> Any:
    """Return the row of the installation there is."""
    (row,) = look_up(host.database, installation)
    return row


def newest_run(host: Host) -> Any:
    """Return the last run; None when there is none."""
    return max(look_up(host.database, sync_run), key=lambda run: run.number, default=None)


def has_ended(host: Host, number: int) -> bool:
    """Return whether a run was, and is over."""
    run = newest_run(host)
    return run is not None and run.number >= number and run.status not in ACTIVE
