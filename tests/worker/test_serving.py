"""Engines hold what is in service, and whoever waits hears the truth."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import outcrop.services.runtime.engine as face
from living import await_that
from outcrop.config import Settings
from outcrop.domain.checkpoint_digest import digest_of, told
from outcrop.domain.errors import SettingsError
from outcrop.families.catalogue import PEBBLE
from outcrop.store import engines, models, refused_models
from outcrop.store.engines import EngineState
from outcrop.worker import children
from outcrop.worker import engines as processes
from outcrop.worker.ground import open_ground
from outcrop.worker.serving import Serving

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(400)]

WITHIN_S = 120.0
NOVA = "amazon.nova-micro-v1:0:128k"
SLATE = "slate.own-model-v1:0"


class Stage:
    """A home with the models `plain` and `locked`, and the part of a worker that serves."""

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self.serving = Serving(scene.ground)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        def looked() -> Any:
            self.serving.reconcile()
            return condition()

        return await_that(looked, WITHIN_S, what)

    def provision(self, name: str, model: str) -> None:
        asked = {"modelUnits": 1, "provisionedModelName": name, "modelId": model}
        self.scene.ask("bedrock", "CreateProvisionedModelThroughput", **asked)

    def provisioned(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.scene.ask("bedrock", "GetProvisionedModelThroughput", provisionedModelId=name)
        return answer

    def remove(self, name: str) -> None:
        self.scene.ask("bedrock", "DeleteProvisionedModelThroughput", provisionedModelId=name)

    def settled(self, name: str) -> dict[str, Any]:
        """The throughput once it is neither Creating nor Updating."""
        self.until(lambda: self.provisioned(name)["status"] not in ("Creating", "Updating"), f"the end of {name}")
        return self.provisioned(name)

    def model_arn(self, name: str) -> str:
        arn: str = self.scene.ask("bedrock", "GetCustomModel", modelIdentifier=name)["modelArn"]
        return arn

    def held(self) -> set[str]:
        """What the pebble's engine says that it holds."""
        return set(face.loaded(engines.socket_of(self.scene.ground.settings, PEBBLE)))

    def rest(self) -> None:
        """Until every model is let go: one stays loaded for a moment after nobody needs it any more."""
        self.until(lambda: self.held() == {"base"}, "every model let go")

    def key(self, operation: str) -> None:
        (known,) = self.scene.ask("kms", "ListKeys")["Keys"]
        self.scene.ask("kms", operation, KeyId=known["KeyId"])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, trained_home: Path, open_scene: Any) -> Iterator[Stage]:
    """One for the module: an engine takes seconds to start. Each test leaves nothing in service.

    Its engine has room for one model that may go.
    """
    home, usual = shutil.copytree(trained_home, tmp_path_factory.mktemp("stage") / "home"), processes.launch_of

    def launched(*words: Any) -> children.Launch:
        launch = usual(*words)
        return replace(launch, arguments=[*launch.arguments, "--models-mib", "0"])

    with (
        pytest.MonkeyPatch.context() as patched,
        open_scene(home) as scene,
    ):
        patched.setattr(processes, "launch_of", launched)
        staged = Stage(scene)
        yield staged
        staged.serving.close()
        assert not list(scene.ground.settings.processes_folder.iterdir())


def test_throughput_is_in_service_once_its_model_answers_and_gone_models_are_let_go(stage: Stage) -> None:
    stage.provision("pt", "plain")
    stage.serving.reconcile()
    assert stage.provisioned("pt")["status"] == "Creating"
    assert stage.settled("pt")["status"] == "InService"
    assert stage.model_arn("plain")[-12:] in stage.held()
    stage.remove("pt")
    stage.until(lambda: stage.held() == {"base"}, "the model let go")


def test_a_deployed_model_that_had_to_make_room_is_loaded_again_when_it_is_asked(stage: Stage) -> None:
    stage.rest()
    models_by_name = {name: stage.model_arn(name) for name in ("plain", "locked")}
    for name, arn in models_by_name.items():
        stage.scene.ask("bedrock", "CreateCustomModelDeployment", modelDeploymentName=f"d-{name}", modelArn=arn)
    ids = {arn[-12:] for arn in models_by_name.values()}
    stage.until(lambda: all(stage.serving.answer(one) is True for one in ids) and len(stage.held()) == 2, "one to go")
    (gone,) = ids - stage.held()
    socket = engines.socket_of(stage.scene.ground.settings, PEBBLE)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(face.answer_to, socket, gone, {"prompt": "Once", "max_tokens": 1})
        stage.until(asked.done, "its answer")
        asked.result()
    assert gone in stage.held()
    for name in models_by_name:
        stage.scene.ask("bedrock", "DeleteCustomModelDeployment", customModelDeploymentIdentifier=f"d-{name}")
    stage.rest()


def test_throughput_deleted_while_creating_is_forgotten(stage: Stage) -> None:
    stage.provision("pt", "plain")
    stage.remove("pt")
    stage.serving.reconcile()
    assert stage.held() == {"base"}


def why(stage: Stage, name: str) -> str | None:
    """What callers of a model are told while its engine does not take it."""
    with stage.scene.ground.database.read() as connection:
        return refused_models.why(connection, stage.model_arn(name)[-12:])


def test_a_disabled_key_fails_the_throughput_with_the_true_reason_and_harms_no_other(stage: Stage) -> None:
    stage.provision("good", "plain")
    stage.key("DisableKey")
    stage.provision("pt", "locked")
    failed = stage.settled("pt")
    assert failed["status"] == "Failed"
    assert "its KMS key cannot be used" in failed["failureMessage"] and "is disabled" in failed["failureMessage"]
    assert why(stage, "locked") == failed["failureMessage"].removeprefix("The model cannot be served: ")
    assert stage.settled("good")["status"] == "InService"
    assert why(stage, "locked") is None, "nobody needs it any more"
    stage.key("EnableKey")
    for name in ("pt", "good"):
        stage.remove(name)


def test_a_model_of_other_weights_fails_the_throughput_with_both_digests_and_harms_no_other(stage: Stage) -> None:
    stage.rest()
    stage.provision("good", "locked")
    assert stage.settled("good")["status"] == "InService"
    ground = stage.scene.ground
    with ground.database.write() as connection:
        held = engines.held_digest(connection, PEBBLE)
        assert held == digest_of(PEBBLE), "it was told before the engine could hold anything"
        for_plain = sa.update(models.MODELS).where(models.MODELS.c.name == "plain")
        connection.execute(for_plain.values(checkpoint_digest="0b" * 32))
    stage.provision("pt", "plain")
    failed = stage.settled("pt")
    assert failed["status"] == "Failed"
    for part in ("was trained on other weights", told("0b" * 32), told(held), "Put the former files back"):
        assert part in failed["failureMessage"]
    assert stage.held() == {"base", stage.model_arn("locked")[-12:]}
    with ground.database.write() as connection:
        connection.execute(for_plain.values(checkpoint_digest=held))
    for name in ("pt", "good"):
        stage.remove(name)


def test_throughput_that_cannot_move_goes_on_with_its_model(stage: Stage) -> None:
    stage.rest()
    stage.provision("pt", "plain")
    was = stage.settled("pt")
    stage.key("DisableKey")
    stage.scene.ask("bedrock", "UpdateProvisionedModelThroughput", provisionedModelId="pt", desiredModelId="locked")
    stays = stage.settled("pt")
    assert stays["status"] == "InService"
    assert stays["modelArn"] == stays["desiredModelArn"] == was["modelArn"]
    assert "is disabled" in stays["failureMessage"]
    stage.key("EnableKey")
    stage.remove("pt")


def test_throughput_moves_to_another_model_without_a_gap(stage: Stage) -> None:
    stage.provision("pt", "plain")
    stage.settled("pt")
    stage.scene.ask("bedrock", "UpdateProvisionedModelThroughput", provisionedModelId="pt", desiredModelId="locked")
    moved = stage.settled("pt")
    assert moved["modelArn"] == stage.model_arn("locked")
    stage.until(lambda: stage.held() == {"base", moved["modelArn"][-12:]}, "the old model let go")
    stage.remove("pt")


def test_a_deployment_whose_update_fails_stays_with_its_model(stage: Stage) -> None:
    stage.rest()
    ask = stage.scene.ask
    arn = ask("bedrock", "CreateCustomModelDeployment", modelDeploymentName="d", modelArn=stage.model_arn("plain"))[
        "customModelDeploymentArn"
    ]

    def now() -> dict[str, Any]:
        found: dict[str, Any] = ask("bedrock", "GetCustomModelDeployment", customModelDeploymentIdentifier=arn)
        return found

    stage.until(lambda: now()["status"] == "Active", "an active deployment")
    (weights,) = _model_files(stage, "locked", "*.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    ask(
        "bedrock",
        "UpdateCustomModelDeployment",
        customModelDeploymentIdentifier=arn,
        modelArn=stage.model_arn("locked"),
    )
    stage.until(lambda: now()["updateDetails"]["updateStatus"] != "Updating", "the update's end")
    assert now()["updateDetails"]["updateStatus"] == "UpdateFailed"
    assert "its files are damaged" in now()["failureMessage"]
    assert (now()["status"], now()["modelArn"]) == ("Active", stage.model_arn("plain"))
    weights.write_bytes(whole)
    ask("bedrock", "DeleteCustomModelDeployment", customModelDeploymentIdentifier=arn)


def test_what_is_in_service_is_loaded_before_a_new_worker_calls_its_engine_ready(stage: Stage) -> None:
    stage.provision("pt", "plain")
    stage.settled("pt")
    stage.serving.close()
    stage.serving = Serving(stage.scene.ground)

    def ready() -> bool:
        with stage.scene.ground.database.read() as connection:
            found = engines.find(connection, PEBBLE)
        return found is not None and found.state is EngineState.READY

    assert not ready()
    stage.until(ready, "a ready engine")
    assert stage.model_arn("plain")[-12:] in stage.held()
    assert stage.provisioned("pt")["status"] == "InService"


def test_an_engine_that_is_killed_is_started_again_with_its_models(stage: Stage) -> None:
    assert stage.provisioned("pt")["status"] == "InService", "from the test before this one"
    (engine,) = stage.serving._running.values()
    engine.child.process.kill()
    engine.child.process.wait()
    stage.until(lambda: stage.model_arn("plain")[-12:] in _held_or_none(stage), "the model back in service")
    stage.remove("pt")


def test_an_engine_that_never_starts_fails_what_waits_for_it_and_rests_longer_and_longer(
    stage: Stage, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "own"))
    stage.scene.ground.catalogue().map(SLATE, folder)
    (folder / "config.json").write_text("{}")
    stage.provision("own", SLATE)
    began = time.monotonic()
    with stage.scene.ground.wishes.held(str(folder)):
        failed = stage.settled("own")
        assert "does not start" in (stage.scene.ground.wishes.hopeless(str(folder)) or "")
    assert failed["status"] == "Failed"
    assert "The engine does not start" in failed["failureMessage"] and "engine-" in failed["failureMessage"]
    assert time.monotonic() - began > 1.5, "it rested between its tries"
    stage.remove("own")


def test_an_engine_that_has_no_place_to_listen_fails_what_waits_for_it(stage: Stage, tmp_path: Path) -> None:
    """The home's path is too long for a socket, and somebody else has made the folder that stands in."""
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "own"))
    ground = stage.scene.ground
    far = replace(ground, settings=replace(ground.settings, home=tmp_path / ("x" * 120)))
    engines.sockets_folder(far.settings).mkdir(mode=0o755)
    serving = Serving(far)
    try:
        with far.wishes.held(str(folder)):
            serving.reconcile()
            assert "not this user's alone" in (far.wishes.hopeless(str(folder)) or "")
    finally:
        serving.close()
        engines.sockets_folder(far.settings).rmdir()


def test_a_worker_does_not_begin_where_anothers_link_stands_in_for_its_folder(tmp_path: Path, monkeypatch: Any) -> None:
    """It would ask sockets there, with rows, and remove what is called like one."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "precious.sock").touch()
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        settings = Settings(home=tmp_path / ("x" * 120))
        engines.sockets_folder(settings).symlink_to(theirs)
        with pytest.raises(SettingsError, match="not this user's alone"):
            Serving(open_ground(settings))
    assert (theirs / "precious.sock").exists()


def test_an_engine_that_only_a_job_wished_for_is_started_and_let_go_after_a_while(stage: Stage, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "own"))
    socket = engines.socket_of(stage.scene.ground.settings, folder)
    brief = Serving(stage.scene.ground, linger_s=0.0)

    def looked(condition: Callable[[], Any], what: str) -> None:
        await_that(lambda: brief.reconcile() or condition(), WITHIN_S, what)

    with stage.scene.ground.wishes.held(str(folder)):
        looked(lambda: face.is_ready(socket), "the engine")
        brief.reconcile()
        assert face.is_ready(socket)
    looked(lambda: not socket.exists(), "its end")
    with stage.scene.ground.database.read() as connection:
        found = engines.find(connection, folder)
    assert found is not None and found.state is EngineState.GONE and found.detail == "no job needs it any more"
    brief.close()


def test_an_engine_whose_job_ended_while_it_rested_is_not_started_again(stage: Stage, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "own"))
    (folder / "config.json").write_text("{}")  # it dies of its start
    ground, brief = stage.scene.ground, Serving(stage.scene.ground)

    def row() -> engines.Engine:
        with ground.database.read() as connection:
            found = engines.find(connection, folder)
        assert found is not None
        return found

    with ground.wishes.held(str(folder)):
        brief.reconcile()
        await_that(lambda: brief.reconcile() or not brief._running, WITHIN_S, "its death")
        brief.reconcile()
        assert row().state is EngineState.WANTED, "it rests"
    for _ in range(2):
        brief.reconcile()
        assert (row().state, row().detail) == (EngineState.GONE, "no job needs it any more")
    engines.want(ground.database, ground.settings, folder, ground.clock())  # a request, which nobody withdraws
    brief.reconcile()
    assert row().state is not EngineState.GONE
    brief.close()


def test_a_model_id_that_is_mapped_no_more_fails_its_own_throughput_alone(stage: Stage, tmp_path: Path) -> None:
    stage.scene.ground.catalogue().map(SLATE, Path(shutil.copytree(PEBBLE, tmp_path / "own")))
    stage.provision("own", SLATE)
    stage.scene.ground.settings.catalogue_file.unlink()
    stage.provision("pt", NOVA)
    assert "is no model id that Outcrop serves" in stage.settled("own")["failureMessage"]
    assert stage.settled("pt")["status"] == "InService"
    for name in ("own", "pt"):
        stage.remove(name)


def _held_or_none(stage: Stage) -> set[str]:
    try:
        return stage.held()
    except face.EngineRefused:
        return set()


def _model_files(stage: Stage, name: str, pattern: str) -> list[Path]:
    job = stage.scene.job(name)
    return list(stage.scene.ground.model_folder(job.id).glob(pattern))


def test_an_engine_that_was_asked_for_before_its_worker_came_is_wanted_still(scene: Any) -> None:
    """And one that ran under the worker before is gone: its request need not wait for it."""

    def state() -> EngineState:
        with ground.database.read() as connection:
            found = engines.find(connection, PEBBLE)
        assert found is not None
        return found.state

    ground = scene.ground
    engines.want(ground.database, ground.settings, PEBBLE, ground.clock())
    Serving(ground)
    assert state() is EngineState.WANTED
    engines.starting(ground.database, str(PEBBLE), pid=1)
    Serving(ground)
    assert state() is EngineState.GONE
