"""What a job could not carry out is refused when it is created, with the reason; what it can is not."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.families.catalogue import PEBBLE, Catalogue
from outcrop.store import models

NOVA = "amazon.nova-micro-v1:0:128k"
VALIDATED = {"validationDataConfig": {"validators": [{"s3Uri": "s3://rocks/valid.jsonl"}]}}
BFLOAT16 = {"outcrop.precision": "bfloat16"}


def refused(scene: Any, **given: Any) -> str:
    with pytest.raises(ClientError) as caught:
        scene.queue("tunes", **given)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    return str(caught.value.response["Error"]["Message"])


@pytest.fixture
def biased(scene: Any, tmp_path: Path) -> Path:
    """A checkpoint that transformers computes, behind NOVA."""
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "biased"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"attention_bias": True}))
    Catalogue.load(scene.ground.settings.catalogue_file).map(NOVA, folder)
    return folder


def test_four_bits_without_their_library_are_refused_at_once(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {"outcrop.method": "qlora"}
    scene.queue("coarse", hyperParameters=parameters)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # as where it is not installed
    assert "pip install 'outcrop[qlora]'" in refused(scene, hyperParameters=parameters)


@pytest.mark.parametrize(
    ("name", "value"), [("keepBest", "true"), ("validateEverySteps", "9"), ("generationSample", "3")]
)
def test_what_needs_validation_data_is_refused_without_it(scene: Any, name: str, value: str) -> None:
    said = refused(scene, hyperParameters={f"outcrop.{name}": value})
    assert f"outcrop.{name}" in said and "validationDataConfig.validators" in said
    scene.queue("validated", hyperParameters={f"outcrop.{name}": value}, **VALIDATED)


def test_what_asks_for_nothing_of_validation_data_needs_none(scene: Any) -> None:
    scene.queue("plain", hyperParameters={"outcrop.keepBest": "false", "outcrop.generationSample": "0"})


def test_no_answers_are_sampled_of_passages(scene: Any) -> None:
    titan = {"baseModelIdentifier": "amazon.titan-text-lite-v1:0:4k", "customizationType": "CONTINUED_PRE_TRAINING"}
    said = refused(scene, hyperParameters={"outcrop.generationSample": "3"}, **titan, **VALIDATED)
    assert "outcrop.generationSample compares answers" in said


def test_whole_weights_of_other_architectures_than_llama_are_not_computed_in_bfloat16(scene: Any, biased: Path) -> None:
    said = refused(scene, hyperParameters=BFLOAT16 | {"outcrop.method": "full"})
    assert "outcrop.method full trains all" in said and biased.name in said
    scene.queue("adapter", hyperParameters=BFLOAT16)
    scene.queue("left-open", hyperParameters={"outcrop.method": "full", "outcrop.precision": "auto"})


def test_nor_those_of_a_custom_model_that_is_trained_on_from(scene: Any, biased: Path) -> None:
    scene.model("slate")
    with scene.ground.database.read() as connection:
        parent = models.find(connection, "us-east-1", scene.ground.account, "slate")
    scene.queue("adapters-parent", baseModelIdentifier="slate", hyperParameters=BFLOAT16)
    weights = scene.ground.settings.whole_weights_file(parent.job_id)
    weights.parent.mkdir(parents=True)
    weights.touch()
    said = refused(scene, baseModelIdentifier="slate", hyperParameters=BFLOAT16)
    assert "continues has whole weights" in said


def test_a_llamas_whole_weights_may_be_computed_in_bfloat16(scene: Any) -> None:
    scene.queue("whole", hyperParameters=BFLOAT16 | {"outcrop.method": "full"})
