"""The three kinds of record: where each is stored, staged, and by which keys it is looked up."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database import tables
from openlane_authentik.host.database.connections import POSTGRESQL

# Their keys are indexed when all rows are in, which is many times quicker than one by one: see ``staging``.
staged: Final = sa.MetaData()


def _staged(name: str, keys: tuple[str, ...], *shown: str) -> sa.Table:
    return sa.Table(
        name,
        staged,
        *(sa.Column(key, tables.Name, nullable=False) for key in keys),
        sa.Column("record", sa.Text, nullable=False),
        *(sa.Column(column, tables.Name, nullable=True) for column in shown),
        sa.Column("seen_at", sa.Text, nullable=False),
        sa.Index(f"uq_{name}", *keys, unique=True),
        prefixes=["TEMPORARY"],
    )


def analyze(held: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL plan by what a table holds now; of a temporary one nothing else tells it."""
    if held.dialect.name == POSTGRESQL:
        held.exec_driver_sql(f"ANALYZE {table.name}")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    Attributes:
        schema: Its name.
        table: Its episodes.
        staged: What the run at hand received of it.
        keys: The columns that identify one of an installation, the same in both tables.
        shown: The columns beside ``record`` that are taken over as received.
    """

    schema: Schema
    table: sa.Table
    staged: sa.Table
    keys: tuple[str, ...]
    shown: tuple[str, ...]

    def same(self, other: sa.FromClause, table: sa.FromClause | None = None) -> sa.ColumnElement[bool]:
        """Tell that a row of ``table`` (by itself the episodes) and one of another are of the same record."""
        mine = self.table if table is None else table
        return sa.and_(*(mine.c[key] == other.c[key] for key in self.keys))

    def open(self, installation_id: str, table: sa.FromClause | None = None) -> sa.ColumnElement[bool]:
        """Whether an episode is one of the installation's and has not ended, in scope or not."""
        columns = (self.table if table is None else table).c
        return sa.and_(
            columns.installation_id == installation_id, columns.removed_at.is_(None), columns.replaced_at.is_(None)
        )

    def present(self, installation_id: str, table: sa.FromClause | None = None) -> sa.ColumnElement[bool]:
        """Whether an episode is open and in scope: these are the directory."""
        columns = (self.table if table is None else table).c
        return sa.and_(self.open(installation_id, table), columns.out_of_scope_at.is_(None))

    def log_keys(self, table: sa.FromClause) -> tuple[sa.ColumnElement[str], sa.ColumnElement[str]]:
        """Return a row's ``external_id`` and ``group_id`` as the change log names records."""
        if self.schema is Schema.MEMBERSHIP:
            return table.c.account_id, table.c.group_id
        return table.c.external_id, sa.literal("")

    def named(self, log: sa.FromClause, table: sa.FromClause | None = None) -> sa.ColumnElement[bool]:
        """Tell that a row is of the record that a row with the log's keys names."""
        external_id, group_id = self.log_keys(self.table if table is None else table)
        names = sa.and_(log.c.schema == self.schema.value, log.c.external_id == external_id)
        return sa.and_(names, log.c.group_id == group_id)


ACCOUNTS: Final = Kind(
    Schema.ACCOUNT,
    tables.account,
    _staged("staged_account", ("external_id",), "profile", "search", "last_login_at"),
    ("external_id",),
    ("profile", "search", "last_login_at"),
)
GROUPS: Final = Kind(
    Schema.GROUP,
    tables.group,
    _staged("staged_group", ("external_id",), "profile", "search"),
    ("external_id",),
    ("profile", "search"),
)
MEMBERSHIPS: Final = Kind(
    Schema.MEMBERSHIP,
    tables.membership,
    _staged("staged_membership", ("account_id", "group_id")),
    ("account_id", "group_id"),
    (),
)
KINDS: Final = {kind.schema: kind for kind in (ACCOUNTS, GROUPS, MEMBERSHIPS)}


def _named(name: str, *further: sa.Column[str]) -> sa.Table:
    return sa.Table(
        name,
        staged,
        sa.Column("schema", tables.Name, nullable=False),
        sa.Column("external_id", tables.Name, nullable=False),
        sa.Column("group_id", tables.Name, nullable=False),
        *further,
        sa.Index(f"ix_{name}", "schema", "external_id", "group_id"),
        prefixes=["TEMPORARY"],
    )


# Records that are there, and that the filter keeps out.
left_out: Final = _named("staged_left_out")
# Records that are there, and of which the run could not say whether they are in scope.
held_back: Final = _named("staged_held_back")
# Accounts that a closing tells are to be ended, with its evidence.
told_ended: Final = _named("staged_told_ended", sa.Column("evidence", sa.Text, nullable=False))
# Open episodes that this run ends as removed, or as replaced by the successor, or takes out_of_scope.
ending: Final = _named(
    "staged_ending", sa.Column("kind", sa.Text, nullable=False), sa.Column("successor", tables.Name, index=True)
)
# Accounts that are there under another id, as this run tells, or as an earlier one told that could not carry it out.
succession: Final = sa.Table(
    "staged_succession",
    staged,
    sa.Column("predecessor", tables.Name, nullable=False),
    sa.Column("successor", tables.Name, nullable=False, index=True),
    sa.Index("uq_staged_succession", "predecessor", unique=True),
    prefixes=["TEMPORARY"],
)
