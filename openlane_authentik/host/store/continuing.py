"""What goes on under another id: the successors of accounts that end as replaced, and their memberships.

The log has a line of kind ``replaced`` for what ends, which names its ``successor``, and one of kind ``succeeded`` for
what goes on, which names its ``predecessor`` and has the predecessor's record as what was before. When it was first
seen stays what it was of the predecessor: the same person holds the same access without a break. Who was out of scope,
or goes out of it with the run, goes on out of scope.
"""

from typing import Any, Final

import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.store.changes import Moment, write_lines
from openlane_authentik.host.store.kinds import ACCOUNTS, Kind, ending, held_back
from openlane_authentik.host.store.moves import REPLACED, is_named, membership_is_kept_out

SUCCEEDED: Final = "succeeded"


def continue_episodes(held: sa.Connection, kind: Kind, moment: Moment, *, synced: bool) -> int:
    """Begin the episodes that go on where those that ``staged_ending`` calls replaced end, before these do.

    A membership that an unproven set did not hand over goes on as it was last seen. A successor that is there already,
    beside the account that it replaces, takes over when that one was first seen.

    Args:
        held: Within the transaction.
        kind: Which records.
        moment: Of the run.
        synced: Whether there was a set of them.

    Returns:
        How many of the records received begin so.
    """
    replaced = sa.and_(ending.c.schema == kind.schema.value, ending.c.kind == REPLACED)
    if not held.scalar(sa.select(sa.exists().where(replaced))):
        return 0
    heirs = _Heirs(kind, moment, replaced, synced=synced)
    write_lines(held, moment, heirs.lines(), sa.true())
    held.execute(heirs.take_over())
    received = held.scalar(heirs.received()) or 0
    held.execute(heirs.begin())
    return received


class _Heirs:
    """Every successor with the episode that it goes on from, what was received of it, and its own episode, if any."""

    def __init__(self, kind: Kind, moment: Moment, replaced: sa.ColumnElement[bool], *, synced: bool) -> None:
        columns = ending.c
        self._kind, self._moment = kind, moment
        # Where several have one successor, it goes on from the first of them.
        self._heir = (
            sa.select(columns.successor, columns.group_id, sa.func.min(columns.external_id).label("predecessor"))
            .where(replaced)
            .group_by(columns.successor, columns.group_id)
            .subquery()
        )
        self._old, self._own = kind.table.alias(), kind.table.alias()
        self._from_old = sa.and_(
            kind.open(moment.installation_id, self._old), self._is_of(self._heir.c.predecessor, self._old)
        )
        self._rows = (
            self._heir.join(self._old, self._from_old)
            .outerjoin(kind.staged, self._is_of(self._heir.c.successor, kind.staged))
            .outerjoin(self._own, self._open(self._own))
        )
        self._out_of_scope_at = self._out(synced=synced)

    def lines(self) -> sa.Select[Any]:
        """Return the lines of the log."""
        heir, schema, received = self._heir.c, self._kind.schema, self._kind.staged.c
        name = (sa.literal(schema.value), heir.successor, heir.group_id)
        search = (
            sa.literal("")
            if schema is Schema.MEMBERSHIP
            else sa.func.coalesce(received.search, self._own.c.search, self._old.c.search)
        )
        record = sa.func.coalesce(received.record, self._own.c.record, self._old.c.record)
        after = sa.case((self._out_of_scope_at.is_(None), record))
        told = (sa.literal(SUCCEEDED), self._old.c.record, after, search, heir.predecessor, sa.null(), self._since())
        # Of one that moves with this run itself its own line tells, and a record has one line a run.
        moves = sa.exists().where(self._kind.named(ending, self._own))
        return sa.select(*name, *told).select_from(self._rows).where(~moves)

    def take_over(self) -> sa.Update:
        """Give to those that are there already what they take over, and the record that was logged."""
        table, received, first = self._kind.table, self._kind.staged, self._old.c.first_seen_at
        record = sa.select(received.c.record).where(self._kind.same(received)).scalar_subquery()
        values = {
            "first_seen_at": sa.case((first < table.c.first_seen_at, first), else_=table.c.first_seen_at),
            "record": sa.func.coalesce(record, table.c.record),
            "out_of_scope_at": sa.case((record.is_(None), table.c.out_of_scope_at)),
        }
        return sa.update(table).where(self._open(table), self._from_old).values(values | self._predecessor())

    def received(self) -> sa.Select[Any]:
        """Count those received that begin."""
        seen = self._kind.staged.c.seen_at.is_not(None)
        return sa.select(sa.func.count()).select_from(self._rows).where(seen, self._own.c.id.is_(None))

    def begin(self) -> sa.Insert:
        """Begin an episode for each that is not there yet."""
        table, received, heir, run_id = self._kind.table, self._kind.staged.c, self._heir.c, self._moment.run_id
        earlier = table.alias()
        of_it = sa.and_(earlier.c.installation_id == self._moment.installation_id, self._is_of(heir.successor, earlier))
        episode = sa.select(sa.func.coalesce(sa.func.max(earlier.c.episode), 0) + 1).where(of_it)
        old = self._old.c
        values: dict[str, Any] = {
            **dict(zip(self._kind.keys, (heir.successor, heir.group_id), strict=False)),
            **{column: sa.func.coalesce(received[column], old[column]) for column in self._kind.shown},
            **self._predecessor(),
            "installation_id": sa.literal(self._moment.installation_id),
            "episode": episode.correlate(self._heir).scalar_subquery(),
            "record": sa.func.coalesce(received.record, old.record),
            "first_seen_at": old.first_seen_at,
            "last_seen_at": sa.func.coalesce(received.seen_at, old.last_seen_at),
            "last_confirmed_run_id": sa.case((received.seen_at.is_(None), old.last_confirmed_run_id), else_=run_id),
            "out_of_scope_at": self._out_of_scope_at,
        }
        new = sa.select(*values.values()).select_from(self._rows).where(self._own.c.id.is_(None))
        return sa.insert(table).from_select(list(values), new.order_by(heir.successor, heir.group_id))

    def _predecessor(self) -> dict[str, Any]:
        return {"predecessor": self._heir.c.predecessor} if "predecessor" in self._kind.table.c else {}

    def _is_of(self, account_id: sa.ColumnElement[str], one: sa.FromClause) -> sa.ColumnElement[bool]:
        external_id, group_id = self._kind.log_keys(one)
        return sa.and_(external_id == account_id, group_id == self._heir.c.group_id)

    def _open(self, one: sa.FromClause) -> sa.ColumnElement[bool]:
        return sa.and_(self._kind.open(self._moment.installation_id, one), self._is_of(self._heir.c.successor, one))

    def _since(self) -> sa.ColumnElement[str]:
        """Return when what goes on was first seen."""
        first, own = self._old.c.first_seen_at, self._own.c.first_seen_at
        return sa.case((own < first, own), else_=first)

    def _out(self, *, synced: bool) -> sa.ColumnElement[str | None]:
        """Return since when what goes on is out of scope; null for what is in scope."""
        heir, before = self._heir.c, self._old.c.out_of_scope_at
        # A successor that is nowhere is one that the filter keeps out.
        kept_out = (
            ~is_named(held_back, self._kind.schema, heir.successor)
            if self._kind is ACCOUNTS
            else membership_is_kept_out(self._moment.installation_id, heir.successor, heir.group_id)
        )
        return sa.case(
            (self._kind.staged.c.seen_at.is_not(None), sa.null()),
            (self._own.c.id.is_not(None), self._own.c.out_of_scope_at),
            (kept_out if synced else sa.true(), sa.func.coalesce(before, self._moment.now)),
            else_=before,
        )
