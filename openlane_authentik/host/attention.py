"""What an operator is asked: whether the records that a run would remove are really no more, or really replaced."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host import runs
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.database.tables import attention, attention_record
from openlane_authentik.host.errors import ConflictError, UnknownRecordError
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.breaker import CONFIRMED, DISMISSED, OPEN
from openlane_authentik.host.store.history import directory
from openlane_authentik.log import get_logger

_log = get_logger()
MOST_ROWS: Final = 1_000


class Attention(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A question to an operator.

    Attributes:
        run_id: The run that would have removed, or replaced, the records.
        status: ``open``, ``confirmed``, ``dismissed``, ``superseded`` by a newer list, ``resolved`` by a run that did
            not ask again, or ``applied``.
        counts: By schema what would be removed and replaced, as ``Removals`` of ``store.breaker``.
        message: The question in a sentence.
    """

    id: str
    installation_id: str
    run_id: str
    status: str
    counts: dict[str, Any]
    message: str
    created_at: str
    decided_at: str | None

    @property
    def records(self) -> int:
        """How many records it lists."""
        return sum(count["removed"] + count["replaced"] for count in self.counts.values())


class Candidate(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A record that would be removed, or replaced.

    Attributes:
        schema, external_id, group_id: Which.
        display_name: As it is now.
        kind: ``removed`` or ``replaced``.
        successor: Of ``replaced``, the account's id from then on.
    """

    schema: str
    external_id: str
    group_id: str | None
    display_name: str | None
    kind: str
    successor: str | None


def list_attention(host: Host, installation_id: str, *, status: str | None = OPEN) -> list[Attention]:
    """Return the questions of an installation, the newest first."""
    query = sa.select(attention).where(attention.c.installation_id == installation_id)
    if status is not None:
        query = query.where(attention.c.status == status)
    with reading(host.database) as held:
        rows = held.execute(query.order_by(attention.c.created_at.desc())).all()
    return [_view(row) for row in rows]


def list_candidates(
    host: Host, installation_id: str, attention_id: str, *, offset: int = 0, limit: int = 100
) -> list[Candidate]:
    """Return the records that a question is about, with the names they have now, a page at a time.

    Raises:
        UnknownRecordError: There is no such question.
    """
    listed = attention_record.c
    with reading(host.database) as held:
        _find(held, installation_id, attention_id)
        rows = held.execute(
            sa.select(listed.schema, listed.external_id, listed.group_id, listed.kind, listed.successor)
            .where(listed.attention_id == attention_id)
            .order_by(listed.schema, listed.external_id, listed.group_id)
            .offset(offset)
            .limit(min(limit, MOST_ROWS))
        ).all()
        names = {}
        for schema in (Schema.ACCOUNT, Schema.GROUP):
            records = directory(schema, installation_id)
            ids = [row.external_id for row in rows if row.schema == schema.value]
            for external_id, record in held.execute(
                sa.select(records.c.external_id, records.c.record).where(records.c.external_id.in_(ids))
            ):
                names[schema.value, external_id] = msgspec.json.decode(record).get("display_name")
    return [
        Candidate(
            schema=row.schema,
            external_id=row.external_id,
            group_id=row.group_id or None,
            display_name=names.get((row.schema, row.external_id)),
            kind=row.kind,
            successor=row.successor,
        )
        for row in rows
    ]


def confirm(host: Host, installation_id: str, attention_id: str) -> Attention:
    """Say that exactly the listed records are no more, or replaced: the next run that proves it again ends them so.

    That run is asked for at once. Whatever it would end beside the list, or otherwise, counts against the limits as
    ever.

    Raises:
        UnknownRecordError: There is no such question.
        ConflictError: It is not open any more, as when a newer run asks about other records; or the installation was
            stopped, so that no run could prove anything.
    """
    with transaction(host.database) as held:
        decided = _decide(held, installation_id, attention_id, CONFIRMED, host.now())
        runs.request_run(held, installation_id, "manual", host.clock.now())
    return decided


def dismiss(host: Host, installation_id: str, attention_id: str) -> Attention:
    """Say that the listed records are not to be ended; a later run that finds them missing asks again.

    Raises:
        UnknownRecordError, ConflictError: See ``confirm``.
    """
    with transaction(host.database) as held:
        return _decide(held, installation_id, attention_id, DISMISSED, host.now())


def _decide(held: sa.Connection, installation_id: str, attention_id: str, status: str, now: str) -> Attention:
    runs.lock_installation(held, installation_id)
    decided = held.execute(
        sa.update(attention)
        .where(
            attention.c.id == attention_id,
            attention.c.installation_id == installation_id,
            attention.c.status == OPEN,
        )
        .values(status=status, decided_at=now)
    )
    row = _find(held, installation_id, attention_id)
    if decided.rowcount != 1:
        raise ConflictError(f"the list is {row.status}: it was decided already, or a newer run asks about others")
    _log.info("attention decided", installation_id=installation_id, attention_id=attention_id, decision=status)
    return _view(row)


def _find(held: sa.Connection, installation_id: str, attention_id: str) -> Any:
    row = held.execute(
        sa.select(attention).where(attention.c.id == attention_id, attention.c.installation_id == installation_id)
    ).one_or_none()
    if row is None:
        raise UnknownRecordError("the installation has no such list")
    return row


def _view(row: Any) -> Attention:
    return Attention(
        id=row.id,
        installation_id=row.installation_id,
        run_id=row.run_id,
        status=row.status,
        counts=row.counts,
        message=f"needs attention: {'; '.join(_parts(row.counts))}",
        created_at=row.created_at,
        decided_at=row.decided_at,
    )


def _parts(counts: dict[str, Any]) -> Iterator[str]:
    replaced = [f"{count['replaced']:,} {Schema(name).plural}" for name, count in counts.items() if count["replaced"]]
    if replaced:
        told = "come back under another identifier: the directory was restored or upgraded"
        yield f"{', '.join(replaced)} {told}"
    removed = [
        f"{count['removed']:,} of {count['present']:,} {Schema(name).plural}{_lately(count)}"
        for name, count in counts.items()
        if count["removed"]
    ]
    if removed:
        yield f"{', '.join(removed)} would be removed"


def _lately(count: dict[str, Any]) -> str:
    """Describe what went before in slices, where anything did."""
    lately = count["removedLately"]
    return f" (after {lately:,} of {count['presentBefore']:,} in the last 24 hours)" if lately else ""
