"""What a training child says, and how it may end."""

import base64
import json
import signal
from pathlib import Path

import psutil
import pytest

from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Finished, Step
from outcrop.domain.plan import TrainingPlan
from outcrop.sealed import new_key
from outcrop.worker import launch
from outcrop.worker.priority import Standing

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(60)]


def _training(tmp_path: Path) -> launch.Training:
    plan = TrainingPlan(
        job_id="abcdefghijkl",
        objective="fine_tuning",
        base_checkpoint=str(tmp_path),
        training_rows=str(tmp_path / "no.rows"),
        epochs=1,
        batch_size=1,
        learning_rate=1e-3,
    )
    return launch.Training(plan=plan, folder=tmp_path, log=tmp_path / "job.log", keys=[new_key()])


def test_a_child_that_says_why_it_cannot_is_believed(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match=str(tmp_path)):
        list(launch.train(_training(tmp_path), tmp_path / "processes", lambda: None))
    assert not list((tmp_path / "processes").iterdir())


def test_what_the_check_raises_stops_the_child_first(tmp_path: Path) -> None:
    seen: list[psutil.Process] = []

    def check() -> None:
        if not seen:
            (record,) = (tmp_path / "processes").iterdir()
            seen.append(psutil.Process(json.loads(record.read_text())["pid"]))
        raise KeyError("closing")

    with pytest.raises(KeyError):
        list(launch.train(_training(tmp_path), tmp_path / "processes", check))
    assert not seen[0].is_running()


def test_a_child_goes_behind_where_somebody_must_be_served_first(tmp_path: Path) -> None:
    def check() -> None:
        for record in (tmp_path / "processes").iterdir():
            if psutil.Process(json.loads(record.read_text())["pid"]).nice() == Standing.BEHIND:
                raise KeyError("behind")

    with pytest.raises(KeyError, match="behind"):
        list(launch.train(_training(tmp_path), tmp_path / "processes", check, lambda: Standing.BEHIND))


def test_a_child_that_is_killed_is_said_to_be(tmp_path: Path) -> None:
    def check() -> None:
        for record in (tmp_path / "processes").iterdir():
            psutil.Process(json.loads(record.read_text())["pid"]).send_signal(signal.SIGKILL)

    with pytest.raises(JobFailure, match=r"without a result \(signal 9: something killed it"):
        list(launch.train(_training(tmp_path), tmp_path / "processes", check))


def test_keys_are_neither_in_the_plan_nor_in_the_arguments_nor_in_what_is_printed(tmp_path: Path) -> None:
    training = _training(tmp_path)
    (key,) = training.keys
    for text in (repr(training), training.plan.to_json()):
        assert repr(key) not in text and base64.b64encode(key).decode() not in text


def test_what_a_library_prints_is_passed_over_and_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    step = {"event": "Step", "step": 0, "epoch": 0, "loss": 1.0, "learning_rate": 0.1, "tokens": 3}
    finished = {"event": "Finished", "training_loss": 1.0, "validation_losses": [], "steps": 1, "stopped_early": False}
    said = [
        b"a row: the owl\n",
        json.dumps(step).encode(),
        b'{"event": "Step"}\n',
        b"\xff\n",
        json.dumps(finished).encode(),
    ]
    events = list(launch._events(iter(said)))
    assert [type(event) for event in events] == [Step, Finished]
    assert caplog.text.count("no event") == 3 and "owl" not in caplog.text
