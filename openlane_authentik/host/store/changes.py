"""What a run changes: the lines of the change log, and the episodes that begin, change and are confirmed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.tables import change
from openlane_authentik.host.store.kinds import KINDS, Kind, ending, held_back, left_out, told_ended

ADDED: Final = "added"
CHANGED: Final = "changed"
RETURNED: Final = "returned"
IN_SCOPE: Final = "in_scope"
_ROWS: Final = 5_000
_NOT_NAMED: Final = frozenset({"profile_hash", "external_id"})
_LOG: Final = (
    "installation_id",
    "run_id",
    "number",
    "at",
    "schema",
    "external_id",
    "group_id",
    "kind",
    "before",
    "after",
    "search",
    "predecessor",
    "successor",
    "since",
)
_KEYS_OF_LOG: Final = slice(_LOG.index("external_id"), _LOG.index("group_id") + 1)


@dataclass(frozen=True, slots=True)
class Moment:
    """Which run takes its records over, and when."""

    installation_id: str
    run_id: str
    number: int
    now: str

    @property
    def columns(self) -> list[sa.ColumnElement[Any]]:
        """Return the first columns of a line of the log."""
        return [
            sa.literal(self.installation_id),
            sa.literal(self.run_id),
            sa.literal(self.number),
            sa.literal(self.now),
        ]


def begin_episodes(held: sa.Connection, kind: Kind, moment: Moment) -> int:
    """Begin an episode for each record received that has none, and log it as added, or as returned; return how many."""
    table, received = kind.table, kind.staged
    earlier = table.alias()
    of_it = sa.and_(earlier.c.installation_id == moment.installation_id, kind.same(received, earlier))
    new = ~sa.exists().where(kind.open(moment.installation_id), kind.same(received))
    how = sa.case((sa.exists().where(of_it), RETURNED), else_=ADDED)
    lines = sa.select(
        *_told(kind, received, how),
        sa.null(),
        received.c.record,
        _search(received),
        sa.null(),
        sa.null(),
        received.c.seen_at,
    )
    write_lines(held, moment, lines, new)
    episode = sa.select(sa.func.coalesce(sa.func.max(earlier.c.episode), 0) + 1).where(of_it).scalar_subquery()
    copied = [*kind.keys, "record", *kind.shown]
    seen = received.c.seen_at
    begun = held.execute(
        sa.insert(table).from_select(
            [*copied, "installation_id", "episode", "first_seen_at", "last_seen_at", "last_confirmed_run_id"],
            sa.select(
                *(received.c[column] for column in copied),
                sa.literal(moment.installation_id),
                episode,
                seen,
                seen,
                sa.literal(moment.run_id),
            )
            .where(new)
            .order_by(*(received.c[key] for key in kind.keys)),
        ),
        execution_options={"preserve_rowcount": True},
    )
    return begun.rowcount


def take_back_into_scope(held: sa.Connection, kind: Kind, moment: Moment) -> None:
    """Bring back each record received that was out of scope, into the same episode, and log it."""
    table, received = kind.table, kind.staged
    was_out = sa.and_(kind.open(moment.installation_id), table.c.out_of_scope_at.is_not(None), kind.same(received))
    if not held.scalar(sa.select(sa.exists().where(was_out))):
        return
    told = _told(kind, received, sa.literal(IN_SCOPE))
    records = (table.c.record, received.c.record, _search(received), sa.null(), sa.null(), table.c.first_seen_at)
    write_lines(held, moment, sa.select(*told, *records), was_out)
    values = {column: received.c[column] for column in ("record", *kind.shown)}
    held.execute(sa.update(table).where(was_out).values({**values, "out_of_scope_at": None}))


def change_episodes(held: sa.Connection, kind: Kind, moment: Moment) -> None:
    """Take over each record that is not as it was, and log which of its fields changed."""
    table, received = kind.table, kind.staged
    differs = sa.and_(kind.present(moment.installation_id), kind.same(received), table.c.record != received.c.record)
    changed = 0
    for rows in _chunks(held, kind, differs):
        lines = [
            {
                "installation_id": moment.installation_id,
                "run_id": moment.run_id,
                "number": moment.number,
                "at": moment.now,
                "schema": kind.schema.value,
                "external_id": row.external_id,
                "group_id": row.group_id,
                "kind": CHANGED,
                "fields": changed_fields(row.before, row.after),
                "before": row.before,
                "after": row.after,
                "search": row.search,
                "since": row.since,
            }
            for row in rows
        ]
        held.execute(sa.insert(change), lines)
        changed += len(lines)
    if not changed and not kind.shown:
        return
    taken = ["record", *kind.shown]
    anything = sa.or_(*(table.c[column].is_distinct_from(received.c[column]) for column in taken))
    held.execute(
        sa.update(table)
        .where(kind.present(moment.installation_id), kind.same(received), anything)
        .values({column: received.c[column] for column in taken})
    )


def confirm_episodes(held: sa.Connection, kind: Kind, moment: Moment, *, all_present: bool) -> int:
    """Note of each record whose episode did not begin with this run that it was seen again; return how many in scope.

    Who is held back was seen, too, but not as what it is in scope: it is not confirmed.

    Args:
        held: Within the transaction.
        kind: Which records.
        moment: Of the run.
        all_present: The run proved of those that it did not receive that they are there unchanged.
    """
    table, received = kind.table, kind.staged
    before = sa.and_(kind.open(moment.installation_id), table.c.last_confirmed_run_id != moment.run_id)
    in_scope, seen = table.c.out_of_scope_at.is_(None), {"last_confirmed_run_id": moment.run_id}
    confirmed = held.execute(
        sa.update(table).where(before, kind.same(received)).values(last_seen_at=received.c.seen_at, **seen)
    ).rowcount
    held.execute(sa.update(table).where(before, ~in_scope, sa.exists().where(kind.named(left_out))).values(seen))
    if all_present:
        # Who is told to be ended, and does not end with this run, was not seen by it either.
        unnamed = sa.and_(*(~sa.exists().where(kind.named(named)) for named in (told_ended, held_back)))
        confirmed += held.execute(sa.update(table).where(before, in_scope, unnamed).values(seen)).rowcount
        held.execute(sa.update(table).where(before, ~in_scope, unnamed).values(seen))
    return confirmed


def log_endings(held: sa.Connection, moment: Moment) -> None:
    """Log the episodes that ``staged_ending`` names, before they end."""
    for kind in KINDS.values():
        table = kind.table
        search = sa.literal("") if kind.schema is Schema.MEMBERSHIP else table.c.search
        told = _told(kind, table, ending.c.kind)
        records = (table.c.record, sa.null(), search, sa.null(), ending.c.successor, table.c.first_seen_at)
        lines = sa.select(*told, *records)
        write_lines(held, moment, lines, sa.and_(kind.open(moment.installation_id), kind.named(ending)))


def count_changes(held: sa.Connection, moment: Moment) -> dict[str, dict[str, int]]:
    """Count the lines that a run wrote, by schema and kind."""
    found: dict[str, dict[str, int]] = {}
    columns = change.c
    counted = sa.select(columns.schema, columns.kind, sa.func.count()).where(columns.run_id == moment.run_id)
    for schema, kind, count in held.execute(counted.group_by(columns.schema, columns.kind)):
        found.setdefault(schema, {})[kind] = count
    return found


def changed_fields(before: str, after: str) -> list[str]:
    """Name the fields in which two records differ, but for the hash that tells that they do, and a successor's id."""
    old, new = msgspec.json.decode(before), msgspec.json.decode(after)
    names = sorted(old.keys() | new.keys())
    return [name for name in names if name not in _NOT_NAMED and old.get(name) != new.get(name)]


def _told(kind: Kind, table: sa.FromClause, how: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
    return [sa.literal(kind.schema.value), *kind.log_keys(table), how]


def _search(received: sa.Table) -> sa.ColumnElement[Any]:
    return received.c.search if "search" in received.c else sa.literal("")


def write_lines(held: sa.Connection, moment: Moment, lines: sa.Select[Any], which: sa.ColumnElement[bool]) -> None:
    """Write lines of the log: ``lines`` gives their columns from ``schema`` on."""
    whole = lines.with_only_columns(*moment.columns, *lines.selected_columns).where(which)
    # In the order of the index, which is many times quicker to write so.
    in_order = whole.order_by(*list(whole.selected_columns)[_KEYS_OF_LOG])
    held.execute(sa.insert(change).from_select(_LOG, in_order))


def _chunks(held: sa.Connection, kind: Kind, which: sa.ColumnElement[bool]) -> Iterator[list[sa.Row[Any]]]:
    """Return the records that differ some thousand at a time, by their keys."""
    received = kind.staged
    keys = [received.c[key] for key in kind.keys]
    external_id, group_id = kind.log_keys(received)
    columns = (
        external_id.label("external_id"),
        group_id.label("group_id"),
        kind.table.c.record.label("before"),
        kind.table.c.first_seen_at.label("since"),
        received.c.record.label("after"),
        _search(received).label("search"),
    )
    statement = sa.select(*columns, *(key.label(f"key_{key.name}") for key in keys)).where(which)
    last: tuple[str, ...] | None = None
    while True:
        following = statement if last is None else statement.where(sa.tuple_(*keys) > sa.tuple_(*last))
        rows = list(held.execute(following.order_by(*keys).limit(_ROWS)))
        if not rows:
            return
        yield rows
        last = tuple(getattr(rows[-1], f"key_{key.name}") for key in keys)
