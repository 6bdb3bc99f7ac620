"""The ground: every table of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From an empty database."""
    _make_buckets()
    _make_custom_models()
    _make_deployments()
    _make_engines()
    _make_home()
    _make_iam_access_keys()
    _make_iam_attachments()
    _make_iam_entities()
    _make_iam_inline_policies()
    _make_iam_policies()
    _make_iam_policy_versions()
    _make_iam_sessions()
    _make_jobs()
    _make_kms_aliases()
    _make_kms_keys()
    _make_kms_materials()
    _make_object_key()
    _make_provisioned_throughput()
    _make_request_tokens()
    _make_tags()
    _make_objects()
    _make_uploads()
    _make_parts()


def _make_buckets() -> None:
    op.create_table(
        "buckets",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.String(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _make_custom_models() -> None:
    op.create_table(
        "custom_models",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(length=12), nullable=False),
        sa.Column("base_model_id", sa.String(), nullable=False),
        sa.Column("parent_id", sa.String(length=12), nullable=True),
        sa.Column("customization_type", sa.String(), nullable=False),
        sa.Column("checkpoint", sa.String(), nullable=False),
        sa.Column("kms_key_arn", sa.String(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("arn"),
        sa.UniqueConstraint("job_id"),
    )
    op.create_index(
        "custom_models_by_name",
        "custom_models",
        ["account", "region", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at is null"),
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index("custom_models_in_order", "custom_models", ["account", "region", "created_at", "id"], unique=False)


def _make_deployments() -> None:
    op.create_table(
        "deployments",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("model_arn", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(length=12), nullable=False),
        sa.Column("update_model_arn", sa.String(), nullable=True),
        sa.Column("update_model_id", sa.String(length=12), nullable=True),
        sa.Column("update_status", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("failure_message", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "region", "name", name="deployments_by_name"),
        sa.UniqueConstraint("arn"),
    )
    op.create_index("deployments_in_order", "deployments", ["account", "region", "created_at", "id"], unique=False)


def _make_engines() -> None:
    op.create_table(
        "engines",
        sa.Column("checkpoint", sa.String(), nullable=False),
        sa.Column("socket", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("wanted_at", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("checkpoint"),
    )


def _make_home() -> None:
    op.create_table(
        "home",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _make_iam_access_keys() -> None:
    op.create_table(
        "iam_access_keys",
        sa.Column("access_key_id", sa.String(), nullable=False),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id"),
    )
    op.create_index("ix_iam_access_keys_user_name", "iam_access_keys", ["user_name"], unique=False)


def _make_iam_attachments() -> None:
    op.create_table(
        "iam_attachments",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("policy_arn", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "policy_arn"),
    )
    op.create_index("ix_iam_attachments_policy_arn", "iam_attachments", ["policy_arn"], unique=False)


def _make_iam_entities() -> None:
    op.create_table(
        "iam_entities",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("unique_id", sa.String(), nullable=False),
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("trust", sa.Text(), nullable=True),
        sa.Column("max_session_s", sa.Integer(), nullable=True),
        sa.Column("boundary", sa.String(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "folded"),
        sa.UniqueConstraint("arn"),
        sa.UniqueConstraint("unique_id"),
    )


def _make_iam_inline_policies() -> None:
    op.create_table(
        "iam_inline_policies",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("policy_name", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "policy_name"),
    )


def _make_iam_policies() -> None:
    op.create_table(
        "iam_policies",
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("unique_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("default_version", sa.Integer(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("arn"),
        sa.UniqueConstraint("folded"),
        sa.UniqueConstraint("unique_id"),
    )


def _make_iam_policy_versions() -> None:
    op.create_table(
        "iam_policy_versions",
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("arn", "version"),
    )


def _make_iam_sessions() -> None:
    op.create_table(
        "iam_sessions",
        sa.Column("access_key_id", sa.String(), nullable=False),
        sa.Column("role_name", sa.String(), nullable=False),
        sa.Column("session_name", sa.String(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id"),
    )
    op.create_index("ix_iam_sessions_expires_at", "iam_sessions", ["expires_at"], unique=False)
    op.create_index("ix_iam_sessions_role_name", "iam_sessions", ["role_name"], unique=False)


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("client_request_token", sa.String(), nullable=True),
        sa.Column("model_id", sa.String(length=12), nullable=False),
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("model_tags", sa.JSON(), nullable=False),
        sa.Column("base_model_id", sa.String(), nullable=False),
        sa.Column("parent_id", sa.String(length=12), nullable=True),
        sa.Column("customization_type", sa.String(), nullable=False),
        sa.Column("role_arn", sa.String(), nullable=False),
        sa.Column("kms_key_arn", sa.String(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=True),
        sa.Column("hyperparameters", sa.JSON(), nullable=False),
        sa.Column("training_data", sa.JSON(), nullable=False),
        sa.Column("validation_data", sa.JSON(), nullable=False),
        sa.Column("output_data", sa.JSON(), nullable=False),
        sa.Column("vpc", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("phases", sa.JSON(), nullable=False),
        sa.Column("failure_message", sa.String(), nullable=True),
        sa.Column("training_loss", sa.Float(precision=53), nullable=True),
        sa.Column("validation_losses", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "region", "name", name="jobs_by_name"),
        sa.UniqueConstraint("arn"),
        sa.UniqueConstraint("model_id"),
    )
    op.create_index("jobs_by_status", "jobs", ["status", "created_at", "id"], unique=False)
    op.create_index("jobs_in_order", "jobs", ["account", "region", "created_at", "id"], unique=False)


def _make_kms_aliases() -> None:
    op.create_table(
        "kms_aliases",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("region", "name"),
        sa.UniqueConstraint("arn"),
    )
    op.create_index("ix_kms_aliases_key_id", "kms_aliases", ["key_id"], unique=False)


def _make_kms_keys() -> None:
    op.create_table(
        "kms_keys",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("deletion_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id"),
        sa.UniqueConstraint("arn"),
    )
    op.create_index("ix_kms_keys_deletion_at", "kms_keys", ["deletion_at"], unique=False)
    op.create_index("ix_kms_keys_region", "kms_keys", ["region"], unique=False)


def _make_kms_materials() -> None:
    op.create_table(
        "kms_materials",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "version"),
    )


def _make_object_key() -> None:
    op.create_table(
        "object_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _make_provisioned_throughput() -> None:
    op.create_table(
        "provisioned_throughput",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("model_units", sa.Integer(), nullable=False),
        sa.Column("foundation_model_id", sa.String(), nullable=False),
        sa.Column("model_arn", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(length=12), nullable=True),
        sa.Column("desired_model_arn", sa.String(), nullable=False),
        sa.Column("desired_model_id", sa.String(length=12), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("failure_message", sa.String(), nullable=True),
        sa.Column("commitment", sa.String(), nullable=True),
        sa.Column("commitment_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "region", "name", name="provisioned_throughput_by_name"),
        sa.UniqueConstraint("arn"),
    )
    op.create_index(
        "provisioned_throughput_in_order",
        "provisioned_throughput",
        ["account", "region", "created_at", "id"],
        unique=False,
    )


def _make_request_tokens() -> None:
    op.create_table(
        "request_tokens",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("arn", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "operation", "token"),
    )
    op.create_index("ix_request_tokens_arn", "request_tokens", ["arn"], unique=False)


def _make_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("arn", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("arn", "key"),
    )


def _make_objects() -> None:
    op.create_table(
        "objects",
        sa.Column("bucket", sa.String(length=63), nullable=False),
        sa.Column("key", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("blobs", sa.JSON(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("checksums", sa.JSON(), nullable=False),
        sa.Column("checksum_type", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bucket"],
            ["buckets.name"],
        ),
        sa.PrimaryKeyConstraint("bucket", "key"),
    )


def _make_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("bucket", sa.String(length=63), nullable=False),
        sa.Column("key", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("initiated_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("algorithm", sa.String(), nullable=False),
        sa.Column("checksum_type", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bucket"],
            ["buckets.name"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("uploads_by_key", "uploads", ["bucket", "key", "id"], unique=False)


def _make_parts() -> None:
    op.create_table(
        "parts",
        sa.Column("upload_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("blob", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("checksum", sa.String(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["uploads.id"],
        ),
        sa.PrimaryKeyConstraint("upload_id", "number"),
    )
