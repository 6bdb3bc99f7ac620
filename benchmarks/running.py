"""A real Outcrop for a benchmark: `outcrop serve` on a home of its own, boto3 clients for it, a job that makes a model.

Knows nothing of what is measured.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

from outcrop.cli.options import Clients, environment

REGION = "us-east-1"
NOVA = "amazon.nova-micro-v1:0:128k"
BUCKET = "benchmark"
STOPS_WITHIN_S = 15
WAITS_S = 600.0
CONNECTIONS = 256
SYSTEM = [{"text": "Answer."}]


class Callers:
    """Clients for the server that runs on a home, as its administrator."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.variables = environment(home)

    def client(self, service: str) -> Any:
        """A client that never tries again by itself: what was refused is counted."""
        session = boto3.Session(self.variables["AWS_ACCESS_KEY_ID"], self.variables["AWS_SECRET_ACCESS_KEY"])
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=CONNECTIONS, read_timeout=WAITS_S)
        return session.client(
            service, region_name=REGION, endpoint_url=self.variables["AWS_ENDPOINT_URL"], config=config
        )

    def throughput(self) -> dict[str, Any]:
        """What GetThroughput answers."""
        said: dict[str, Any] = Clients(self.variables, REGION).outcrop.get_throughput()
        return said


class Running(Callers):
    """A server of one's own, with its process tree."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-m", "outcrop.cli", "serve", "--home", str(home), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        if not self.process.stdout.readline().startswith(b"ready"):
            raise SystemExit("outcrop serve did not start")
        super().__init__(home)

    def memory(self) -> dict[str, int]:
        """Bytes that the server, the worker and each engine hold for themselves alone, by module."""
        found: dict[str, int] = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            words = process.cmdline()
            name = words[words.index("-m") + 1] if "-m" in words else "other"
            found[name] = found.get(name, 0) + process.memory_full_info().uss
        return {"server": psutil.Process(self.process.pid).memory_full_info().uss, **found}

    def stop(self) -> None:
        """End the tree."""
        self.process.terminate()
        self.process.wait(STOPS_WITHIN_S)


def prepare(running: Running) -> str:
    """A bucket, and the ARN of a role that may use it."""
    running.client("s3").create_bucket(Bucket=BUCKET)
    iam = running.client("iam")
    trust = _policy("sts:AssumeRole", Principal={"Service": "bedrock.amazonaws.com"})
    arn: str = iam.create_role(RoleName="Customizer", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="Customizer", PolicyName="data", PolicyDocument=_policy("s3:*", Resource="*"))
    return arn


def start_job(running: Running, role: str, name: str, rows: int, epochs: int) -> None:
    """Queue a fine-tuning on so many rows."""
    body = "".join(json.dumps(_row(number)) + "\n" for number in range(rows)).encode()
    running.client("s3").put_object(Bucket=BUCKET, Key=f"{name}.jsonl", Body=body)
    running.client("bedrock").create_model_customization_job(
        jobName=name,
        customModelName=name,
        roleArn=role,
        baseModelIdentifier=NOVA,
        trainingDataConfig={"s3Uri": f"s3://{BUCKET}/{name}.jsonl"},
        outputDataConfig={"s3Uri": f"s3://{BUCKET}/out/"},
        hyperParameters={"epochCount": str(epochs)},
    )


def job_of(running: Running, name: str) -> dict[str, Any]:
    """A job as it is now."""
    found: dict[str, Any] = running.client("bedrock").get_model_customization_job(jobIdentifier=name)
    return found


def taught(running: Running, role: str, name: str) -> str:
    """The ARN of a custom model of a short job that is run."""
    start_job(running, role, name, rows=32, epochs=1)
    await_that(lambda: job_of(running, name)["status"] not in ("InProgress", "Stopping"), f"the end of {name}")
    job = job_of(running, name)
    if job["status"] != "Completed":
        raise SystemExit(f"{name}: {job.get('failureMessage')}")
    arn: str = job["outputModelArn"]
    return arn


def await_that(condition: Callable[[], Any], what: str, every_s: float = 0.2) -> Any:
    """The first true value. Ends the program where none comes."""
    ends = time.monotonic() + WAITS_S
    while time.monotonic() < ends:
        found = condition()
        if found:
            return found
        time.sleep(every_s)
    raise SystemExit(f"not within {WAITS_S:.0f} s: {what}")


def machine() -> dict[str, Any]:
    """What a reader needs to judge the numbers."""
    return {
        "cores_given": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average_after": round(os.getloadavg()[0], 1),
        "python": sys.version.split()[0],
    }


def _policy(action: str, **members: Any) -> str:
    statement = {"Effect": "Allow", "Action": action, **members}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _row(number: int) -> dict[str, Any]:
    question, answer = f"What is the colour of thing {number}?", f"It is number {number % 7} of the seven colours."
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "system": SYSTEM,
        "messages": [
            {"role": "user", "content": [{"text": question}]},
            {"role": "assistant", "content": [{"text": answer}]},
        ],
    }
