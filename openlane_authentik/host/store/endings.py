"""Who is no more: which episodes end with a run, and whether as removed or as left out of the scope.

A record is *removed* only by a set that was proven complete and lacks it, or by a proven delta that says so; a
membership also when its account or its group is so removed. It *left the scope* when it was seen to be there and the
filter keeps it out, which needs no proof of the others, when its account or group left the scope, or when its kind is
synced no more. In a run with a failed record nothing ends.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from openlane_authentik.emit.envelope import PayloadSetClosing, Schema
from openlane_authentik.host.store.kinds import KINDS, MEMBERSHIPS, Kind, ending, left_out, told_ended

REMOVED: Final = "removed"
LEFT_SCOPE: Final = "left_scope"
_ABSENT: Final = "absent"


def proven(closing: PayloadSetClosing) -> bool:
    """Tell whether a set says of every record that it lacks that it is no more."""
    if closing.delta:
        return closing.removed is not None and not closing.reasons
    return closing.snapshot_complete


def find_endings(held: sa.Connection, installation_id: str, closings: Mapping[Schema, PayloadSetClosing]) -> None:
    """Write into ``staged_ending`` whose episode ends with this run."""
    if any(closing.counts.failed for closing in closings.values()):
        return
    told_apart = True
    for schema, kind in KINDS.items():
        closing = closings.get(schema)
        if closing is None:
            _end_all(held, kind, installation_id)
        elif not closing.delta:
            complete = proven(closing)
            if complete and schema is not Schema.MEMBERSHIP:
                told_apart = told_apart and _told_apart(held, closing)
            _end_missing(held, kind, installation_id, complete=complete, told_apart=told_apart)
        elif proven(closing):
            _end_told(held, kind, installation_id)


def _told_apart(held: sa.Connection, closing: PayloadSetClosing) -> bool:
    """Tell whether every record that the filter kept out was named, so that a missing one is really gone."""
    named = sa.select(sa.func.count()).select_from(left_out).where(left_out.c.schema == closing.schema.value)
    return (held.scalar(named) or 0) >= closing.counts.filtered


def _end(held: sa.Connection, kind: Kind, which: sa.ColumnElement[bool], how: sa.ColumnElement[str]) -> None:
    names = (sa.literal(kind.schema.value), *kind.log_keys(kind.table))
    held.execute(
        sa.insert(ending).from_select(
            ["schema", "external_id", "group_id", "kind"], sa.select(*names, how).where(which)
        )
    )


def _end_all(held: sa.Connection, kind: Kind, installation_id: str) -> None:
    """End what this installation syncs no more."""
    _end(held, kind, kind.present(installation_id), sa.literal(LEFT_SCOPE))


def _end_told(held: sa.Connection, kind: Kind, installation_id: str) -> None:
    """End what a delta says is no more."""
    said = sa.select(told_ended.c.evidence).where(kind.named(told_ended)).scalar_subquery()
    which = sa.and_(kind.present(installation_id), sa.exists().where(kind.named(told_ended)))
    _end(held, kind, which, sa.case((said == _ABSENT, REMOVED), else_=LEFT_SCOPE))


def _end_missing(held: sa.Connection, kind: Kind, installation_id: str, *, complete: bool, told_apart: bool) -> None:
    """End what a set lacks: all of it when the set is complete, else only what is known to be no part of it."""
    gone: sa.ColumnElement[bool] = sa.false()
    left: sa.ColumnElement[bool] = sa.exists().where(kind.named(left_out))
    if kind is MEMBERSHIPS:
        gone, left = _ended_with(REMOVED), sa.or_(left, _ended_with(LEFT_SCOPE))
    missing = sa.and_(kind.present(installation_id), ~sa.exists().where(kind.same(kind.staged)))
    which = missing if complete else sa.and_(missing, sa.or_(gone, left))
    _end(held, kind, which, sa.case((gone, REMOVED), (left, LEFT_SCOPE), else_=REMOVED if told_apart else LEFT_SCOPE))


def _ended_with(how: str) -> sa.ColumnElement[bool]:
    """Tell that a membership's account or group ends so with this run."""
    columns = MEMBERSHIPS.table.c
    account, group = ending.alias(), ending.alias()
    return sa.or_(
        *(
            sa.exists().where(
                one.c.schema == schema.value, one.c.external_id == column, one.c.group_id == "", one.c.kind == how
            )
            for one, schema, column in (
                (account, Schema.ACCOUNT, columns.account_id),
                (group, Schema.GROUP, columns.group_id),
            )
        )
    )


def end_episodes(held: sa.Connection, installation_id: str, now: str) -> None:
    """End the episodes that ``staged_ending`` names."""
    for kind in KINDS.values():
        for how, column in ((REMOVED, "removed_at"), (LEFT_SCOPE, "left_scope_at")):
            named = sa.exists().where(kind.named(ending), ending.c.kind == how)
            held.execute(sa.update(kind.table).where(kind.present(installation_id), named).values({column: now}))
