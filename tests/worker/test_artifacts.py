"""The CSV files are what Bedrock's clients read."""

import csv
import io
import math

import pytest

from outcrop.domain.events import Step, Validation
from outcrop.worker import artifacts


@pytest.mark.parametrize(
    ("prefix", "folder"),
    [
        ("", "model-customization-job-abcdefghijkl/"),
        ("out", "out/model-customization-job-abcdefghijkl/"),
        ("out/", "out/model-customization-job-abcdefghijkl/"),
    ],
)
def test_the_job_folder_does_not_depend_on_a_trailing_slash(prefix: str, folder: str) -> None:
    assert artifacts.job_folder(prefix, "abcdefghijkl") == folder


def test_the_training_file_is_numeric_with_a_header() -> None:
    step = Step(step=0, epoch=0, loss=2.0, learning_rate=0.1, tokens=7)
    rows = list(csv.DictReader(io.StringIO(artifacts.training_csv([step]).decode())))
    assert list(rows[0]) == ["step_number", "epoch_number", "training_loss", "perplexity"]
    assert float(rows[0]["perplexity"]) == pytest.approx(math.exp(2.0), abs=1e-5)


def test_the_validation_file_is_numeric_with_a_header() -> None:
    found = Validation(step=9, epoch=1, validator=0, loss=1.5)
    rows = list(csv.DictReader(io.StringIO(artifacts.validation_csv([found]).decode())))
    assert rows == [{"step_number": "9", "epoch_number": "1", "validation_loss": "1.500000", "perplexity": "4.481689"}]


def test_a_loss_too_large_for_a_perplexity_is_bounded() -> None:
    assert math.isfinite(artifacts.perplexity(1e9))
