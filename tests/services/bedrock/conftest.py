"""Real boto3 clients whose requests go through the wire to the services: no socket, no signature, nothing faked.

botocore's own parsing of every answer is part of every test.
"""

import io
import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from outcrop import wire
from outcrop.config import Settings
from outcrop.domain.errors import Fault
from outcrop.domain.names import new_id
from outcrop.domain.states import JobStatus
from outcrop.services.bedrock import OPERATIONS
from outcrop.services.call import Call, Ground, Principal
from outcrop.store import identities, jobs
from outcrop.store.home import open_home

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOVA = "amazon.nova-micro-v1:0:128k"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


@dataclass
class Scene:
    """A home, its clock, and clients of any Region. The clock stands still unless it is moved."""

    ground: Ground
    at: datetime
    requests: Iterator[int] = field(default_factory=itertools.count)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, region: str = "us-east-1") -> Any:
        if region not in self.clients:
            self.clients[region] = self._new_client(region)
        return self.clients[region]

    def _new_client(self, region: str) -> Any:
        keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "not-checked-here"}
        retries = Config(retries={"max_attempts": 1})
        client = boto3.client("bedrock", region, endpoint_url="http://127.0.0.1:9", config=retries, **keys)
        client.meta.events.register("before-send.bedrock", lambda request, **_: self._answer(region, request))
        return client

    def call(self, region: str = "us-east-1") -> Call:
        account = self.ground.account
        caller = Principal(account=account, arn=f"arn:aws:iam::{account}:root", user_id=account)
        return Call(
            ground=self.ground, principal=caller, region=region, request_id=str(next(self.requests)), at=self.at
        )

    def _answer(self, region: str, request: AWSPreparedRequest) -> AWSResponse:
        url = urlsplit(request.url)
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        query = parse_qsl(url.query, keep_blank_values=True)
        body = _bytes(request.body)
        service, operation = wire.service("bedrock"), None
        try:
            match = service.match(request.method, url.path, query, headers, body)
            assert match is not None
            operation = match.operation
            params = wire.parse(operation, match, query, headers, body)
            wire.constrain(operation, params)
            response = wire.serialize(operation, OPERATIONS[operation.name](self.call(region), params), "request")
        except Fault as error:
            response = wire.fault(service, operation, error, "request")
        assert isinstance(response.body, bytes)
        answered = {name.decode(): value.decode() for name, value in response.headers}
        return AWSResponse(request.url, response.status, answered, _Raw(response.body))

    def add_role(self, name: str = "Customizer", trust: dict[str, Any] = TRUST, path: str = "/") -> str:
        arn = f"arn:aws:iam::{self.ground.account}:role{path}{name}"
        role = identities.Entity(
            kind=identities.Kind.ROLE,
            name=name,
            path=path,
            unique_id=f"AROA{name.upper()}",
            arn=arn,
            created_at=self.at,
            trust=json.dumps(trust),
        )
        with self.ground.database.write() as connection:
            identities.create(connection, role)
        return arn

    def queue(self, name: str, region: str = "us-east-1", **given: Any) -> str:
        """Create a job with what every job needs, and `given`."""
        members: dict[str, Any] = {
            "jobName": name,
            "customModelName": f"{name}-model",
            "roleArn": f"arn:aws:iam::{self.ground.account}:role/Customizer",
            "baseModelIdentifier": NOVA,
            "trainingDataConfig": {"s3Uri": "s3://rocks/train.jsonl"},
            "outputDataConfig": {"s3Uri": "s3://rocks/out/"},
        }
        arn: str = self.client(region).create_model_customization_job(**{**members, **given})["jobArn"]
        return arn

    def work(self, status: JobStatus = JobStatus.COMPLETED, **given: Any) -> jobs.Job:
        """What a worker does with the oldest queued job: claim it and settle it."""
        claimed = jobs.claim(self.ground.database, "worker", self.at, 5.0, 99)
        assert claimed is not None
        return jobs.settle(self.ground.database, claimed, jobs.Outcome(status=status, **given), self.at)

    def model(self, name: str, region: str = "us-east-1", **given: Any) -> str:
        """A custom model, made by a job that has completed."""
        self.queue(f"job-of-{name}", region, customModelName=name, **given)
        return self.work(training_loss=1.0, checkpoint="/checkpoints/pebble").model_arn

    def pass_time(self, **amount: float) -> None:
        self.at += timedelta(**amount)


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as the first start makes it; each test gets a copy, which is faster than a first start each."""
    folder = tmp_path_factory.mktemp("template") / "home"
    open_home(Settings(home=folder), NOON).close()
    return folder


@pytest.fixture
def scene(tmp_path: Path, empty_home: Path) -> Iterator[Scene]:
    home = open_home(Settings(home=Path(shutil.copytree(empty_home, tmp_path / "home"))), NOON)
    ground = Ground(
        settings=home.settings,
        database=home.database,
        account=home.account,
        clock=lambda: NOON,
        new_id=new_id,
        master_key=home.master_key,
    )
    opened = Scene(ground=ground, at=NOON)
    opened.add_role()
    yield opened
    home.close()


@pytest.fixture
def bedrock(scene: Scene) -> Any:
    return scene.client()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else bytes(body)
