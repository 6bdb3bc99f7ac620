"""Custom models know the weights that they were trained on, and engines those that they hold."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Models of earlier releases have no digest: they fit whatever lies at their checkpoint's path, as before."""
    op.add_column("custom_models", sa.Column("checkpoint_digest", sa.String(), nullable=True))
    op.add_column("engines", sa.Column("checkpoint_digest", sa.String(), nullable=True))
