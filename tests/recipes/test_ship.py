"""Only a pebble that passed every gate, as it lies there, gets into the package; its card says what it passed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from outcrop.families.catalogue import PEBBLE
from pebble.identity import identity
from pebble.log import Log, read_log
from pebble.run_result import PART_STEPS, run_result
from pebble.shipping import FILES, objection

ROOT = Path(__file__).parents[2]
LINE = {"gate": "size", "measured": "9.5 MB", "bar": "at most 10 MB", "passed": True}
LINES = PART_STEPS + 20


def gates_of(folder: Path, **other: Any) -> dict[str, Any]:
    return {"date": "2026-01-01", "examined": identity(folder), "missing": [], "gates": [LINE], **other}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A pebble as the recipe leaves it."""
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "made"))
    (folder / "curve.svg").write_text("<svg/>")
    (folder / "README.md").write_text("# Pebble\n\n- Made by `python it` (seed 0)\n\n## Limits\n\nMany.\n")
    return folder


def write_log(path: Path) -> Path:
    log = Log(path)
    for step in range(1, LINES + 1):
        losses = {"loss": 2.0, "loss_text": 3.0, "loss_lessons": 1.0, "learning_rate": 1e-3}
        log.add(step=step, tokens=10 * step, cpu_s=60.0 * step, wall_s=30.0 * step, **losses)
    log.add(step=LINES, tokens=10 * LINES, held_out_bits_per_byte=1.25, held_out_texts=9, exact={"a": 1.0, "b": 0.5})
    log.close()
    return path


def ship(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "recipes/pebble_ship.py"), str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_what_did_not_pass_or_was_not_measured_or_is_another_is_refused(made: Path) -> None:
    examined = identity(made)
    assert objection(gates_of(made), examined) is None
    failed = {**LINE, "gate": "held-out text", "passed": False}
    refused = [
        (gates_of(made, missing=["a second task"]), "Not measured: a second task."),
        (gates_of(made, gates=[LINE, failed]), "Not passed: held-out text."),
        (gates_of(made, examined={**examined, "card": {}}), "another card"),
        (gates_of(made, examined={**examined, "digest": "0"}), "other files"),
    ]
    for gates, said in refused:
        assert said in (objection(gates, examined) or "")


def test_a_pebble_that_passed_is_put_in_with_its_gates_its_curves_and_its_run(made: Path, tmp_path: Path) -> None:
    into, results = tmp_path / "package", tmp_path / "run.json"
    (tmp_path / "gates.json").write_text(json.dumps(gates_of(made)))
    (tmp_path / "sweep.json").write_text(json.dumps({"digest": identity(made)["digest"]}))
    into.mkdir()
    (into / "rates-stale.svg").write_text("<svg/>")
    (tmp_path / "sweep-facts.svg").write_text("<svg/>")
    log = write_log(tmp_path / "log.jsonl")
    words = ["--gates", str(tmp_path / "gates.json"), "--rates", str(tmp_path / "sweep.json")]
    ended = ship(made, *words, "--log", str(log), "--results", str(results), "--into", str(into))
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in into.iterdir()} == {*FILES, "README.md", "rates-facts.svg"}
    assert identity(into) == identity(made)
    card = (into / "README.md").read_text()
    assert "| size | 9.5 MB | at most 10 MB |" in card and "(rates-facts.svg)" in card and card.endswith("Many.\n")
    run = json.loads(results.read_text())
    assert (run["command"], run["marks"][0]["held_out_bits_per_byte"]) == ("python it", 1.25)


def test_one_that_did_not_pass_leaves_the_package_as_it_was(made: Path, tmp_path: Path) -> None:
    (tmp_path / "gates.json").write_text(json.dumps(gates_of(made, missing=["held-out text"])))
    ended = ship(made, "--gates", str(tmp_path / "gates.json"), "--into", str(tmp_path / "package"))
    assert ended.returncode == 1 and "Not measured: held-out text." in ended.stderr
    assert not (tmp_path / "package").exists()


def test_the_sweep_of_another_leaves_the_package_as_it_was(made: Path, tmp_path: Path) -> None:
    (tmp_path / "gates.json").write_text(json.dumps(gates_of(made)))
    (tmp_path / "sweep.json").write_text(json.dumps({"digest": "0"}))
    words = ["--gates", str(tmp_path / "gates.json"), "--rates", str(tmp_path / "sweep.json")]
    ended = ship(made, *words, "--into", str(tmp_path / "package"))
    assert ended.returncode == 1 and "other files" in ended.stderr
    assert not (tmp_path / "package").exists()


def test_a_card_without_limits_leaves_the_package_as_it_was(made: Path, tmp_path: Path) -> None:
    (made / "README.md").write_text("# Pebble")
    (tmp_path / "gates.json").write_text(json.dumps(gates_of(made)))
    ended = ship(made, "--gates", str(tmp_path / "gates.json"), "--into", str(tmp_path / "package"))
    assert ended.returncode == 1 and "a card without" in ended.stderr
    assert not (tmp_path / "package").exists()


def test_a_run_is_kept_in_parts_with_every_mark(tmp_path: Path) -> None:
    result = run_result(read_log(write_log(tmp_path / "log.jsonl")))
    assert [part["step"] for part in result["losses"]] == [PART_STEPS, LINES]
    (mark,) = result["marks"]
    assert (mark["minutes"], mark["cpu_minutes"], mark["loss_text"]) == (LINES / 2, LINES, 3.0)
    assert (mark["exact_mean"], mark["learning_rate"]) == (0.75, 1e-3)
