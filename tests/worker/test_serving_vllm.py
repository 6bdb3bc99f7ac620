"""An engine that vLLM computes is kept as any: killed or not, what is in service answers; what it cannot is told."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import outcrop.services.runtime.engine as face
import vllm_stand_in
from living import await_that
from outcrop.families.catalogue import PEBBLE
from outcrop.store import engines
from outcrop.worker import children
from outcrop.worker.serving import Serving

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(180)]

WITHIN_S = 90.0
GONE_WITHIN_S = 10.0


class Stage:
    """A home with the model `plain`, and a worker's serving part whose engines are vLLM's."""

    def __init__(self, scene: Any, command: Path) -> None:
        self.scene = scene
        self.settings = replace(scene.ground.settings, engine=("vllm",), vllm=str(command))
        self.serving = Serving(replace(scene.ground, settings=self.settings))
        self.socket = engines.socket_of(self.settings, PEBBLE)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        return await_that(lambda: self.serving.reconcile() or condition(), WITHIN_S, what)

    def provisioned(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.scene.ask("bedrock", "GetProvisionedModelThroughput", provisionedModelId="pt")
        return answer

    def provision(self) -> str:
        """The id of the custom model that is in service then."""
        model: str = self.scene.ask("bedrock", "GetCustomModel", modelIdentifier="plain")["modelArn"]
        asked = {"modelUnits": 1, "provisionedModelName": "pt", "modelId": "plain"}
        self.scene.ask("bedrock", "CreateProvisionedModelThroughput", **asked)
        self.until(lambda: self.provisioned()["status"] != "Creating", "the end of Creating")
        return model[-12:]

    def holds(self, model_id: str) -> bool:
        try:
            return model_id in face.loaded(self.socket)
        except face.EngineSilent:
            return False

    def vllm(self) -> tuple[psutil.Process, list[psutil.Process]]:
        """The program in vLLM's place, and what it started."""
        (engine,) = self.serving._running.values()
        (server,) = psutil.Process(engine.child.process.pid).children()
        return server, server.children()


@pytest.fixture
def stage(tmp_path: Path, trained_home: Path, open_scene: Any) -> Iterator[Stage]:
    with open_scene(shutil.copytree(trained_home, tmp_path / "home")) as scene:
        staged = Stage(scene, vllm_stand_in.command_in(tmp_path))
        yield staged
        staged.serving.close()
        assert not list(scene.ground.settings.processes_folder.iterdir())


def test_vllm_killed_is_started_again_whole_and_given_its_adapters(stage: Stage) -> None:
    model_id = stage.provision()
    assert stage.provisioned()["status"] == "InService" and stage.holds(model_id)
    server, started = stage.vllm()
    server.kill()
    stage.until(lambda: not stage.serving._running, "its end, noticed")
    stage.until(lambda: stage.holds(model_id), "the model back in service")
    _, alive = psutil.wait_procs(started, timeout=GONE_WITHIN_S)
    assert not alive, "what the killed vLLM had started is gone before another is"
    assert stage.provisioned()["status"] == "InService"


def test_nothing_of_vllm_outlives_its_worker(stage: Stage) -> None:
    """The engine's leader was killed, and its record is all that is left."""
    stage.provision()
    server, started = stage.vllm()
    (engine,) = stage.serving._running.values()
    engine.child.process.kill()
    engine.child.process.wait()
    psutil.wait_procs([server], timeout=GONE_WITHIN_S)
    assert started[0].is_running(), "it is of vLLM's own making and hears of nothing"
    assert children.kill_orphans(stage.settings.processes_folder) == 1
    _, alive = psutil.wait_procs(started, timeout=GONE_WITHIN_S)
    assert not alive


def test_what_vllm_does_not_take_fails_the_throughput_in_its_words(stage: Stage) -> None:
    stage.serving.close()
    low = replace(stage.settings, vllm_arguments="--max-lora-rank 1")
    stage.serving = Serving(replace(stage.scene.ground, settings=low))
    stage.provision()
    failed = stage.provisioned()
    assert failed["status"] == "Failed"
    assert "vLLM does not take the adapter: LoRA rank" in failed["failureMessage"]


def test_a_vllm_that_went_from_its_place_fails_the_throughput_with_what_to_do(stage: Stage) -> None:
    Path(stage.settings.vllm or "").unlink()
    stage.provision()
    failed = stage.provisioned()
    assert failed["status"] == "Failed"
    assert "is no command that can be run" in failed["failureMessage"]
