"""Runs the steps within the connection that ``migrate`` hands over."""

from alembic import context

from openlane_authentik.host.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by writing it anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
