"""Managed policies and their versions: the account's own, and AWS's. Knows nothing of what documents say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.errors import Fault
from outcrop.store.identities import aws_managed
from outcrop.store.identities.tables import ATTACHMENTS, ENTITIES, POLICIES, POLICY_VERSIONS

VERSIONS_PER_POLICY = 5
_AWS_MADE_AT = datetime(2015, 2, 6, 18, 40, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedPolicy:
    """A managed policy; its document is its default version's."""

    arn: str
    name: str
    path: str
    unique_id: str
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    default_version: int = 1
    latest_version: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """One version of a managed policy."""

    arn: str
    version: int
    document: str
    created_at: datetime


def add_policy(connection: sa.Connection, policy: ManagedPolicy, document: str) -> None:
    """Remember a new policy with its first version; its name must be free, whatever its case."""
    folded = policy.name.lower()
    if connection.execute(sa.select(POLICIES.c.arn).where(POLICIES.c.folded == folded)).first() is not None:
        raise Fault(
            "EntityAlreadyExists", f"A policy called {policy.name} already exists. Duplicate names are not allowed."
        )
    columns = {column.name: getattr(policy, column.name) for column in POLICIES.c if column.name != "folded"}
    connection.execute(sa.insert(POLICIES).values(**columns, folded=folded))
    _insert_version(
        connection, PolicyVersion(arn=policy.arn, version=1, document=document, created_at=policy.created_at)
    )


def find_policy(connection: sa.Connection, arn: str) -> ManagedPolicy | None:
    """The policy of that ARN, or None."""
    if aws_managed.document(arn) is not None:
        return _aws_policy(arn)
    row = connection.execute(sa.select(POLICIES).where(POLICIES.c.arn == arn)).first()
    return None if row is None else _policy(row)


def get_policy(connection: sa.Connection, arn: str) -> ManagedPolicy:
    """The policy of that ARN, or NoSuchEntity."""
    found = find_policy(connection, arn)
    if found is None:
        raise Fault("NoSuchEntity", f"Policy {arn} was not found.")
    return found


def own_policy(connection: sa.Connection, arn: str) -> ManagedPolicy:
    """A policy that the account may change, or the fault that says why not."""
    found = get_policy(connection, arn)
    if aws_managed.document(arn) is not None:
        raise Fault("AccessDenied", f"{arn} is an AWS managed policy: it cannot be changed.")
    return found


def policies(connection: sa.Connection) -> list[ManagedPolicy]:
    """The account's own policies, by name."""
    return [_policy(row) for row in connection.execute(sa.select(POLICIES).order_by(POLICIES.c.folded))]


def aws_policies() -> list[ManagedPolicy]:
    """The AWS-managed policies that Outcrop knows, by name."""
    return [_aws_policy(aws_managed.PREFIX + name) for name in sorted(aws_managed.DOCUMENTS, key=str.lower)]


def delete_policy(connection: sa.Connection, policy: ManagedPolicy) -> None:
    """Forget a policy; DeleteConflict while it is attached, is a boundary, or has versions beside the default."""
    attached = connection.execute(sa.select(ATTACHMENTS).where(ATTACHMENTS.c.policy_arn == policy.arn)).first()
    if attached is not None or boundary_count(connection, policy.arn):
        raise Fault("DeleteConflict", "Cannot delete a policy attached to entities.")
    if len(versions(connection, policy)) > 1:
        raise Fault("DeleteConflict", "This policy has more than one version. Delete the others first.")
    for table in (POLICY_VERSIONS, POLICIES):
        connection.execute(sa.delete(table).where(table.c.arn == policy.arn))


def attachment_counts(connection: sa.Connection) -> dict[str, int]:
    """How often each attached policy is attached."""
    query = sa.select(ATTACHMENTS.c.policy_arn, sa.func.count().label("attachments")).group_by(ATTACHMENTS.c.policy_arn)
    return {row.policy_arn: row.attachments for row in connection.execute(query)}


def boundary_count(connection: sa.Connection, arn: str) -> int:
    """How many entities have this policy as their boundary."""
    query = sa.select(sa.func.count()).select_from(ENTITIES).where(ENTITIES.c.boundary == arn)
    return connection.execute(query).scalar_one()


def tag_policy(connection: sa.Connection, policy: ManagedPolicy, tags: Mapping[str, str]) -> None:
    """Set all tags of a policy."""
    connection.execute(sa.update(POLICIES).where(POLICIES.c.arn == policy.arn).values(tags=dict(tags)))


# ---- versions


def versions(connection: sa.Connection, policy: ManagedPolicy) -> list[PolicyVersion]:
    """The versions of a policy, newest first."""
    document = aws_managed.document(policy.arn)
    if document is not None:
        return [PolicyVersion(arn=policy.arn, version=1, document=document, created_at=policy.created_at)]
    query = sa.select(POLICY_VERSIONS).where(POLICY_VERSIONS.c.arn == policy.arn)
    rows = connection.execute(query.order_by(POLICY_VERSIONS.c.version.desc()))
    return [PolicyVersion(**row._mapping) for row in rows]


def get_version(connection: sa.Connection, policy: ManagedPolicy, version_id: str) -> PolicyVersion:
    """The version with an id such as `v2`, or NoSuchEntity."""
    found = next((one for one in versions(connection, policy) if f"v{one.version}" == version_id), None)
    if found is None:
        raise Fault("NoSuchEntity", f"Policy {policy.arn} version {version_id} does not exist or is not attachable.")
    return found


def default_document(connection: sa.Connection, arn: str) -> str | None:
    """The document that a policy's default version holds, None where there is no such policy."""
    known = aws_managed.document(arn)
    if known is not None:
        return known
    query = (
        sa.select(POLICY_VERSIONS.c.document)
        .join(POLICIES, POLICIES.c.arn == POLICY_VERSIONS.c.arn)
        .where(POLICIES.c.arn == arn, POLICY_VERSIONS.c.version == POLICIES.c.default_version)
    )
    return connection.execute(query).scalar()


def add_version(
    connection: sa.Connection, policy: ManagedPolicy, document: str, as_default: bool, now: datetime
) -> PolicyVersion:
    """A further version, at once the default one or not."""
    if len(versions(connection, policy)) >= VERSIONS_PER_POLICY:
        raise Fault(
            "LimitExceeded",
            f"A managed policy can have up to {VERSIONS_PER_POLICY} versions. "
            "Before you create a new version, you must delete an existing version.",
        )
    made = PolicyVersion(arn=policy.arn, version=policy.latest_version + 1, document=document, created_at=now)
    _insert_version(connection, made)
    changed = {"latest_version": made.version, "updated_at": now}
    if as_default:
        changed["default_version"] = made.version
    connection.execute(sa.update(POLICIES).where(POLICIES.c.arn == policy.arn).values(**changed))
    return made


def set_default_version(connection: sa.Connection, version: PolicyVersion, now: datetime) -> None:
    """Let this version be what the policy says."""
    query = sa.update(POLICIES).where(POLICIES.c.arn == version.arn)
    connection.execute(query.values(default_version=version.version, updated_at=now))


def delete_version(connection: sa.Connection, policy: ManagedPolicy, version: PolicyVersion) -> None:
    """Forget a version that is not the default one."""
    if version.version == policy.default_version:
        raise Fault("DeleteConflict", "Cannot delete the default version of a policy.")
    table = POLICY_VERSIONS
    connection.execute(sa.delete(table).where(table.c.arn == version.arn, table.c.version == version.version))


def _insert_version(connection: sa.Connection, version: PolicyVersion) -> None:
    values = {column.name: getattr(version, column.name) for column in POLICY_VERSIONS.c}
    connection.execute(sa.insert(POLICY_VERSIONS).values(values))


def _policy(row: sa.Row[Any]) -> ManagedPolicy:
    return ManagedPolicy(**{name: value for name, value in row._mapping.items() if name != "folded"})


def _aws_policy(arn: str) -> ManagedPolicy:
    name = arn.removeprefix(aws_managed.PREFIX)
    unique_id = ("ANPA" + "".join(character for character in name.upper() if character.isalpha()) + "A" * 17)[:21]
    return ManagedPolicy(
        arn=arn, name=name, path="/", unique_id=unique_id, created_at=_AWS_MADE_AT, updated_at=_AWS_MADE_AT
    )
