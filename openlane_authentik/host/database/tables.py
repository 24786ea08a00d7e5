"""What the host stores: one table a thing, named in the words of the contract.

Moments are text, RFC 3339 in UTC with microseconds, so that both databases give back what was put in and sort it
alike. A record is stored as JSON text with sorted keys, so that two of them can be compared where they lie. A change
here needs a migration in ``migrations/versions``; a test holds both against each other.
"""

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the key is an INTEGER.
_Number: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Sorted byte by byte by both databases, as Python sorts text by code points.
Name: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _moment(name: str, *, nullable: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(27), nullable=nullable)


installation: Final = sa.Table(
    "installation",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("organisation", sa.Text, nullable=False),
    sa.Column("definition_id", sa.Text, nullable=False),
    # Which directory it is, by the integration's own word, else the installation itself: see the lookup keys.
    sa.Column("instance_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    # Why it is ERRORED or DISABLED: {code, message, remedy}.
    sa.Column("reason", sa.JSON, nullable=True),
    # Sealed by the vault; null once disconnected.
    sa.Column("credential", sa.Text, nullable=True),
    sa.Column("user_input", sa.JSON, nullable=False),
    sa.Column("config", sa.JSON, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    # The last health check: {status, exitCode, checks}.
    sa.Column("health", sa.JSON, nullable=True),
    _moment("health_checked_at"),
    sa.Column("is_primary", sa.Boolean, nullable=False),
    # Null: the adaptive rule.
    sa.Column("frequency_seconds", sa.Integer, nullable=True),
    sa.Column("timeout_seconds", sa.Integer, nullable=False),
    # Where the adaptive rule stands, and how many runs failed one after the other.
    sa.Column("interval_seconds", sa.Integer, nullable=False),
    sa.Column("failures_in_a_row", sa.Integer, nullable=False),
    # Null: nothing is scheduled.
    _moment("next_run_at"),
    sa.Column("breaker_share", sa.Float, nullable=False),
    sa.Column("breaker_least", sa.Integer, nullable=False),
    # Where the next sync can begin; sealed, since it names those too whom the filter leaves out. It belongs to the
    # records of the run of this number, and is good for nothing beside those of another.
    sa.Column("checkpoint", sa.LargeBinary, nullable=True),
    sa.Column("checkpoint_number", sa.Integer, nullable=True),
    # Whether the copy that filters are previewed on is kept.
    sa.Column("keep_filter_copy", sa.Boolean, nullable=False),
    # What is worth telling of its filter: [{code, message}].
    sa.Column("filter_warnings", sa.JSON, nullable=False),
    # Counts the saves; a run that was claimed under another version does not know what the last one said.
    sa.Column("version", sa.Integer, nullable=False),
    _moment("created_at", nullable=False),
    _moment("updated_at", nullable=False),
    sa.UniqueConstraint("organisation", "definition_id", "instance_id"),
    sa.Index("ix_installation_due", "next_run_at"),
    sa.Index(
        "uq_installation_primary",
        "organisation",
        unique=True,
        sqlite_where=sa.text("is_primary"),
        postgresql_where=sa.text("is_primary"),
    ),
)

# What filters are previewed on: the fields they may name, of everybody read, people out of scope included. Sealed by
# the vault. Of accounts the parts of the last whole copy and of all runs since, of groups that of the last run.
filter_copy: Final = sa.Table(
    "filter_copy",
    metadata,
    sa.Column("installation_id", sa.ForeignKey("installation.id"), primary_key=True),
    sa.Column("schema", sa.Text, primary_key=True),
    sa.Column("run_number", sa.Integer, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

_ACTIVE_RUN: Final = sa.text("status IN ('PENDING', 'RUNNING')")

sync_run: Final = sa.Table(
    "sync_run",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("installation_id", sa.ForeignKey("installation.id"), nullable=False),
    # Counts an installation's runs from 1; "as of a run" goes by it.
    sa.Column("number", sa.Integer, nullable=False),
    # What asked for it: schedule, manual or save.
    sa.Column("trigger", sa.String(10), nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    # The version of the installation that the attempt was claimed under.
    sa.Column("version", sa.Integer, nullable=True),
    # Goes up each time a worker takes it on: who holds an older one may change nothing.
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("worker_id", sa.Text, nullable=True),
    _moment("requested_at", nullable=False),
    _moment("started_at"),
    _moment("completed_at"),
    sa.Column("mode", sa.String(5), nullable=True),
    sa.Column("full_reason", sa.Text, nullable=True),
    # The installation's at that time: its filter, and whether groups were synced.
    sa.Column("user_input", sa.JSON, nullable=True),
    sa.Column("scope", sa.Text, nullable=True),
    sa.Column("release", sa.Text, nullable=True),
    sa.Column("exit_code", sa.Integer, nullable=True),
    # Records received, and rows of the change log written.
    sa.Column("full_count", sa.Integer, nullable=True),
    sa.Column("delta_count", sa.Integer, nullable=True),
    # By schema: {read, emitted, filtered, failed, gone, withheld, added, changed, returned, succeeded, inScope,
    # removed, replaced, outOfScope, confirmed, unasked, unaskedInScope, present, known}.
    sa.Column("counts", sa.JSON, nullable=True),
    # By schema: {snapshotComplete, delta, reasons, evidence, failedBy, filteredBy}; retention empties it.
    sa.Column("sets", sa.JSON, nullable=True),
    sa.Column("warnings", sa.JSON, nullable=True),
    sa.Column("stats", sa.JSON, nullable=True),
    # Why it failed: {code, message, remedy, recovery}.
    sa.Column("error", sa.JSON, nullable=True),
    sa.UniqueConstraint("installation_id", "number"),
    sa.Index("ix_sync_run_status", "status"),
    sa.Index(
        "uq_sync_run_active",
        "installation_id",
        unique=True,
        sqlite_where=_ACTIVE_RUN,
        postgresql_where=_ACTIVE_RUN,
    ),
)

run_attempt: Final = sa.Table(
    "run_attempt",
    metadata,
    sa.Column("run_id", sa.ForeignKey("sync_run.id"), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("worker_id", sa.Text, nullable=False),
    _moment("started_at", nullable=False),
    _moment("ended_at"),
    # completed, failed, timed_out, cancelled, or lost when its worker was.
    sa.Column("outcome", sa.String(10), nullable=True),
)

worker: Final = sa.Table(
    "worker",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _moment("started_at", nullable=False),
    _moment("beat_at", nullable=False),
)

_OPEN: Final = sa.text("removed_at IS NULL AND replaced_at IS NULL")


def _episodes(name: str, keys: tuple[str, ...], *shown: sa.Column[str]) -> sa.Table:
    """Return a table of episodes: from when a record was first seen until it was removed or replaced."""
    return sa.Table(
        name,
        metadata,
        sa.Column("id", _Number, primary_key=True, autoincrement=True),
        # No foreign keys here: checking them would cost more than all else that a run writes.
        sa.Column("installation_id", sa.String(32), nullable=False),
        *(sa.Column(key, Name, nullable=False) for key in keys),
        # Counts the times a record came, from 1.
        sa.Column("episode", sa.Integer, nullable=False),
        # The mapped record without what has a column of its own, and the moments that every run moves.
        sa.Column("record", sa.Text, nullable=False),
        *shown,
        # Of a successor that of the account, or membership, that it replaced.
        _moment("first_seen_at", nullable=False),
        _moment("last_seen_at", nullable=False),
        _moment("removed_at"),
        # The same person, or the same membership of theirs, is there under the account's successor.
        _moment("replaced_at"),
        # Since when the filter or a switch keeps it out of the directory; null while it is in scope. It may return.
        _moment("out_of_scope_at"),
        sa.Column("last_confirmed_run_id", sa.String(32), nullable=False),
        sa.UniqueConstraint("installation_id", *keys, "episode"),
        sa.Index(
            f"uq_{name}_open",
            "installation_id",
            *reversed(keys),
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        # Every run confirms every row: with room beside it that touches no index.
        postgresql_with={"fillfactor": 50},
    )


account: Final = _episodes(
    "account",
    ("external_id",),
    # The raw record, and what lists are searched by.
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("search", Name, nullable=False),
    _moment("last_login_at"),
    # The id under which the same person was there before.
    sa.Column("predecessor", Name, nullable=True),
)
group: Final = _episodes(
    "directory_group",
    ("external_id",),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("search", Name, nullable=False),
)
membership: Final = _episodes("membership", ("account_id", "group_id"))

change: Final = sa.Table(
    "change",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("installation_id", sa.String(32), nullable=False),
    sa.Column("run_id", sa.String(32), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("schema", Name, nullable=False),
    # The account's or the group's; of a membership the account's, and the group's beside it, else "".
    sa.Column("external_id", Name, nullable=False),
    sa.Column("group_id", Name, nullable=False),
    # added, changed, returned, succeeded, in_scope, removed, replaced, out_of_scope.
    sa.Column("kind", sa.String(12), nullable=False),
    # Of succeeded the account's id before; of replaced its id from then on.
    sa.Column("predecessor", Name, nullable=True),
    sa.Column("successor", Name, nullable=True),
    # Of a changed record, which of its fields.
    sa.Column("fields", sa.JSON, nullable=True),
    sa.Column("before", sa.Text, nullable=True),
    sa.Column("after", sa.Text, nullable=True),
    sa.Column("search", Name, nullable=False),
    # When the episode was first seen that the line is of.
    _moment("since", nullable=False),
    _moment("at", nullable=False),
    # At most one change a record and run, and the newest up to a run found at once.
    sa.UniqueConstraint("installation_id", "schema", "external_id", "group_id", "number"),
    sa.Index("ix_change_run", "run_id", "id"),
)

attention: Final = sa.Table(
    "attention",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("installation_id", sa.ForeignKey("installation.id"), nullable=False),
    sa.Column("run_id", sa.ForeignKey("sync_run.id"), nullable=False),
    # open, confirmed, dismissed, superseded by a newer list, resolved by a run that did not ask again.
    sa.Column("status", sa.String(10), nullable=False),
    # By schema, as ``Removals`` of ``store.breaker``.
    sa.Column("counts", sa.JSON, nullable=False),
    _moment("created_at", nullable=False),
    _moment("decided_at"),
    sa.Index("ix_attention_installation_id", "installation_id", "status"),
)

attention_record: Final = sa.Table(
    "attention_record",
    metadata,
    sa.Column("attention_id", sa.ForeignKey("attention.id"), primary_key=True),
    sa.Column("schema", Name, primary_key=True),
    sa.Column("external_id", Name, primary_key=True),
    sa.Column("group_id", Name, primary_key=True),
    # removed, or replaced by the successor.
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("successor", Name, nullable=True),
)

# What a run told of accounts that are there under another id, and could not carry out yet.
pending_replacement: Final = sa.Table(
    "pending_replacement",
    metadata,
    sa.Column("installation_id", sa.ForeignKey("installation.id"), primary_key=True),
    sa.Column("external_id", Name, primary_key=True),
    sa.Column("successor", Name, nullable=False),
)

# One row a name: what only this database knows, such as the vault's proof of its key.
host_fact: Final = sa.Table(
    "host_fact",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# Sessions of browsers that somebody signed out of before their time.
ended_session: Final = sa.Table(
    "ended_session",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    _moment("forget_at", nullable=False),
)
