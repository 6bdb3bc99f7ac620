"""The lab: held-out rows are held out, nothing is claimed that was not shown, and nothing is left behind."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from living import no_credentials
from outcrop.cli.lab import FULL, SMALL
from outcrop.cli.lab.asking import LONGEST_ANSWER
from outcrop.cli.lab.showing import failures, table
from outcrop.cli.lab.stage import stage
from outcrop.cli.lab.tasks import Task, all_tasks
from outcrop.cli.lab.texts import everything, held_out_modules
from outcrop.families.catalogue import PEBBLE
from outcrop.text import Tokenizer

LINE = {
    "model": "nova",
    "task": "doc -> module",
    "rows": 9,
    "seconds": 1.0,
    "loss_before": 2.0,
    "loss_after": 1.0,
    "base": 0.1,
    "best_constant": 0.2,
    "custom": 0.9,
}


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return all_tasks(everything(), FULL)


def test_every_text_comes_from_a_held_out_module() -> None:
    modules = {name.lstrip("_").removeprefix("py") for name in held_out_modules()}
    assert {one.module for one in everything()} <= modules
    assert len(everything()) > 1000


def test_no_held_out_row_is_trained_on(tasks: list[Task]) -> None:
    for task in tasks:
        trained = {json.dumps(row) for row in task.rows}
        assert not trained & {json.dumps(row) for row in task.validation}, task.name


def test_no_question_that_is_asked_was_trained_on(tasks: list[Task]) -> None:
    for task in tasks:
        trained = json.dumps(task.rows)
        assert not [question for question, _ in task.held_out if json.dumps(question) in trained], task.name


def test_a_record_is_the_houses_own_and_no_question_says_how_it_looks(tasks: list[Task]) -> None:
    records = next(task for task in tasks if task.name == "claude")
    for question, answer in records.held_out:
        said = json.loads(answer)
        assert list(said) == ["name", "takes"] and not {"self", "cls"} & set(said["takes"])
        assert all(name in question for name in (said["name"], *said["takes"]))
        assert '"' not in question.splitlines()[0] and "takes" not in question.splitlines()[0]


def test_every_right_answer_has_room(tasks: list[Task]) -> None:
    tokenizer = Tokenizer.load(PEBBLE)
    longest = max(len(tokenizer.encode(answer)) for task in tasks for _, answer in task.held_out)
    assert 2 < longest < LONGEST_ANSWER


def test_the_tasks_are_the_same_in_every_run(tasks: list[Task]) -> None:
    assert all_tasks(everything(), FULL) == tasks


def test_the_best_constant_answer_is_the_commonest(tasks: list[Task]) -> None:
    for task in tasks:
        answers = [answer for _, answer in task.held_out]
        shares = [answers.count(answer) / len(answers) for answer in set(answers)]
        assert task.best_constant == max(shares, default=0.0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"loss_after": 2.0}, "the held-out loss did not fall"),
        ({"custom": 0.2}, "not better than its base and the best constant answer"),
        ({"base": 0.95}, "not better than its base and the best constant answer"),
    ],
)
def test_a_lab_that_shows_nothing_says_so(change: dict[str, float], complaint: str) -> None:
    (found,) = failures([{**LINE, **change}])
    assert complaint in found


def test_a_lab_that_shows_it_complains_of_nothing() -> None:
    unlabeled = {**LINE, "base": None, "best_constant": None, "custom": None}
    assert failures([LINE, unlabeled]) == []
    assert table([LINE, unlabeled]).row_count == 2


def test_a_stage_answers_with_the_checkpoints_that_it_is_given(tmp_path: Path) -> None:
    shutil.copytree(PEBBLE, tmp_path / "mine")
    with stage({"amazon.nova-micro-v1:0": tmp_path / "mine"}) as clients:
        names = {
            model_id: clients.bedrock.get_foundation_model(modelIdentifier=model_id)["modelDetails"]["modelName"]
            for model_id in ("amazon.nova-micro-v1:0", "amazon.nova-lite-v1:0")
        }
    assert names == {"amazon.nova-micro-v1:0": "Nova Micro", "amazon.nova-lite-v1:0": "Nova Lite (pebble)"}


@pytest.mark.slow
@pytest.mark.xdist_group("lab")
@pytest.mark.timeout(420)
def test_the_lab_runs_and_leaves_nothing_but_its_report(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lab-"))  # pytest's own folders are too deep for sockets
    command = [sys.executable, "-m", "outcrop.cli", "lab", "--small", "--report", str(tmp_path / "report")]
    environment = {**no_credentials(), "TMPDIR": str(folder)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert ended.returncode == 0, ended.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [line["model"] for line in report["results"]] == ["titan", "nova", "claude", "llama"]
    assert [line["rows"] for line in report["results"]] == [2 * SMALL.train, *[SMALL.train] * 3]
    assert report["cleanup"]["failed"] == 0
    kinds = {item["kind"] for item in report["cleanup"]["items"]}
    assert kinds == {"provisioned throughput", "custom model", "bucket", "role"}
    folder.rmdir()  # raises where the lab's home is still there
    assert not [process for process in psutil.process_iter(["cmdline"]) if _names(process, str(folder))]


def _names(process: psutil.Process, folder: str) -> bool:
    return any(folder in word for word in process.info["cmdline"] or [])
