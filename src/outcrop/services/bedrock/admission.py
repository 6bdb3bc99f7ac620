"""May this request's role, key and addresses be used at all? Knows nothing of jobs. Raises ValidationException."""

import re

import sqlalchemy as sa

from outcrop import policy
from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault, ValidationException
from outcrop.services.call import Call
from outcrop.store import identities
from outcrop.store.buckets import Buckets
from outcrop.store.keys import Keys, KeyState

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SERVICE = "bedrock.amazonaws.com"


def check_role(connection: sa.Connection, call: Call, role_arn: str, source_arn: str) -> None:
    """The role must exist in this account, and trust Bedrock to assume it for `source_arn`."""
    role = _role(connection, call, role_arn)
    context = {"aws:SourceAccount": call.principal.account, "aws:SourceArn": source_arn}
    if role.trust is None or not policy.trusts(policy.parse(role.trust), _SERVICE, context):
        raise ValidationException(
            f"Could not assume provided IAM role {role_arn}: its trust policy must allow sts:AssumeRole to {_SERVICE}."
        )


def _role(connection: sa.Connection, call: Call, role_arn: str) -> identities.Entity:
    arn = arns.parse(role_arn)
    if arn is None or arn.account != call.principal.account or not arn.resource.startswith("role/"):
        raise ValidationException(f"The role {role_arn} must be a role of the account {call.principal.account}.")
    role = identities.find(connection, identities.Kind.ROLE, arn.resource.rsplit("/", 1)[1])
    if role is None or role.arn != role_arn:
        raise ValidationException(f"Could not assume provided IAM role {role_arn}: it does not exist.")
    return role


def resolve_key(call: Call, identifier: str | None) -> str | None:
    """The ARN of the enabled key that a key id, key ARN, alias or alias ARN names; None stays None (our own key)."""
    if identifier is None:
        return None
    try:
        key = Keys(call.ground.database, call.ground.master_key).resolve(call.region, identifier, call.at)
    except Fault as fault:
        raise ValidationException(f"The KMS key {identifier} cannot be used: {fault.message}") from fault
    if key.state is not KeyState.ENABLED:
        raise ValidationException(f"The KMS key {key.arn} cannot be used: it is {key.state}.")
    return key.arn


def check_bucket_region(call: Call, member: str, uri: str) -> None:
    """A job's buckets lie in its Region. A bucket that does not exist is the job's to find out."""
    bucket = uri.removeprefix("s3://").partition("/")[0]
    region = Buckets(call.ground.database).region(bucket)
    if region not in (None, call.region):
        raise ValidationException(
            f"{member}: the bucket {bucket} lies in {region}; a job in {call.region} needs its buckets there."
        )


def check_s3_uri(member: str, uri: str, *, names_object: bool) -> None:
    """`s3://bucket/key`; an output address may be a bucket alone."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not _BUCKET.fullmatch(bucket):
        raise ValidationException(f"{member} must be an address like s3://bucket/key; {uri} is not.")
    if names_object and (not key or key.endswith("/")):
        raise ValidationException(f"{member} must name an object, as in s3://bucket/train.jsonl; {uri} does not.")
