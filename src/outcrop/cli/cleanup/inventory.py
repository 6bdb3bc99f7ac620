"""What exists in a Region, in the order in which it can be deleted. A plain client of the API.

Knows nothing of what is chosen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from outcrop.cli.options import Clients, every

STOPPABLE = frozenset({"Submitted", "Validating", "Scheduled", "InProgress"})  # of a model invocation job


class Kind(StrEnum):
    """The kinds of things, in the order of deletion: what uses goes before what is used."""

    JOB = "customization job"
    INVOCATION_JOB = "model invocation job"
    DEPLOYMENT = "deployment"
    THROUGHPUT = "provisioned throughput"
    MODEL = "custom model"
    BUCKET = "bucket"
    ROLE = "role"
    POLICY = "policy"
    KEY = "kms key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that exists. `removable` is false for records that nobody can delete, such as ended jobs."""

    kind: Kind
    name: str
    identifier: str
    created: datetime | None = None
    age: timedelta | None = None
    detail: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    removable: bool = True


def take_inventory(clients: Clients, now: datetime) -> list[Item]:
    """Everything, in the order of `Kind`."""
    takers = (_jobs, _invocation_jobs, _deployments, _throughput, _models, _buckets, _roles, _policies, _keys)
    return [_aged(item, now) for taker in takers for item in taker(clients, now)]


def _aged(item: Item, now: datetime) -> Item:
    if item.created is None:
        return item
    values = {name: getattr(item, name) for name in Item.__slots__}
    return Item(**{**values, "age": now - item.created})


def _jobs(clients: Clients, _now: datetime) -> Iterator[Item]:
    for job in every(clients.bedrock, "list_model_customization_jobs", "modelCustomizationJobSummaries"):
        yield Item(
            kind=Kind.JOB,
            name=job["jobName"],
            identifier=job["jobArn"],
            created=job["creationTime"],
            detail=job["status"],
            tags=_bedrock_tags(clients, job["jobArn"]),
            removable=job["status"] == "InProgress",
        )


def _invocation_jobs(clients: Clients, _now: datetime) -> Iterator[Item]:
    for job in every(clients.bedrock, "list_model_invocation_jobs", "invocationJobSummaries"):
        yield Item(
            kind=Kind.INVOCATION_JOB,
            name=job["jobName"],
            identifier=job["jobArn"],
            created=job["submitTime"],
            detail=job["status"],
            tags=_bedrock_tags(clients, job["jobArn"]),
            removable=job["status"] in STOPPABLE,
        )


def _deployments(clients: Clients, _now: datetime) -> Iterator[Item]:
    for found in every(clients.bedrock, "list_custom_model_deployments", "modelDeploymentSummaries"):
        arn = found["customModelDeploymentArn"]
        yield Item(
            kind=Kind.DEPLOYMENT,
            name=found["customModelDeploymentName"],
            identifier=arn,
            created=found["createdAt"],
            detail=found["status"],
            tags=_bedrock_tags(clients, arn),
        )


def _throughput(clients: Clients, now: datetime) -> Iterator[Item]:
    for found in every(clients.bedrock, "list_provisioned_model_throughputs", "provisionedModelSummaries"):
        hours = (now - found["creationTime"]).total_seconds() / 3600
        yield Item(
            kind=Kind.THROUGHPUT,
            name=found["provisionedModelName"],
            identifier=found["provisionedModelArn"],
            created=found["creationTime"],
            detail=f"{found['status']}, {found['modelUnits']} model units for {hours:.1f} hours",
            tags=_bedrock_tags(clients, found["provisionedModelArn"]),
        )


def _models(clients: Clients, _now: datetime) -> Iterator[Item]:
    for model in every(clients.bedrock, "list_custom_models", "modelSummaries"):
        yield Item(
            kind=Kind.MODEL,
            name=model["modelName"],
            identifier=model["modelArn"],
            created=model["creationTime"],
            detail=f"{model.get('customizationType', '')} of {model['baseModelArn'].rsplit('/', 1)[-1]}",
            tags=_bedrock_tags(clients, model["modelArn"]),
        )


def _buckets(clients: Clients, _now: datetime) -> Iterator[Item]:
    for bucket in every(clients.s3, "list_buckets", "Buckets", BucketRegion=clients.region):
        name = bucket["Name"]
        yield Item(
            kind=Kind.BUCKET,
            name=name,
            identifier=name,
            created=bucket["CreationDate"],
            detail=_contents(clients, name),
            tags=_bucket_tags(clients, name),
        )


def _contents(clients: Clients, bucket: str) -> str:
    objects = list(every(clients.s3, "list_objects_v2", "Contents", Bucket=bucket))
    return f"{len(objects)} objects, {sum(found['Size'] for found in objects):,} bytes"


def _bucket_tags(clients: Clients, bucket: str) -> dict[str, str]:
    try:
        found = clients.s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except clients.s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchTagSet":
            return {}
        raise
    return _tags(found, "Key", "Value")


def _roles(clients: Clients, _now: datetime) -> Iterator[Item]:
    """Roles and policies belong to no Region; those that AWS's services make for themselves are theirs."""
    for role in every(clients.iam, "list_roles", "Roles"):
        yield Item(
            kind=Kind.ROLE,
            name=role["RoleName"],
            identifier=role["Arn"],
            created=role["CreateDate"],
            tags=_tags(clients.iam.list_role_tags(RoleName=role["RoleName"])["Tags"], "Key", "Value"),
            removable=not role["Path"].startswith("/aws-service-role/"),
        )


def _policies(clients: Clients, _now: datetime) -> Iterator[Item]:
    for found in every(clients.iam, "list_policies", "Policies", Scope="Local"):
        yield Item(
            kind=Kind.POLICY,
            name=found["PolicyName"],
            identifier=found["Arn"],
            created=found["CreateDate"],
            detail=f"attached {found['AttachmentCount']} times",
            tags=_tags(clients.iam.list_policy_tags(PolicyArn=found["Arn"])["Tags"], "Key", "Value"),
        )


def _keys(clients: Clients, _now: datetime) -> Iterator[Item]:
    aliases = {alias.get("TargetKeyId"): alias["AliasName"] for alias in every(clients.kms, "list_aliases", "Aliases")}
    for key in every(clients.kms, "list_keys", "Keys"):
        about = clients.kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        alias = aliases.get(key["KeyId"], "").removeprefix("alias/")
        yield Item(
            kind=Kind.KEY,
            name=alias or about.get("Description") or key["KeyId"],
            identifier=key["KeyArn"],
            created=about["CreationDate"],
            detail=about["KeyState"],
            tags=_tags(clients.kms.list_resource_tags(KeyId=key["KeyId"])["Tags"], "TagKey", "TagValue"),
            removable=about["KeyState"] != "PendingDeletion" and about["KeyManager"] == "CUSTOMER",
        )


def _bedrock_tags(clients: Clients, arn: str) -> dict[str, str]:
    return _tags(clients.bedrock.list_tags_for_resource(resourceARN=arn)["tags"], "key", "value")


def _tags(listed: list[dict[str, str]], key: str, value: str) -> dict[str, str]:
    return {tag[key]: tag[value] for tag in listed}
