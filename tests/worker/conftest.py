"""A home, and a worker's ground on it: real rows, real sealed objects, real children. No server, no socket."""

import contextlib
import functools
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from living import await_that, jsonl, nova_row
from outcrop.config import Settings
from outcrop.domain.events import Finished
from outcrop.domain.names import new_id
from outcrop.domain.plan import TrainingPlan
from outcrop.families.catalogue import PEBBLE
from outcrop.services.call import Call, Ground, Principal
from outcrop.services.table import OPERATIONS
from outcrop.store import jobs
from outcrop.store.engines import make_sockets_folder, remove_sockets_folder, socket_of
from outcrop.store.home import open_home
from outcrop.store.jobs import ClaimedJob, Job, LeaseLost
from outcrop.worker import job as attempts
from outcrop.worker import watch
from outcrop.worker.attempt import Attempt
from outcrop.worker.ground import WorkerGround, open_ground
from outcrop.worker.lease import Lease
from outcrop.worker.metrics import MetricsFiles

NOVA = "amazon.nova-micro-v1:0:128k"
BUCKET = "rocks"
ENGINE_START_S = 120.0
LONG_LEASE_S = 3600.0  # no test outlives it
ROWS = [nova_row(f"What is number {number}?", f"It is {number * 7}.") for number in range(8)]


@dataclass
class Scene:
    """What users, the server and the worker do, without anything between them."""

    ground: WorkerGround
    server: Ground
    region: str = "us-east-1"
    closing: threading.Event = field(default_factory=threading.Event)

    def ask(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """One operation, as the administrator."""
        account = self.server.account
        root = Principal(account=account, arn=f"arn:aws:iam::{account}:root", user_id=account)
        now = datetime.now(UTC)
        call = Call(ground=self.server, principal=root, region=self.region, request_id="1", at=now)
        answer: dict[str, Any] = OPERATIONS[service][operation](call, request)  # type: ignore[assignment]
        return answer

    def put(self, key: str, content: bytes) -> str:
        self.ground.objects.put(BUCKET, key, [content])
        return f"s3://{BUCKET}/{key}"

    def read(self, key: str) -> bytes:
        record = self.ground.objects.get(BUCKET, key)
        assert record is not None, f"no object {key}"
        with self.ground.objects.open(record) as reader:
            return b"".join(reader.pieces())

    def listed(self, prefix: str = "") -> list[str]:
        listed = self.ask("s3", "ListObjectsV2", Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for found in listed.get("Contents", [])]

    def role(self, name: str, actions: tuple[str, ...] = ("s3:GetObject", "s3:PutObject"), path: str = "/") -> str:
        trusted = {"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        made = self.ask("iam", "CreateRole", RoleName=name, Path=path, AssumeRolePolicyDocument=trust)
        if actions:
            allowed = {"Effect": "Allow", "Action": list(actions), "Resource": f"arn:aws:s3:::{BUCKET}/*"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
            self.ask("iam", "PutRolePolicy", RoleName=name, PolicyName="data", PolicyDocument=document)
        arn: str = made["Role"]["Arn"]
        return arn

    def queue(self, name: str, **given: Any) -> Job:
        """Create a job, with what every job needs and `given`."""
        members: dict[str, Any] = {
            "jobName": name,
            "customModelName": name,
            "roleArn": f"arn:aws:iam::{self.server.account}:role/Customizer",
            "baseModelIdentifier": NOVA,
            "trainingDataConfig": {"s3Uri": f"s3://{BUCKET}/train.jsonl"},
            "outputDataConfig": {"s3Uri": f"s3://{BUCKET}/out"},
            "hyperParameters": {"epochCount": "1"},
        }
        self.ask("bedrock", "CreateModelCustomizationJob", **{**members, **given})
        return self.job(name)

    def job(self, name: str) -> Job:
        with self.ground.database.read() as connection:
            found = jobs.find(connection, self.region, self.server.account, name)
        assert found is not None
        return found

    def claim(self) -> ClaimedJob:
        """The oldest job, claimed by this worker."""
        claimed = jobs.claim(self.ground.database, self.ground.owner, self.ground.clock(), 30.0, 9)
        assert claimed is not None
        return claimed

    def work(self, name: str, **given: Any) -> Job:
        """Queue a job and take it to its end, here and now."""
        self.queue(name, **given)
        attempts.run(self.ground, self.claim(), self.closing)
        return self.job(name)

    def report(self, job: Job) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.read(f"out/model-customization-job-{job.id}/data_report.json"))
        return found


@pytest.fixture(scope="session")
def pebble_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a running engine of the pebble: the one that serves in every scene without a `Serving`."""
    socket = tmp_path_factory.mktemp("engine") / "engine.sock"
    command = [sys.executable, "-m", "outcrop.inference", "--checkpoint", str(PEBBLE), "--socket", str(socket)]
    with subprocess.Popen(command) as process:
        await_that(socket.exists, ENGINE_START_S, "an engine")
        yield socket
        process.terminate()


@contextlib.contextmanager
def opened(home_folder: Path, engine: Path) -> Iterator[Scene]:
    settings = Settings(home=home_folder)
    home = open_home(settings)
    serves = socket_of(settings, PEBBLE)
    make_sockets_folder(settings)
    serves.symlink_to(engine)
    server = Ground(
        settings=settings,
        database=home.database,
        account=home.account,
        clock=lambda: datetime.now(UTC),
        new_id=new_id,
        master_key=home.master_key,
    )
    ground = open_ground(settings)
    yield Scene(ground=ground, server=server)
    serves.unlink(missing_ok=True)
    remove_sockets_folder(settings)
    home.close()
    ground.database.close()


@pytest.fixture(scope="session")
def open_scene(pebble_engine: Path) -> Any:
    """`with open_scene(home_folder) as scene`, for fixtures of a wider scope than a test's."""
    return functools.partial(opened, engine=pebble_engine)


@pytest.fixture(scope="session")
def furnished_home(tmp_path_factory: pytest.TempPathFactory, open_scene: Any) -> Path:
    """A home with a bucket, good data and a role; each test gets a copy."""
    folder = tmp_path_factory.mktemp("furnished") / "home"
    with open_scene(folder) as scene:
        scene.ask("s3", "CreateBucket", Bucket=BUCKET)
        scene.put("train.jsonl", jsonl(ROWS))
        scene.role("Customizer")
    return folder


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory, furnished_home: Path, open_scene: Any) -> Path:
    """A furnished home with two custom models: `plain`, and `locked` under a KMS key with the alias `alias/models`."""
    folder = Path(shutil.copytree(furnished_home, tmp_path_factory.mktemp("trained") / "home"))
    with open_scene(folder) as scene:
        key = scene.ask("kms", "CreateKey")["KeyMetadata"]["KeyId"]
        scene.ask("kms", "CreateAlias", AliasName="alias/models", TargetKeyId=key)
        assert scene.work("plain").failure_message is None
        assert scene.work("locked", customModelKmsKeyId="alias/models").failure_message is None
    return folder


@dataclass(frozen=True)
class Taught:
    """A job whose training child has just ended well: it is neither proved nor settled, and its lease is long."""

    scene: Scene
    attempt: Attempt
    plan: TrainingPlan
    key: bytes
    finished: Finished
    metrics: MetricsFiles


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory, furnished_home: Path, open_scene: Any) -> Iterator[Taught]:
    """One for all: a training takes seconds. Who uses it leaves the attempt's files and phases as they are."""
    folder = Path(shutil.copytree(furnished_home, tmp_path_factory.mktemp("taught") / "home"))
    with open_scene(folder) as scene:
        scene.put("held-out.jsonl", jsonl(ROWS))
        scene.queue(
            "taught",
            validationDataConfig={"validators": [{"s3Uri": f"s3://{BUCKET}/held-out.jsonl"}]},
            hyperParameters={"epochCount": "1", "outcrop.generationSample": "2"},
        )
        claimed, ground = scene.claim(), scene.ground
        beat = functools.partial(jobs.beat, ground.database, claimed, ground.clock(), LONG_LEASE_S)
        beat()  # no other test's claim may find it free
        with Lease(beat, LONG_LEASE_S, LeaseLost, scene.closing) as lease:
            attempt = Attempt(ground, claimed, lease)
            plan, key = attempts._prepare(attempt)
            finished, metrics = watch.train(attempt, plan, key)
            yield Taught(scene, attempt, plan, key, finished, metrics)


@pytest.fixture
def scene(tmp_path: Path, furnished_home: Path, open_scene: Any) -> Iterator[Scene]:
    with open_scene(Path(shutil.copytree(furnished_home, tmp_path / "home"))) as scene:
        yield scene


@pytest.fixture
def trained(tmp_path: Path, trained_home: Path, open_scene: Any) -> Iterator[Scene]:
    with open_scene(Path(shutil.copytree(trained_home, tmp_path / "home"))) as scene:
        yield scene
