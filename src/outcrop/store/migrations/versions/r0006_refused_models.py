"""Which custom models their engine cannot have, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Empty: the worker says it anew when it starts."""
    op.create_table(
        "refused_models",
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("model_id"),
    )
