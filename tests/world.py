"""A running Outcrop with a bucket, a role and data: what the conformance tests share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from living import Outcrop, jsonl, make_role, nova_row, wait_for_job

BUCKET = "conformance"
NOVA = "amazon.nova-micro-v1:0:128k"
COLOURS = ("red", "blue", "green", "gold")
SYSTEM = [{"text": "Answer."}]


def question(number: int) -> str:
    return f"Colour of thing {number}?"


def facts(rows: int = 32) -> list[tuple[str, str]]:
    """Four facts, over and over."""
    return [(question(at % 4), COLOURS[at % 4]) for at in range(rows)]


def refused(operation: Callable[..., Any], **request: Any) -> tuple[str, int, str]:
    """Calls what must be refused: code, status, message."""
    with pytest.raises(ClientError) as caught:
        operation(**request)
    said = caught.value.response
    return said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"], said["Error"].get("Message", "")


@dataclass(frozen=True)
class World:
    """Calls as a user makes them."""

    outcrop: Outcrop
    role: str

    @classmethod
    def made(cls, outcrop: Outcrop) -> "World":
        outcrop.client("s3").create_bucket(Bucket=BUCKET)
        world = cls(outcrop, make_role(outcrop, BUCKET))
        world.put("nova.jsonl", jsonl([{**nova_row(*fact), "system": SYSTEM} for fact in facts()]))
        return world

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return self.outcrop.client(service, region)

    def put(self, key: str, content: bytes) -> str:
        """An object's address."""
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    def request(self, name: str, **other: Any) -> dict[str, Any]:
        """A CreateModelCustomizationJob that works, but for what `other` says."""
        usual = {
            "jobName": name,
            "customModelName": f"{name}-model",
            "roleArn": self.role,
            "baseModelIdentifier": NOVA,
            "trainingDataConfig": {"s3Uri": f"s3://{BUCKET}/nova.jsonl"},
            "outputDataConfig": {"s3Uri": f"s3://{BUCKET}/out/"},
            "hyperParameters": {"epochCount": "3", "learningRate": "1e-4"},  # 96 steps: few, so the most of its range
        }
        return {**usual, **other}

    def queue(self, name: str, **other: Any) -> str:
        """The ARN of a job."""
        arn: str = self.client("bedrock").create_model_customization_job(**self.request(name, **other))["jobArn"]
        return arn

    def ended(self, name: str) -> dict[str, Any]:
        """A job when it runs no more."""
        return wait_for_job(self.client("bedrock"), name)

    def taught(self, name: str, **other: Any) -> str:
        """The ARN of the model of a job that is run."""
        self.queue(name, **other)
        return self.model_of(name)

    def model_of(self, name: str) -> str:
        """The ARN of the model of a job that was queued."""
        job = self.ended(name)
        assert job["status"] == "Completed", job.get("failureMessage")
        arn: str = job["outputModelArn"]
        return arn

    def say(self, model_id: str, number: int = 1) -> str:
        """What a model answers to a question that it was taught."""
        answer = self.client("bedrock-runtime").converse(
            modelId=model_id,
            messages=[{"role": "user", "content": [{"text": question(number)}]}],
            system=SYSTEM,
            inferenceConfig={"temperature": 0, "maxTokens": 8},
        )
        text: str = answer["output"]["message"]["content"][0]["text"]
        return text
