"""Batch jobs on the worker's scene: real rows, sealed objects, and the engine of the pebble."""

import json
from dataclasses import dataclass, field
from typing import Any

from living import jsonl
from outcrop.store import invocation_jobs
from outcrop.store.invocation_jobs import ClaimedInvocationJob, InvocationJob
from outcrop.worker.batch import running
from outcrop.worker.batch.share import Share

NOVA_ON_DEMAND = "amazon.nova-micro-v1:0"
BUCKET = "rocks"


def body(question: str, tokens: int = 4) -> dict[str, Any]:
    """What InvokeModel takes for Nova, and Converse for every family."""
    return {
        "messages": [{"role": "user", "content": [{"text": question}]}],
        "inferenceConfig": {"maxTokens": tokens, "temperature": 0},
    }


def record(number: int, **given: Any) -> dict[str, Any]:
    return {"recordId": f"R{number}", "modelInput": body(f"What is number {number}?"), **given}


@dataclass
class Batch:
    """A scene with batch jobs."""

    scene: Any
    share: Share = field(default_factory=Share)

    def queue(self, name: str, **given: Any) -> InvocationJob:
        role = f"arn:aws:iam::{self.scene.server.account}:role/Customizer"
        members: dict[str, Any] = {
            "jobName": name,
            "roleArn": role,
            "modelId": NOVA_ON_DEMAND,
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/in/input.jsonl"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/answers/"}},
        }
        made = self.scene.ask("bedrock", "CreateModelInvocationJob", **{**members, **given})
        return self.job(made["jobArn"])

    def job(self, identifier: str) -> InvocationJob:
        with self.scene.ground.database.read() as connection:
            found = invocation_jobs.find(connection, self.scene.region, self.scene.server.account, identifier)
        assert found is not None
        return found

    def claim(self, lease_s: float = 30.0) -> ClaimedInvocationJob:
        ground = self.scene.ground
        claimed = invocation_jobs.claim(ground.database, ground.owner, ground.clock(), lease_s, 9)
        assert claimed is not None
        return claimed

    def run(self, claimed: ClaimedInvocationJob, ground: Any = None) -> InvocationJob:
        """Take a claimed job as far as it goes, here and now."""
        running.run(ground or self.scene.ground, claimed, self.share, self.scene.closing)
        return self.job(claimed.job.id)

    def work(self, name: str, rows: list[dict[str, Any]] | None = None, **given: Any) -> InvocationJob:
        """Queue a job (on these rows) and take it to its end."""
        if rows is not None:
            self.scene.put("in/input.jsonl", jsonl(rows))
        self.queue(name, **given)
        return self.run(self.claim())

    def let_list(self, role: str) -> None:
        """What a role needs where the input is a folder."""
        allowed = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self.scene.ask("iam", "PutRolePolicy", RoleName=role, PolicyName="list", PolicyDocument=document)

    def lines(self, job: InvocationJob, file: str = "input.jsonl") -> list[dict[str, Any]]:
        text = self.scene.read(f"answers/{job.id}/{file}.out").decode()
        assert text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]

    def manifest(self, job: InvocationJob) -> dict[str, int]:
        found: dict[str, int] = json.loads(self.scene.read(f"answers/{job.id}/manifest.json.out"))
        return found
