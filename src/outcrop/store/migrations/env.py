"""Run by Alembic: the connection is the caller's, and so is its transaction."""

from alembic import context

from outcrop.store.database import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite cannot alter a column in place
    transactional_ddl=False,  # the caller's transaction spans everything
)
context.run_migrations()
