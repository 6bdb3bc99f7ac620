"""Names, versions and room: what is pinned stays, the rest goes in the order in which it was last asked for."""

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from outcrop.domain.errors import SettingsError
from outcrop.inference.models import Models
from outcrop.inference.shelf import BASE, About, Shelf
from outcrop.modeling.config import LlamaConfig

WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Thing:
    about: About


def thing(size_bytes: int) -> Thing:
    return Thing(About(version=str(size_bytes), size_bytes=size_bytes))


def shelf_of(most_bytes: int, **sizes: int) -> Shelf[Thing]:
    shelf = Shelf(thing(1000), most_bytes)
    for name, size in sizes.items():
        shelf.put(name, thing(size))
    return shelf


def test_nothing_goes_unless_it_may() -> None:
    shelf = shelf_of(10, a=8, b=8, c=8)
    assert shelf.names() == [BASE, "a", "b", "c"]
    assert shelf.evicted() == []


def test_the_least_recently_asked_for_goes_first_and_no_more_than_must() -> None:
    shelf = shelf_of(20, a=8, b=8)
    shelf.may_evict({"a", "b", "c", "d"})
    assert shelf.find("a") is not None
    shelf.put("c", thing(4))
    assert (set(shelf.names()), shelf.evicted()) == ({BASE, "a", "b", "c"}, [])
    shelf.put("d", thing(4))
    assert (set(shelf.names()), shelf.evicted()) == ({BASE, "a", "c", "d"}, ["b"])
    assert shelf.find("b") is None


def test_what_is_pinned_stays_and_takes_room_from_the_others() -> None:
    shelf = shelf_of(20, pinned=16, loose=4)
    shelf.may_evict({"loose", "late"})
    shelf.find("loose")
    shelf.put("late", thing(2))
    assert set(shelf.names()) == {BASE, "pinned", "late"}


def test_what_was_pinned_may_go_at_once_when_it_is_not_any_more() -> None:
    shelf = shelf_of(10, a=8, b=8)
    shelf.may_evict({"a", "b"})
    assert shelf.evicted() == ["a"]


def test_what_came_last_stays_even_alone_beyond_the_bound() -> None:
    shelf = shelf_of(10)
    shelf.may_evict({"large", BASE})
    shelf.put("large", thing(50))
    assert set(shelf.names()) == {BASE, "large"}


def test_an_evicted_name_is_remembered_until_it_is_loaded_or_forgotten() -> None:
    shelf = shelf_of(10, a=8, b=8)
    shelf.may_evict({"a"})
    assert shelf.evicted() == ["a"]
    shelf.put("a", thing(1))
    assert shelf.evicted() == []
    shelf = shelf_of(10, a=8, b=8)
    shelf.may_evict({"a"})
    assert shelf.remove("a")
    assert not shelf.remove("a")
    assert shelf.evicted() == []


@pytest.fixture(scope="module")
def models(checkpoint: Path, adapters: dict[str, Path]) -> Models:
    loaded = Models(checkpoint, LlamaConfig.load(checkpoint), torch.device("cpu"))
    loaded.load("a", adapters["a"])
    return loaded


def about(models: Models, name: str) -> About:
    model = models.shelf.find(name)
    assert model is not None
    return model.about


def test_a_version_is_of_the_weights_and_not_of_the_name(models: Models, adapters: dict[str, Path]) -> None:
    first = about(models, "a").version
    models.load("again", adapters["a"])
    assert about(models, "again").version == first
    models.load("again", adapters["b"])
    assert about(models, "again").version not in (first, about(models, BASE).version)


def test_another_scale_of_the_same_matrices_is_another_version(
    models: Models, adapters: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(adapters["a"], tmp_path / "scaled"))
    told = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**told, "lora_alpha": 2 * told["lora_alpha"]}))
    models.load("scaled", folder)
    assert about(models, "scaled").version != about(models, "a").version


def test_whole_weights_are_another_version_each_time(models: Models, other_weights: Path) -> None:
    versions = set()
    for _ in range(2):
        models.load("full", other_weights)
        versions.add(about(models, "full").version)
    assert len(versions) == 2


def test_an_adapter_takes_at_least_the_memory_of_its_matrices(models: Models, adapters: dict[str, Path]) -> None:
    matrices = sum(tensor.nbytes for tensor in load_file(adapters["a"] / WEIGHTS).values())
    assert matrices <= about(models, "a").size_bytes <= 32 * matrices  # ranks are filled up to whole vectors
    assert about(models, BASE).size_bytes > about(models, "a").size_bytes


def altered(adapter: Path, folder: Path, factor: float) -> Path:
    shutil.copytree(adapter, folder)
    tensors = load_file(adapter / WEIGHTS)
    save_file({name: tensor * (factor if "lora_B" in name else 1.0) for name, tensor in tensors.items()},
              folder / WEIGHTS)  # fmt: skip
    return folder


def test_the_probe_says_how_far_an_adapter_moves_the_logits(
    models: Models, adapters: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        models.load("faint", altered(adapters["a"], tmp_path / "faint", 0.01))
    faint, whole = about(models, "faint").shift, about(models, "a").shift
    assert faint is not None and whole is not None
    assert 0 < faint < whole
    assert not caplog.records


def test_an_adapter_that_changes_nothing_is_served_and_said(
    models: Models, adapters: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        models.load("untrained", altered(adapters["a"], tmp_path / "untrained", 0.0))
    (told,) = [told for told in models.shelf.report() if told["id"] == "untrained"]
    assert told["largest_logit_change"] == 0.0
    assert "untrained changes no logit" in caplog.text


def test_an_adapter_that_leaves_no_numbers_is_refused(
    models: Models, adapters: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="no numbers"):
        models.load("broken", altered(adapters["a"], tmp_path / "broken", float("inf")))
    assert models.shelf.find("broken") is None
