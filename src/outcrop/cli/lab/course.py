"""The lab's main job, in plain boto3: setup, four customizations, provisioning, asking. Knows nothing of what it shows.

Whoever runs it is told what happens through `Watcher`.
"""

import csv
import io
import json
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from outcrop.cli.lab.tasks import Row, Task
from outcrop.cli.options import Clients
from outcrop.domain.errors import OutcropError

POLL_S = 0.5
IN_SERVICE_S = 90.0
TRAINING_FILE = "training_artifacts/step_wise_training_metrics.csv"
BEFORE_FILE = "validation_artifacts/before_training/validation_metrics.csv"


class Watcher(Protocol):
    """Who is told how far things are."""

    def steps(self, task: Task, done: int, total: int) -> None:
        """A job has made so many of its steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the lab made before its jobs."""

    bucket: str
    role_arn: str
    suffix: str

    def name(self, task: Task) -> str:
        """What a task's job, model and provisioned throughput are called."""
        return f"lab-{task.name}-{self.suffix}"


@dataclass(slots=True, kw_only=True)
class Customized:
    """A finished customization."""

    task: Task
    seconds: float
    loss_before: float
    loss_after: float
    model_arn: str
    provisioned_arn: str = ""
    answers: dict[str, list[str]] = field(default_factory=dict)


def set_up(clients: Clients) -> Place:
    """A bucket and a service role that may use it."""
    suffix = uuid.uuid4().hex[:8]
    bucket = f"lab-{suffix}"
    clients.s3.create_bucket(Bucket=bucket)
    trust = [{"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    access = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        }
    ]
    role = clients.iam.create_role(RoleName=bucket, AssumeRolePolicyDocument=_policy(trust))["Role"]
    clients.iam.put_role_policy(RoleName=bucket, PolicyName="data", PolicyDocument=_policy(access))
    return Place(bucket=bucket, role_arn=role["Arn"], suffix=suffix)


def customize(
    clients: Clients, place: Place, tasks: Sequence[Task], watcher: Watcher, poll_s: float = POLL_S
) -> list[Customized]:
    """Queue every job at once and wait for all, looking every `poll_s`.

    Raises OutcropError with the reason of one that failed.
    """
    for task in tasks:
        _create_job(clients, place, task)
    ended: dict[str, dict[str, Any]] = {}
    while len(ended) < len(tasks):
        time.sleep(poll_s)
        for task in tasks:
            if task.name not in ended:
                job = _look(clients, place, task, watcher)
                ended |= {} if job is None else {task.name: job}
    return [_customized(clients, place, task, ended[task.name]) for task in tasks]


def provision(clients: Clients, place: Place, done: Sequence[Customized]) -> None:
    """Buy a model unit for each and wait until it is in service."""
    for one in done:
        one.provisioned_arn = clients.bedrock.create_provisioned_model_throughput(
            modelUnits=1, provisionedModelName=place.name(one.task), modelId=one.model_arn
        )["provisionedModelArn"]
    ends = time.monotonic() + IN_SERVICE_S
    for one in done:
        while (status := _status(clients, one)) != "InService":
            if status == "Failed" or time.monotonic() > ends:
                raise OutcropError(f"provisioned throughput for {one.task.name} is {status}")
            time.sleep(POLL_S)


def total_steps(task: Task) -> int:
    """Optimizer steps of a task's job."""
    batch, epochs = int(task.hyperparameters["batchSize"]), int(task.hyperparameters["epochCount"])
    return epochs * math.ceil(len(task.rows) / batch)


def _create_job(clients: Clients, place: Place, task: Task) -> None:
    for name, rows in (("train", task.rows), ("validation", task.validation)):
        clients.s3.put_object(Bucket=place.bucket, Key=f"{task.name}/{name}.jsonl", Body=_jsonl(rows))
    clients.bedrock.create_model_customization_job(
        jobName=place.name(task),
        customModelName=place.name(task),
        roleArn=place.role_arn,
        baseModelIdentifier=task.base,
        customizationType=task.kind,
        trainingDataConfig={"s3Uri": f"s3://{place.bucket}/{task.name}/train.jsonl"},
        validationDataConfig={"validators": [{"s3Uri": f"s3://{place.bucket}/{task.name}/validation.jsonl"}]},
        outputDataConfig={"s3Uri": f"s3://{place.bucket}/output/"},
        hyperParameters=task.hyperparameters,
    )


def _look(clients: Clients, place: Place, task: Task, watcher: Watcher) -> dict[str, Any] | None:
    """The job if it has ended; else the watcher hears how far it is."""
    job: dict[str, Any] = clients.bedrock.get_model_customization_job(jobIdentifier=place.name(task))
    watcher.steps(task, len(_csv(clients, place, job, TRAINING_FILE)), total_steps(task))
    if job["status"] == "InProgress":
        return None
    if job["status"] != "Completed":
        raise OutcropError(f"the job {job['jobName']} ended {job['status']}: {job.get('failureMessage', '')}")
    return job


def _customized(clients: Clients, place: Place, task: Task, job: dict[str, Any]) -> Customized:
    before = _csv(clients, place, job, BEFORE_FILE)
    training = job["statusDetails"]["trainingDetails"]
    return Customized(
        task=task,
        seconds=(training["lastModifiedTime"] - training["creationTime"]).total_seconds(),
        loss_before=float(before[0]["validation_loss"]),
        loss_after=job["validationMetrics"][0]["validationLoss"],
        model_arn=job["outputModelArn"],
    )


def _csv(clients: Clients, place: Place, job: dict[str, Any], name: str) -> list[dict[str, str]]:
    key = f"output/model-customization-job-{job['jobArn'][-12:]}/{name}"
    try:
        body = clients.s3.get_object(Bucket=place.bucket, Key=key)["Body"].read().decode()
    except clients.s3.exceptions.NoSuchKey:
        return []
    return list(csv.DictReader(io.StringIO(body)))


def _status(clients: Clients, one: Customized) -> str:
    found = clients.bedrock.get_provisioned_model_throughput(provisionedModelId=one.provisioned_arn)
    return str(found["status"])


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _jsonl(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
