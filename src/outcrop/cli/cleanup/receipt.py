"""Deletes things one by one and writes down what became of each. Knows nothing of how they were chosen."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from outcrop.cli.cleanup.inventory import Item, Kind
from outcrop.cli.options import Clients, every
from outcrop.domain.errors import OutcropError

KEY_WAIT_DAYS = 7  # the shortest that KMS allows
STOP_WAIT_S = 30.0
STOP_POLL_S = 0.2
LEADS_TO_A_MODEL = (Kind.JOB, Kind.DEPLOYMENT, Kind.THROUGHPUT, Kind.MODEL)


@dataclass(slots=True)
class Receipt:
    """What was asked to go, and what became of it."""

    at: datetime
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failed(self) -> list[dict[str, Any]]:
        """What could not be deleted."""
        return [line for line in self.lines if "error" in line]

    @property
    def may_need_keys(self) -> bool:
        """Is a custom model still there, or something that makes or holds one?"""
        return any(line["kind"] in LEADS_TO_A_MODEL for line in self.failed)

    def note(self, item: Item, done: str | None, error: str | None = None) -> None:
        """Write one line."""
        line: dict[str, Any] = {"kind": item.kind.value, "name": item.name, "identifier": item.identifier}
        line |= {"detail": item.detail} if item.detail else {}
        self.lines.append(line | ({"done": done} if error is None else {"error": error}))

    def to_json(self) -> dict[str, Any]:
        """The receipt as plain data."""
        deleted = len(self.lines) - len(self.failed)
        return {"at": self.at.isoformat(), "deleted": deleted, "failed": len(self.failed), "items": self.lines}


def remove_all(clients: Clients, items: Sequence[Item], talk: Console) -> Receipt:
    """Remove in the order of `Kind`; what fails is written down and the rest goes on."""
    receipt = Receipt(at=datetime.now(UTC))
    order = {kind: place for place, kind in enumerate(Kind)}
    for item in sorted(items, key=lambda item: order[item.kind]):
        _remove(clients, item, receipt)
        said = receipt.lines[-1]
        words = said["done"] if "done" in said else f"not deleted: {said['error']}"
        talk.print(f"{item.kind.value} {item.name}: {words}", markup=False, highlight=False)
    return receipt


def _remove(clients: Clients, item: Item, receipt: Receipt) -> None:
    if item.kind is Kind.KEY and receipt.may_need_keys:  # without its key a model could never be read again
        receipt.note(item, None, "kept: custom models that may need it are still there")
        return
    try:
        receipt.note(item, _REMOVERS[item.kind](clients, item))
    except (ClientError, BotoCoreError, OutcropError) as error:
        receipt.note(item, None, str(error))


def _stop_job(clients: Clients, item: Item) -> str:
    bedrock = clients.bedrock
    bedrock.stop_model_customization_job(jobIdentifier=item.identifier)
    status = _status_when_stopped(lambda: bedrock.get_model_customization_job(jobIdentifier=item.identifier))
    if status == "Completed":
        raise OutcropError("it completed before it stopped, and made its model: clean up again")
    return f"{status} (its record stays)"


def _stop_invocation_job(clients: Clients, item: Item) -> str:
    bedrock = clients.bedrock
    bedrock.stop_model_invocation_job(jobIdentifier=item.identifier)
    status = _status_when_stopped(lambda: bedrock.get_model_invocation_job(jobIdentifier=item.identifier))
    return f"{status} (its record and its output stay)"


def _status_when_stopped(get: Callable[[], dict[str, Any]]) -> str:
    ends = time.monotonic() + STOP_WAIT_S
    while time.monotonic() < ends:
        status: str = get()["status"]
        if status != "Stopping":
            return status
        time.sleep(STOP_POLL_S)
    raise OutcropError(f"it is still Stopping after {STOP_WAIT_S:.0f} s")


def _delete_deployment(clients: Clients, item: Item) -> str:
    clients.bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=item.identifier)
    return "deleted"


def _delete_throughput(clients: Clients, item: Item) -> str:
    clients.bedrock.delete_provisioned_model_throughput(provisionedModelId=item.identifier)
    return "deleted"


def _delete_model(clients: Clients, item: Item) -> str:
    clients.bedrock.delete_custom_model(modelIdentifier=item.identifier)
    return "deleted"


def _delete_bucket(clients: Clients, item: Item) -> str:
    for upload in every(clients.s3, "list_multipart_uploads", "Uploads", Bucket=item.name):
        clients.s3.abort_multipart_upload(Bucket=item.name, Key=upload["Key"], UploadId=upload["UploadId"])
    count = 0
    for page in clients.s3.get_paginator("list_objects_v2").paginate(Bucket=item.name):
        keys = [{"Key": found["Key"]} for found in page.get("Contents", [])]
        if keys:
            clients.s3.delete_objects(Bucket=item.name, Delete={"Objects": keys, "Quiet": True})
            count += len(keys)
    clients.s3.delete_bucket(Bucket=item.name)
    return f"deleted with {count} objects"


def _delete_role(clients: Clients, item: Item) -> str:
    iam = clients.iam
    for attached in iam.list_attached_role_policies(RoleName=item.name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=item.name, PolicyArn=attached["PolicyArn"])
    for inline in iam.list_role_policies(RoleName=item.name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=item.name, PolicyName=inline)
    iam.delete_role(RoleName=item.name)
    return "deleted"


def _delete_policy(clients: Clients, item: Item) -> str:
    for version in clients.iam.list_policy_versions(PolicyArn=item.identifier)["Versions"]:
        if not version["IsDefaultVersion"]:
            clients.iam.delete_policy_version(PolicyArn=item.identifier, VersionId=version["VersionId"])
    clients.iam.delete_policy(PolicyArn=item.identifier)
    return "deleted"


def _schedule_key(clients: Clients, item: Item) -> str:
    answer = clients.kms.schedule_key_deletion(KeyId=item.identifier, PendingWindowInDays=KEY_WAIT_DAYS)
    return f"deletion scheduled for {answer['DeletionDate'].isoformat()}"


_REMOVERS: dict[Kind, Callable[[Clients, Item], str]] = {
    Kind.JOB: _stop_job,
    Kind.INVOCATION_JOB: _stop_invocation_job,
    Kind.DEPLOYMENT: _delete_deployment,
    Kind.THROUGHPUT: _delete_throughput,
    Kind.MODEL: _delete_model,
    Kind.BUCKET: _delete_bucket,
    Kind.ROLE: _delete_role,
    Kind.POLICY: _delete_policy,
    Kind.KEY: _schedule_key,
}
