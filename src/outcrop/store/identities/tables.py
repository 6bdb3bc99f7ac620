"""The tables of identities. Knows nothing of what may be done with them."""

import sqlalchemy as sa

from outcrop.store.database import METADATA, Moment

ENTITIES = sa.Table(
    "iam_entities",
    METADATA,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("folded", sa.String, primary_key=True),  # the name in lower case: IAM's names differ not by case alone
    sa.Column("name", sa.String, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    sa.Column("unique_id", sa.String, nullable=False, unique=True),
    sa.Column("arn", sa.String, nullable=False, unique=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("description", sa.String),
    sa.Column("trust", sa.Text),
    sa.Column("max_session_s", sa.Integer),
    sa.Column("boundary", sa.String),
    sa.Column("tags", sa.JSON, nullable=False),
)

POLICIES = sa.Table(
    "iam_policies",
    METADATA,
    sa.Column("arn", sa.String, primary_key=True),
    sa.Column("folded", sa.String, nullable=False, unique=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    sa.Column("unique_id", sa.String, nullable=False, unique=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("description", sa.String),
    sa.Column("default_version", sa.Integer, nullable=False),
    sa.Column("latest_version", sa.Integer, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
)

POLICY_VERSIONS = sa.Table(
    "iam_policy_versions",
    METADATA,
    sa.Column("arn", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

ATTACHMENTS = sa.Table(
    "iam_attachments",
    METADATA,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("policy_arn", sa.String, primary_key=True, index=True),
)

INLINE_POLICIES = sa.Table(
    "iam_inline_policies",
    METADATA,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("policy_name", sa.String, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

ACCESS_KEYS = sa.Table(
    "iam_access_keys",
    METADATA,
    sa.Column("access_key_id", sa.String, primary_key=True),
    sa.Column("user_name", sa.String, nullable=False, index=True),  # "" is the account's root
    sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

API_KEYS = sa.Table(
    "iam_api_keys",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("user_name", sa.String, nullable=False, index=True),
    sa.Column("alias", sa.String, nullable=False, unique=True),  # the public part of the key
    sa.Column("digest", sa.LargeBinary, nullable=False),  # of the whole key, which is not kept
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment),
)

SESSIONS = sa.Table(
    "iam_sessions",
    METADATA,
    sa.Column("access_key_id", sa.String, primary_key=True),
    sa.Column("role_name", sa.String, nullable=False, index=True),
    sa.Column("session_name", sa.String, nullable=False),
    sa.Column("sealed_secret", sa.LargeBinary, nullable=False),  # secret and token together
    sa.Column("policy", sa.Text),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False, index=True),
)

# One row: whose home this is, the proof that a master key is its own, and how often identities have changed (servers
# compare that with what they saw last).
HOME = sa.Table(
    "home",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("account", sa.String, nullable=False),
    sa.Column("proof", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("changes", sa.Integer, nullable=False),
)
