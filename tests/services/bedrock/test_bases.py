"""Models that a user registered under an id of their own are bases like any other."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.families import Catalogue

OWN = "own.little-llama"


@pytest.fixture
def mapped(scene: Any, tmp_path: Path) -> str:
    """A folder that looks like a checkpoint, mapped."""
    folder = tmp_path / "little-llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 512, "model_type": "llama"}))
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "tokenizer.json").write_text("{}")
    Catalogue.load(scene.ground.settings.catalogue_file).map(OWN, folder)
    return OWN


def test_it_is_listed_and_got(bedrock: Any, mapped: str) -> None:
    assert mapped in {model["modelId"] for model in bedrock.list_foundation_models()["modelSummaries"]}
    assert "pebble" not in bedrock.get_foundation_model(modelIdentifier=mapped)["modelDetails"]["modelName"]


def test_it_is_customized_and_customized_again(scene: Any, bedrock: Any, mapped: str) -> None:
    first = scene.model("first", baseModelIdentifier=mapped)
    assert f"custom-model/{mapped}/" in first
    scene.model("second", baseModelIdentifier="first")
    base = bedrock.get_custom_model(modelIdentifier="second")["baseModelArn"]
    assert base == f"arn:aws:bedrock:us-east-1::foundation-model/{mapped}"


def test_without_its_mapping_its_models_are_no_base_any_more(scene: Any, mapped: str) -> None:
    scene.model("first", baseModelIdentifier=mapped)
    scene.ground.settings.catalogue_file.unlink()
    with pytest.raises(ClientError, match="not mapped any more"):
        scene.queue("again", baseModelIdentifier="first")
