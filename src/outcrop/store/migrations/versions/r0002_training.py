"""Training: a job keeps what was expected of it and what happened to it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Jobs of the first release have no estimate and an empty history."""
    op.add_column("jobs", sa.Column("estimate", sa.JSON(), nullable=True))
    op.add_column("jobs", sa.Column("history", sa.JSON(), nullable=False, server_default="[]"))
