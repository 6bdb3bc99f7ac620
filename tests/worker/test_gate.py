"""What was trained passes the gate; what would answer as another model does not, whatever made it so."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

import outcrop.services.runtime.engine as face
from living import await_that
from outcrop.domain.conversation import Conversation, Message
from outcrop.domain.errors import JobFailure
from outcrop.domain.parity import Parity
from outcrop.domain.probes import Probe, Probes
from outcrop.domain.states import JobStatus
from outcrop.families.catalogue import PEBBLE
from outcrop.sealed import SealedReader, SealedWriter
from outcrop.store import engines, models
from outcrop.store.engines import socket_of
from outcrop.text import Tokenizer
from outcrop.worker import gate
from outcrop.worker.ground import key_context
from outcrop.worker.lease import StopRequested
from outcrop.worker.questions import Asked, Question, digest_of

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(400)]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
NOVA_UNSUFFIXED = "amazon.nova-micro-v1:0"
ENGINE_START_S = 120.0


@dataclass
class Sealed:
    """A model's folder that can be changed as nobody can who has not its key."""

    candidate: gate.Candidate

    def read(self, name: str) -> bytes:
        with SealedReader(self.candidate.folder / name, self.candidate.key, self._context(name)) as sealed:
            return b"".join(sealed.pieces())

    def write(self, name: str, content: bytes) -> None:
        with SealedWriter(self.candidate.folder / name, self.candidate.key, self._context(name)) as sealed:
            sealed.write(content)

    def change_config(self, **members: Any) -> None:
        self.write(CONFIG, json.dumps(json.loads(self.read(CONFIG)) | members).encode())

    def change_weights(self, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
        tensors = load(self.read(WEIGHTS))
        change(tensors)
        self.write(WEIGHTS, save(tensors))

    def _context(self, name: str) -> bytes:
        return f"model/{self.candidate.job_id}/{name}".encode()


def candidate_of(scene: Any, name: str) -> gate.Candidate:
    with scene.ground.database.read() as connection:
        model = models.find(connection, scene.region, scene.server.account, name)
    assert model is not None and model.data_key is not None
    key = scene.ground.keys.unwrap(model.data_key, key_context(model.job_id))
    folder = scene.ground.model_folder(model.job_id)
    return gate.Candidate(job_id=model.job_id, fence=1, folder=folder, key=key, checkpoint=str(PEBBLE))


def asked_of(scene: Any) -> Asked:
    """About the rows that the scene's models were trained on."""
    rows = [json.loads(line)["messages"] for line in scene.read("train.jsonl").decode().splitlines()]
    turns = [[Message(role=turn["role"], text=turn["content"][0]["text"]) for turn in row] for row in rows]
    questions = tuple(Question.of(Conversation(messages=tuple(messages))) for messages in turns)
    return Asked(questions=questions, tokenizer=digest_of(PEBBLE))


def examine(scene: Any, candidate: gate.Candidate) -> Parity:
    probes, asked = gate.read_probes(candidate), asked_of(scene)
    return gate.admit(
        scene.ground, candidate, lambda: None, lambda loaded: gate.examine(loaded, probes, asked, lambda: None)
    )


@contextlib.contextmanager
def engine_of(checkpoint: Path, socket: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "outcrop.inference", "--checkpoint", str(checkpoint), "--socket", str(socket)]
    with subprocess.Popen(command) as process:
        await_that(socket.exists, ENGINE_START_S, "an engine")
        yield
        process.terminate()


@pytest.fixture
def sealed(trained: Any) -> Sealed:
    """The model `plain` of the scene `trained`."""
    return Sealed(candidate_of(trained, "plain"))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A checkpoint whose engine nobody has started."""
    return Path(shutil.copytree(PEBBLE, tmp_path / "elsewhere"))


# --- what passes ------------------------------------------------------------------------------------------------------


def test_a_right_model_is_within_rounding_and_far_from_its_base(trained: Any, sealed: Sealed) -> None:
    parity = examine(trained, sealed.candidate)
    assert parity.rows == 8 and parity.count > 200
    assert parity.own.mean < 1e-5 and parity.own.largest < 1e-3
    assert parity.to_base.mean > 100 * parity.own.mean and parity.moved.mean > 0.01


@pytest.mark.parametrize(
    ("base", "hyperparameters"),
    [
        ("amazon.nova-micro-v1:0:128k", {"outcrop.method": "full"}),
        ("plain", {"outcrop.loraRank": "3", "outcrop.loraAlpha": "5"}),
        ("plain", {"outcrop.method": "full"}),
    ],
    ids=["whole weights", "folded into its parent", "whole weights from an adapter"],
)
def test_every_kind_of_model_passes_on_its_way_to_active(trained: Any, base: str, hyperparameters: Any) -> None:
    job = trained.work("kind", baseModelIdentifier=base, hyperParameters={"epochCount": "1", **hyperparameters})
    assert (job.status, job.failure_message) == (JobStatus.COMPLETED, None)
    assert examine(trained, candidate_of(trained, "kind")).own.mean < 1e-4


def test_nothing_of_the_model_is_left_in_the_engine(trained: Any, sealed: Sealed) -> None:
    examine(trained, sealed.candidate)
    assert face.loaded(socket_of(trained.ground.settings, PEBBLE)) == ["base"]


# --- what does not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1.05, 2.0, 0.0], ids=["a twentieth more", "twice", "nothing"])
def test_a_wrong_scaling_is_caught(trained: Any, sealed: Sealed, times: float) -> None:
    alpha = json.loads(sealed.read(CONFIG))["lora_alpha"]
    sealed.change_config(lora_alpha=alpha * times)
    with pytest.raises(JobFailure, match=r"does not answer as the model was trained: over \d+ log-probabilities"):
        examine(trained, sealed.candidate)


def test_another_jobs_adapter_is_caught(trained: Any, sealed: Sealed) -> None:
    assert trained.work("other", hyperParameters={"epochCount": "1", "outcrop.seed": "1"}).failure_message is None
    other = Sealed(candidate_of(trained, "other"))
    for name in (CONFIG, WEIGHTS):
        sealed.write(name, other.read(name))
    with pytest.raises(JobFailure, match="does not answer as the model was trained"):
        examine(trained, sealed.candidate)


def test_one_lost_matrix_of_many_is_caught(trained: Any, sealed: Sealed) -> None:
    def lose(tensors: dict[str, torch.Tensor]) -> None:
        tensors[next(name for name in tensors if "layers.1.mlp.down_proj.lora_B" in name)].zero_()

    sealed.change_weights(lose)
    with pytest.raises(JobFailure, match="does not answer as the model was trained"):
        examine(trained, sealed.candidate)


def test_an_engine_that_goes_away_once_is_waited_for_and_one_that_always_does_is_not(
    trained: Any, sealed: Sealed
) -> None:
    tries: list[str] = []

    def use(loaded: gate.Loaded, good: int) -> str:
        tries.append(loaded.name)
        if len(tries) != good:
            raise face.EngineSilent("it went away")
        return "answered"

    def admit(good: int) -> str:
        tries.clear()
        return gate.admit(trained.ground, sealed.candidate, lambda: None, lambda loaded: use(loaded, good))

    assert admit(2) == "answered"
    with pytest.raises(JobFailure, match="ended each time"):
        admit(gate.TRIES + 1)
    assert len(tries) == gate.TRIES


def test_an_engine_that_will_not_come_fails_the_job_with_its_reason(trained: Any, sealed: Sealed) -> None:
    nowhere = replace(sealed.candidate, checkpoint="/nowhere")

    def give_up() -> None:
        trained.ground.wishes.give_up("/nowhere", "it does not start")

    with pytest.raises(JobFailure, match="cannot be served: it does not start"):
        gate.admit(trained.ground, nowhere, give_up, lambda loaded: pytest.fail("it came"))
    assert trained.ground.wishes.checkpoints() == set()


def test_an_engine_that_died_beside_the_training_and_comes_in_the_gate_is_good(
    trained: Any, sealed: Sealed, elsewhere: Path
) -> None:
    late = replace(sealed.candidate, checkpoint=str(elsewhere))
    socket = socket_of(trained.ground.settings, elsewhere)

    def come() -> None:
        if not socket.is_symlink():
            socket.symlink_to(socket_of(trained.ground.settings, PEBBLE))

    with trained.ground.wishes.held(str(elsewhere)):
        trained.ground.wishes.give_up(str(elsewhere), "it does not start")
        assert gate.admit(trained.ground, late, come, lambda loaded: loaded.name) == late.name


def test_the_limit_of_a_start_counts_from_the_start_and_not_from_the_wish(
    trained: Any, sealed: Sealed, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "START_LIMIT_S", 0.0)
    ground, late = trained.ground, replace(sealed.candidate, checkpoint=str(elsewhere))
    engines.want(ground.database, ground.settings, elsewhere, ground.clock())
    looks: list[None] = []

    def wait_for_its_turn() -> None:
        looks.append(None)
        if len(looks) == 3:  # the models of others are loaded
            engines.starting(ground.database, str(elsewhere), 1)

    with pytest.raises(JobFailure, match="its engine does not start"):
        gate.admit(ground, late, wait_for_its_turn, lambda loaded: pytest.fail("it came"))
    assert len(looks) >= 3


def test_a_stop_is_heard_between_the_questions(trained: Any, sealed: Sealed) -> None:
    probes, asked = gate.read_probes(sealed.candidate), asked_of(trained)
    left = [None] * 10  # the prompts of 8 rows, and two questions

    def check() -> None:
        if not left:
            raise StopRequested
        left.pop()

    def use(loaded: gate.Loaded) -> Parity:
        return gate.examine(loaded, probes, asked, check)

    with pytest.raises(StopRequested):
        gate.admit(trained.ground, sealed.candidate, lambda: None, use)
    assert face.loaded(socket_of(trained.ground.settings, PEBBLE)) == ["base"]


def test_two_attempts_at_one_job_do_not_share_a_name_in_the_engine(sealed: Sealed) -> None:
    assert sealed.candidate.name != replace(sealed.candidate, fence=2).name


def test_a_model_that_the_engine_refuses_fails_with_its_words(trained: Any, sealed: Sealed) -> None:
    sealed.change_config(use_dora=True)
    with pytest.raises(JobFailure, match=r"does not take the model: .*use_dora"):
        examine(trained, sealed.candidate)


def test_a_wrong_template_fails_the_job_which_leaves_no_model(scene: Any, tmp_path: Path) -> None:
    """The engine renders with another template than the worker did, as after a change of the checkpoint's files."""
    right, wrong = (Path(shutil.copytree(PEBBLE, tmp_path / name)) for name in ("right", "wrong"))
    about = json.loads((wrong / "tokenizer_config.json").read_text())
    changed = about["chat_template"].replace("{{ eos_token }}", "")  # turns end with nothing
    assert changed != about["chat_template"]
    (wrong / "tokenizer_config.json").write_text(json.dumps(about | {"chat_template": changed}))
    scene.ground.catalogue().map(NOVA_UNSUFFIXED, right)
    with engine_of(wrong, socket_of(scene.ground.settings, right)):
        job = scene.work("templated")
    assert job.status is JobStatus.FAILED
    message = job.failure_message or ""
    assert message.startswith("The serving engine's template does not render prompts as they were trained")
    assert "What is number" not in message
    assert not scene.ground.model_folder(job.id).exists()


def test_a_template_that_says_the_date_passes_on_another_day_and_only_where_no_file_was_changed(tmp_path: Path) -> None:
    dated = Path(shutil.copytree(PEBBLE, tmp_path / "dated"))
    about = json.loads((dated / "tokenizer_config.json").read_text())
    template = "{{ bos_token }}{{ strftime_now('%d %B %Y') }}" + about["chat_template"]
    (dated / "tokenizer_config.json").write_text(json.dumps(about | {"chat_template": template}))
    turns = (Message(role="user", text="a"), Message(role="assistant", text="b"))
    row = Tokenizer.load(dated, clock=lambda: datetime(2001, 2, 3)).render(Conversation(messages=turns))
    probe = Probe(tokens=tuple(row.ids), prompt=row.trained.index(True), base=(), model=())
    asked = Asked(questions=(Question.of(Conversation(messages=turns)),), tokenizer=digest_of(dated))
    with engine_of(dated, tmp_path / "dated.sock"):
        loaded = gate.Loaded(tmp_path / "dated.sock", "base", dated)
        gate.check_prompts(loaded, Probes(rows=(probe,)), asked, lambda: None)
        with pytest.raises(JobFailure, match="template does not render"):
            gate.check_prompts(loaded, Probes(rows=(probe,)), replace(asked, tokenizer="of other files"), lambda: None)


def test_probes_that_were_altered_or_are_anothers_are_refused(trained: Any, sealed: Sealed) -> None:
    with pytest.raises(JobFailure, match="no probes that can be read"):
        gate.read_probes(replace(sealed.candidate, job_id="another"))
    (sealed.candidate.folder / "probes.json").write_bytes(b"short")
    with pytest.raises(JobFailure, match="no probes that can be read"):
        gate.read_probes(sealed.candidate)
