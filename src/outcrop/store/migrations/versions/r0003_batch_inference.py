"""Batch inference jobs, and objects under KMS keys of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Earlier releases had neither."""
    op.add_column("objects", sa.Column("encryption", sa.JSON(), nullable=True))
    op.create_table(
        "invocation_jobs",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("client_request_token", sa.String(), nullable=True),
        sa.Column("model_identifier", sa.String(), nullable=False),
        sa.Column("custom_model_id", sa.String(length=12), nullable=True),
        sa.Column("invocation_type", sa.String(), nullable=True),
        sa.Column("role_arn", sa.String(), nullable=False),
        sa.Column("kms_key_arn", sa.String(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=True),
        sa.Column("input_data", sa.JSON(), nullable=False),
        sa.Column("output_data", sa.JSON(), nullable=False),
        sa.Column("vpc", sa.JSON(), nullable=True),
        sa.Column("timeout_hours", sa.Integer(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("inputs", sa.JSON(), nullable=True),
        sa.Column("position", sa.JSON(), nullable=True),
        sa.Column("total_records", sa.BigInteger(), nullable=True),
        sa.Column("success_records", sa.BigInteger(), nullable=False),
        sa.Column("error_records", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("arn"),
        sa.UniqueConstraint("account", "region", "name", name="invocation_jobs_by_name"),
    )
    op.create_index("invocation_jobs_by_status", "invocation_jobs", ["status", "created_at", "id"], unique=False)
    op.create_index(
        "invocation_jobs_in_order", "invocation_jobs", ["account", "region", "created_at", "id"], unique=False
    )
