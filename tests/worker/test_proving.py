"""A model that was made is proved in an engine, which keeps nothing of it, and its answers are told as numbers."""

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

import outcrop.services.runtime.engine as face
from outcrop.domain.errors import JobFailure, OutcropError
from outcrop.families.catalogue import PEBBLE
from outcrop.store.engines import socket_of
from outcrop.worker import proving
from outcrop.worker.generation import GENERATION_FILE

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(180)]


def prove(taught: Any, **changed: Any) -> None:
    proving.prove(taught.attempt, replace(taught.plan, **changed), taught.key, taught.metrics)


def held(taught: Any) -> list[str]:
    """What the pebble's engine holds."""
    return face.loaded(socket_of(taught.scene.ground.settings, PEBBLE))


def history(taught: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = taught.scene.job("taught").history
    return found


def test_a_proved_models_answers_are_told_as_numbers_in_the_bucket_and_the_history(taught: Any) -> None:
    before = history(taught)
    prove(taught)
    text = taught.scene.read(f"out/model-customization-job-{taught.attempt.job.id}/{GENERATION_FILE}").decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["row_number"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row["custom_rouge_l"]) <= 1 for row in rows)
    (told,) = history(taught)[len(before) :]
    assert (told["event"], told["rows"], told["attempt"]) == ("generation_metrics", 2, 1)
    assert told["custom_rouge_l"] == pytest.approx(sum(float(row["custom_rouge_l"]) for row in rows) / 2, abs=1e-6)
    assert list(held(taught)) == ["base"]


def test_who_asked_for_no_sample_is_told_nothing(taught: Any) -> None:
    before = history(taught)
    prove(taught, generation_sample=0)
    assert history(taught) == before


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "probes.json"])
def test_a_damaged_model_is_not_proved_and_nothing_is_told_of_it(taught: Any, name: str) -> None:
    before = history(taught)
    file = taught.attempt.folder / "out" / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(OutcropError):
            prove(taught)
    finally:
        file.write_bytes(whole)
    assert history(taught) == before and list(held(taught)) == ["base"]


def test_another_jobs_key_proves_nothing(taught: Any) -> None:
    with pytest.raises(JobFailure, match="no probes that can be read"):
        proving.prove(taught.attempt, taught.plan, bytes(32), taught.metrics)
