"""A sweep of learning rates: what is learnt is found, and the constants are those of the points."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree
from dataclasses import asdict
from pathlib import Path

import pytest

from outcrop.domain.checkpoint_digest import digest_of
from outcrop.families.catalogue import PEBBLE

ROOT = Path(__file__).parents[2]
RATES = (1e-4, 1e-3, 2e-3, 4e-3, 1e-2)


@pytest.fixture(autouse=True)
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))


def _points(scores: tuple[float, ...], subject: str = "facts", rank: int = 16, batch_size: int = 1) -> list:
    from pebble.rates import Point

    return [
        Point(subject=subject, rate=rate, rank=rank, batch_size=batch_size, exact=score, loss=0.1, steps=9, cpu_s=1.0)
        for rate, score in zip(RATES, scores, strict=True)
    ]


def test_a_band_is_the_widest_stretch_at_which_every_subject_is_learnt() -> None:
    from pebble.rates import Band, band

    facts = _points((0.2, 1.0, 1.0, 1.0, 0.0))
    assert band(facts, 16, 1) == Band(least=1e-3, most=4e-3)
    task = _points((0.1, 0.5, 0.78, 0.8, 0.7), subject="task")
    assert band(facts + task, 16, 1) == Band(least=2e-3, most=4e-3)
    assert band(_points((1.0, 0.9, 1.0, 1.0, 1.0)), 16, 1) == Band(least=2e-3, most=1e-2)
    assert band(_points((0.9, 0.5, 0.0, 0.0, 0.0)), 16, 1) is None


def test_the_constants_follow_from_the_bands() -> None:
    from pebble.rates import proposed

    reference = _points((0.0, 1.0, 1.0, 1.0, 0.0))
    batch = _points((0.0, 0.0, 0.0, 1.0, 1.0), batch_size=10)
    rank = _points((0.0, 1.0, 0.0, 0.0, 0.0), rank=64)
    found = proposed(reference + batch + rank)
    assert found["applied"] == pytest.approx(2e-3) and found["most"] == 4e-3
    assert found["batch_power"] == pytest.approx(0.5)  # the middle at batch 10 is 10 ** 0.5 times as high
    assert found["rank_power"] == pytest.approx(-0.5)  # at four times the rank it is half
    assert proposed(_points((0.0,) * 5)) == {}


def test_a_card_takes_the_constants_and_keeps_how_a_family_is_squeezed() -> None:
    from pebble.rates import card_with

    card = json.loads((ROOT / "recipes/pebble/outcrop.json").read_text())
    constants = {"applied": 1.2345e-3, "most": 4e-3, "batch_power": 0.412, "rank_power": -0.5}
    made = card_with(card, constants)
    assert made["learning_rate"].keys() == card["learning_rate"].keys()
    for family, entry in made["learning_rate"].items():
        before = card["learning_rate"][family]
        swept = {} if family == "titan" else {"applied": 1.2e-3, "most": 4e-3, "batch_power": 0.41}
        assert entry == {**before, **swept}
    assert made["lora"] == {**card["lora"], "rank_power": -0.5}
    assert card_with(card, {}) == card


def test_what_two_sweeps_measured_is_put_together_and_adopted(tmp_path: Path) -> None:
    """Nothing is taught again, so that this takes a moment; the card in the folder is then the one proposed."""
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "pebble"))
    known = {"facts": _points((0.0, 1.0, 1.0, 1.0, 0.0)), "task": _points((0.1, 0.5, 0.8, 0.8, 0.7), subject="task")}
    for subject, points in known.items():
        about = {"date": "2026-01-01", "digest": digest_of(folder), "points": [asdict(point) for point in points]}
        (tmp_path / f"{subject}.json").write_text(json.dumps(about))
    files = [str(tmp_path / f"{subject}.json") for subject in known]
    command = [sys.executable, str(ROOT / "recipes/pebble_rates.py"), str(folder)]
    command += ["--results", str(tmp_path / "rates.json"), "--ranks", "16", "--batches", "1", "--adopt"]
    command += ["--rates", *map(str, RATES), "--known", *files]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=100)
    result = json.loads((tmp_path / "rates.json").read_text())
    assert len(result["points"]) == 2 * len(RATES)
    card = json.loads((folder / "outcrop.json").read_text())
    assert card == result["card"] and card["learning_rate"]["nova"]["applied"] == 2.8e-3  # between 2e-3 and 4e-3
    assert card["learning_rate"]["titan"] == json.loads((PEBBLE / "outcrop.json").read_text())["learning_rate"]["titan"]


def test_a_card_is_written_as_it_is_read_with_a_line_for_each_family(tmp_path: Path) -> None:
    from pebble.identity import card_of, write_card

    card = card_of(PEBBLE)
    write_card(card, tmp_path)
    assert card_of(tmp_path) == card
    assert any(line.strip().startswith('"nova": {') for line in (tmp_path / "outcrop.json").read_text().splitlines())


def test_a_sweep_teaches_what_its_rate_lets_it_and_draws_it(tmp_path: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, str(ROOT / "recipes/pebble_rates.py"), "--results", str(tmp_path / "rates.json")),
            *("--subjects", "facts", "--batches", "32", "--ranks", "16", "--rates", "1e-6", "4e-3"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=250,
    )
    result = json.loads((tmp_path / "rates.json").read_text())
    timid, bold = result["points"]
    assert timid["exact"] == 0.0 < bold["exact"]
    assert timid["loss"] > bold["loss"]
    assert timid["steps"] == bold["steps"] == 39
    assert result["digest"] == digest_of(PEBBLE)
    drawn = xml.etree.ElementTree.parse(tmp_path / "rates-facts.svg")
    assert "1.0e-06" in {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
