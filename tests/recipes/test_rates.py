"""A sweep of learning rates: what is learnt is found, and the constants are those of the points."""

import json
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

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
    drawn = xml.etree.ElementTree.parse(tmp_path / "rates-facts.svg")
    assert "1.0e-06" in {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
