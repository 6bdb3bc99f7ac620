"""A real Outcrop in a process tree of its own, for tests that talk to it as users do."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psutil

SERVICE_S = 120.0  # within which throughput is in service: its engine starts, beside other tests, and measures itself
STOP_S = 60.0  # within which a server ends beside other tests; on a machine of its own it promises ten seconds


class Outcrop:
    """`outcrop serve` on a home, with boto3 clients for it."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.variables: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        """Start the tree and wait for its ready line."""
        command = [sys.executable, "-m", "outcrop.cli", "serve", "--home", str(self.home), "--port", "0"]
        self.process = subprocess.Popen([*command, *self.arguments], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line.startswith("ready http"), f"no ready line: {line!r}"
        self.variables = self.environment()

    def environment(self) -> dict[str, str]:
        """What `outcrop env` prints, read as a shell would."""
        command = [sys.executable, "-m", "outcrop.cli", "env", "--home", str(self.home)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        words = (shlex.split(line) for line in printed.splitlines())
        return dict(word.split("=", 1) for export, word in words if export == "export")

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self.process is not None
        return self.process.pid

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """A boto3 client, made as a user's would be, from the variables alone."""
        session = boto3.Session(self.variables["AWS_ACCESS_KEY_ID"], self.variables["AWS_SECRET_ACCESS_KEY"])
        return session.client(
            service,
            endpoint_url=self.variables["AWS_ENDPOINT_URL"],
            region_name=region,
            verify=self.variables.get("AWS_CA_BUNDLE"),
        )

    def tree(self) -> list[psutil.Process]:
        """The server and everything below it."""
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]

    def find(self, module: str) -> list[psutil.Process]:
        """The tree's processes that run a module."""
        return [process for process in self.tree() if module in _command_line(process)]

    def kill_tree(self) -> list[psutil.Process]:
        """kill -9 of every process at once; returns them."""
        processes = self.tree()
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._reap()
        return processes

    def stop(self) -> None:
        """SIGTERM, and the promise that no child outlives the server."""
        if self.process is None or self.process.poll() is not None:
            return
        processes = self.tree()
        self.process.terminate()
        self._reap()
        _, alive = psutil.wait_procs(processes, timeout=STOP_S)
        assert not alive, f"still alive after the server ended: {alive}"

    def _reap(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        self.process.wait(STOP_S)
        self.process.stdout.close()


def await_that(condition: Callable[[], Any], timeout_s: float, what: str, every_s: float = 0.1) -> Any:
    """The first true value of a condition. Fails, naming `what`, when there is none in time."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        found = condition()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def make_role(outcrop: Outcrop, bucket: str, name: str = "BedrockRole") -> str:
    """A service role that may use one bucket, as the walkthroughs make it."""
    iam = outcrop.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    access = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="data", PolicyDocument=json.dumps(access))
    return arn


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    """Rows as a JSONL file."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def nova_row(question: str, answer: str) -> dict[str, Any]:
    """A training record of Nova and Llama 3.2."""
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "messages": [
            {"role": "user", "content": [{"text": question}]},
            {"role": "assistant", "content": [{"text": answer}]},
        ],
    }


def claude_row(question: str, answer: str) -> dict[str, Any]:
    """A training record of Claude 3 Haiku."""
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def wait_for_job(bedrock: Any, name: str, timeout_s: float = 240.0) -> dict[str, Any]:
    """Poll by job name until the job is not InProgress any more, as every walkthrough does."""

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = bedrock.get_model_customization_job(jobIdentifier=name)
        return None if job["status"] in ("InProgress", "Stopping") else job

    found: dict[str, Any] = await_that(ended, timeout_s, f"the end of job {name}", every_s=0.3)
    return found


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def no_credentials() -> dict[str, str]:
    """The environment without any AWS variable."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
