"""A machine is measured once, and learns from its jobs."""

import json
from pathlib import Path

import psutil
import pytest

from outcrop.worker import machine
from outcrop.worker.lease import StopRequested
from outcrop.worker.memory import most_memory


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("home") / "machine.json"
    machine.here(path, 1)
    return path


def test_speeds_are_measured_and_kept(file: Path) -> None:
    kept = json.loads(file.read_text())["speeds"][f"{machine.fingerprint()}/1"]
    found = machine.here(file, 1)
    assert found.multiply_flops == kept["multiply_flops"]
    assert found.multiply_flops["float32"] > 1e8 and found.copy_bytes_s > 1e7 and found.start_s > 0
    assert 50_000_000 < found.process_bytes < 2_000_000_000


def test_what_an_older_release_measured_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({"speeds": {f"{machine.fingerprint()}/1": {"multiply_flops": {"float32": 1.0}}}}))
    found = machine.here(path, 1)
    assert found.multiply_flops["float32"] > 1e8 and found.process_bytes > 0


def test_what_is_free_is_less_than_what_there_is(file: Path) -> None:
    assert 0 < machine.here(file, 1).memory_bytes < 2**50


def test_grades_are_kept_by_kind(file: Path) -> None:
    machine.learn(file, "cpu/1/lora/float32", 2.0)
    machine.learn(file, "cpu/1/full/float32", 0.5)
    machine.learn(file, "cpu/1/lora/float32", 2.0)
    grades = machine.here(file, 1).grades
    assert grades == {"cpu/1/lora/float32": pytest.approx(2.0), "cpu/1/full/float32": pytest.approx(0.5)}


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text("[1, 2")
    machine.learn(path, "cpu/1/lora/float32", 2.0)
    assert json.loads(path.read_text())["grades"][machine.fingerprint()] == {"cpu/1/lora/float32": 2.0}


def test_cards_are_those_that_the_driver_lists_and_the_environment_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine.visible_cards(tmp_path) == 1 and machine.visible_cards(tmp_path / "none") == 0
    for hiding in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hiding)
        assert machine.visible_cards(tmp_path) == 0


def test_a_remembered_card_does_not_outlive_its_sight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    path = tmp_path / "machine.json"
    card = {"card": "A card that was here", "card_total_bytes": 80 * 10**9, "multiply_flops": {"float32": 1.0}}
    path.write_text(json.dumps({"speeds": {f"{machine.fingerprint()}/1": card}}))
    found = machine.here(path, 1)
    assert found.card is None and found.most_bytes == most_memory() and found.multiply_flops["float32"] > 1e8


def test_without_torch_a_machine_still_has_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert "/no torch/" in machine.fingerprint()


def test_a_measurement_can_be_stopped_and_holds_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child is on record while it works, and gone with its record when the stop is heard."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for children")
    seen: list[int] = []

    def check() -> None:
        seen.extend(json.loads(record.read_text())["pid"] for record in tmp_path.glob("*.json"))
        assert not any(name.startswith("AWS_") for name in psutil.Process(seen[0]).environ())
        raise StopRequested

    place = machine.Place(records=tmp_path, log=tmp_path / "talk", check=check)
    with pytest.raises(StopRequested):
        machine.here(tmp_path / "none" / "machine.json", 1, place)
    assert len(seen) == 1 and not psutil.pid_exists(seen[0]) and not list(tmp_path.glob("*.json"))


def test_a_measurement_that_says_nothing_leaves_the_speed_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = machine.Place(records=tmp_path, log=tmp_path / "talk", check=lambda: None)
    found = machine.here(tmp_path / "none" / "machine.json", -1, place)  # no number of threads
    assert found.multiply_flops == {} and found.most_bytes > 0 and "could not be measured" in caplog.text
