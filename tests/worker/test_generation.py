"""What is sampled after training is scored rightly, and only numbers come of it."""

import csv
import io
import json
import random
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest

from living import jsonl, nova_row
from outcrop.domain.states import JobStatus
from outcrop.worker.generation import Score, Scored, means, rouge_l

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(120)]
FILE = "validation_artifacts/generation_metrics.csv"


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """By trying every subsequence."""

    def stands_in(part: Sequence[str]) -> bool:
        rest = iter(other)
        return all(word in rest for word in part)

    return next(size for size in range(len(one), -1, -1) if any(map(stands_in, combinations(one, size))))


def test_rouge_l_is_the_f1_of_the_longest_common_subsequence() -> None:
    dice = random.Random(1)
    for _ in range(200):
        one, other = ([dice.choice("abcd") for _ in range(dice.randint(1, 8))] for _ in range(2))
        expected = 2 * longest_common(one, other) / (len(one) + len(other))
        assert rouge_l(" ".join(one), " ".join(other)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "wanted", "exact", "rouge"),
    [
        (" The owl.\n", "The owl.", True, 1.0),
        ("the OWL", "The owl.", False, 1.0),
        ("Überall Öl", "überall öl!", False, 1.0),
        ("the old owl", "the owl", False, 0.8),
        ("", "", True, 1.0),
        ("", "owl", False, 0.0),
        ("!", "?", False, 1.0),
    ],
)
def test_an_answer_is_scored_by_its_words(answer: str, wanted: str, exact: bool, rouge: float) -> None:
    assert Score.of(answer, wanted) == Score(exact_match=exact, rouge_l=pytest.approx(rouge))


def test_means_are_of_all_rows() -> None:
    right, wrong = Score(exact_match=True, rouge_l=1.0), Score(exact_match=False, rouge_l=0.5)
    rows = [Scored(row=1, base=wrong, custom=right), Scored(row=3, base=right, custom=right)]
    assert means(rows) == {
        "rows": 2,
        "base_exact_match": 0.5,
        "custom_exact_match": 1.0,
        "base_rouge_l": 0.75,
        "custom_rouge_l": 1.0,
    }


def test_a_job_that_asks_for_a_sample_has_base_and_custom_side_by_side(scene: Any) -> None:
    rows = [nova_row(f"Say number {number}.", "quartz feldspar") for number in range(8)]
    scene.put("train.jsonl", jsonl(rows * 3))
    scene.put("valid.jsonl", jsonl(rows))
    job = scene.work(
        "sampled",
        hyperParameters={"epochCount": "5", "learningRate": "0.0001", "outcrop.generationSample": "3"},
        validationDataConfig={"validators": [{"s3Uri": "s3://rocks/valid.jsonl"}]},
    )
    assert (job.status, job.failure_message) == (JobStatus.COMPLETED, None)
    text = scene.read(f"out/model-customization-job-{job.id}/{FILE}").decode()
    found = list(csv.DictReader(io.StringIO(text)))
    assert [row["row_number"] for row in found] == ["1", "2", "3"]
    assert {row["base_exact_match"] for row in found} == {"0"}
    assert {row["custom_exact_match"] for row in found} == {"1"} and found[0]["custom_rouge_l"] == "1.000000"
    assert "quartz" not in text
    (told,) = [entry for entry in job.history if entry["event"] == "generation_metrics"]
    progress = json.loads(scene.read(f"out/model-customization-job-{job.id}/training_artifacts/progress.json"))
    assert told in progress["history"], "what `jobs show` reads tells it, too"
    assert (told["rows"], told["base_exact_match"], told["custom_exact_match"]) == (3, 0.0, 1.0)


def test_a_job_that_asks_for_none_has_none(trained: Any) -> None:
    job = trained.job("plain")
    assert not [key for key in trained.listed() if key.endswith("generation_metrics.csv") and job.id in key]
