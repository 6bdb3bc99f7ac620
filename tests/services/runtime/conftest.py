"""A server, a tiny checkpoint behind every foundation id, its engine as a process of its own, and boto3 to ask."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from outcrop.config import Settings
from outcrop.domain import arn as arns
from outcrop.domain.states import DeploymentStatus, ModelStatus, ThroughputStatus
from outcrop.families import Catalogue
from outcrop.services.call import Call, Principal
from outcrop.services.runtime import engine as face
from outcrop.store import deployments, engines, models, throughput

TESTS = Path(__file__).parent.parent.parent
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REGION = "us-east-1"
SUFFIXED = "amazon.nova-micro-v1:0:128k"
BASES = {
    "nova": "amazon.nova-micro-v1:0",
    "claude": "anthropic.claude-3-haiku-20240307-v1:0",
    "llama": "meta.llama3-1-8b-instruct-v1:0",
    "titan": "amazon.titan-text-lite-v1",
}


def _fixtures_of(room: str) -> ModuleType:
    """Another room's conftest: a tiny checkpoint and a running server are made in one place each."""
    name = f"fixtures_of_{room}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, TESTS / room / "conftest.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


tiny, server = _fixtures_of("inference"), _fixtures_of("server")
checkpoint, adapters, other_weights = tiny.checkpoint, tiny.adapters, tiny.other_weights
expected, until = tiny.expected, tiny._until


@dataclass(frozen=True)
class Scene:
    """What a test of the runtime needs."""

    running: Any
    checkpoint: Path
    engine: Any
    runtime: Any

    @property
    def settings(self) -> Settings:
        settings: Settings = self.running.home.settings
        return settings

    def call(self, region: str = REGION) -> Call:
        return call_on(self.running.ground, region)

    def custom_model(self, model_id: str, base_model_id: str = SUFFIXED) -> models.CustomModel:
        """A custom model's row; its weights are loaded by whoever asks for them."""
        account = self.running.ground.account
        made = models.CustomModel(
            id=model_id,
            arn=arns.custom_model(REGION, account, base_model_id, model_id),
            account=account,
            region=REGION,
            name=f"model-{model_id}",
            status=ModelStatus.ACTIVE,
            job_id=f"j{model_id[1:]}",
            base_model_id=base_model_id,
            parent_id=None,
            customization_type="FINE_TUNING",
            checkpoint=str(self.checkpoint),
            kms_key_arn=None,
            data_key=None,
            created_at=NOON,
        )
        with self.running.ground.database.write() as connection:
            models.add(connection, made)
        return made

    def provision(self, model: models.CustomModel, status: str = "InService") -> throughput.Throughput:
        account = self.running.ground.account
        made = throughput.Throughput(
            id=model.id,
            arn=arns.provisioned_model(REGION, account, model.id),
            account=account,
            region=REGION,
            name=f"bought-{model.id}",
            model_units=1,
            foundation_model_id=model.base_model_id,
            model_arn=model.arn,
            model_id=model.id,
            desired_model_arn=model.arn,
            desired_model_id=model.id,
            status=ThroughputStatus(status),
            created_at=NOON,
            modified_at=NOON,
        )
        with self.running.ground.database.write() as connection:
            throughput.add(connection, made)
        return made

    def deploy(self, model: models.CustomModel, status: str = "Active") -> deployments.Deployment:
        account = self.running.ground.account
        made = deployments.Deployment(
            id=model.id,
            arn=arns.deployment(REGION, account, model.id),
            account=account,
            region=REGION,
            name=f"deployed-{model.id}",
            model_arn=model.arn,
            model_id=model.id,
            status=DeploymentStatus(status),
            created_at=NOON,
        )
        with self.running.ground.database.write() as connection:
            deployments.add(connection, made)
        return made


def call_on(ground: Any, region: str = REGION) -> Call:
    caller = Principal(account=ground.account, arn=f"arn:aws:iam::{ground.account}:root", user_id=ground.account)
    return Call(ground=ground, principal=caller, region=region, request_id="request", at=NOON)


def map_all(settings: Settings, folder: Path) -> None:
    catalogue = Catalogue.load(settings.catalogue_file)
    for model_id in BASES.values():
        catalogue = catalogue.map(model_id, folder)


@pytest.fixture(scope="session")
def scene(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with server.serving(Settings(home=tmp_path_factory.mktemp("served") / "home", port=0)) as running:
        settings = running.home.settings
        map_all(settings, checkpoint)
        settings.run_folder.mkdir(exist_ok=True)
        engine = tiny.EngineProcess(checkpoint, engines.socket_of(settings, checkpoint.resolve()))
        runtime = running.client("bedrock-runtime")
        yield Scene(running=running, checkpoint=checkpoint.resolve(), engine=engine, runtime=runtime)
        runtime.close()
        engine.end()


@pytest.fixture(scope="session")
def custom(scene: Scene, adapters: dict[str, Path]) -> models.CustomModel:
    """A custom model that is loaded, provisioned and deployed."""
    model = scene.custom_model("customaaaaaa")
    face.load_adapter(scene.engine.socket, model.id, adapters["a"])
    scene.provision(model)
    scene.deploy(model)
    return model


@pytest.fixture(scope="session")
def start_engine() -> Callable[[Path, Path], Any]:
    made: Callable[[Path, Path], Any] = tiny.EngineProcess
    return made
