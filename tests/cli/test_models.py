"""`outcrop models` says what truly answers for each id, and puts a user's weights behind one."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from outcrop.config import Settings
from outcrop.families.catalogue import PEBBLE
from outcrop.store.home import open_home

NOVA = "amazon.nova-micro-v1:0"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PEBBLE, tmp_path / "weights"))


def test_every_id_is_listed_with_what_answers_for_it(run: Any, tmp_path: Path) -> None:
    ended = run("models", "--home", tmp_path)
    assert ended.status == 0
    for model_id in (NOVA, "anthropic.claude-3-haiku-20240307-v1:0:200k", "amazon.titan-text-lite-v1:0:4k"):
        assert f"\n{model_id}  (" in "\n" + ended.out
    assert "is answered by the pebble" in ended.out and "continued pre training" in ended.out


def test_a_mapped_id_and_its_suffixed_one_are_answered_by_the_weights(run: Any, tmp_path: Path, weights: Path) -> None:
    ended = run("models", "map", "--home", tmp_path / "home", NOVA, f"hf:{weights}")
    assert ended.status == 0 and "is answered by the checkpoint weights" in ended.out
    listed = run("models", "--home", tmp_path / "home").out
    assert listed.count("is answered by the checkpoint weights") == 2


def test_an_id_of_ones_own_is_served_too(run: Any, tmp_path: Path, weights: Path) -> None:
    assert run("models", "map", "--home", tmp_path, "slate.tiny-v1:0", weights).status == 0
    assert "slate.tiny-v1:0  (" in run("models", "--home", tmp_path).out


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_home_may_be_named_before_or_after_the_verb(run: Any, tmp_path: Path, weights: Path, order: str) -> None:
    home, words = ["--home", tmp_path / "meant"], [NOVA, weights]
    asked = ["models", *home, "map", *words] if order == "before" else ["models", "map", *home, *words]
    assert run(*asked).status == 0
    assert (tmp_path / "meant" / "models.toml").exists()


def test_a_home_that_began_with_a_mapping_can_be_served(run: Any, tmp_path: Path, weights: Path) -> None:
    run("models", "map", "--home", tmp_path / "home", NOVA, weights)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    open_home(Settings(home=tmp_path / "home")).close()


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [("hf:meta-llama/Llama-3.2-1B", "Outcrop downloads nothing"), ("nowhere", "is not a checkpoint")],
)
def test_what_is_no_checkpoint_is_refused(run: Any, tmp_path: Path, checkpoint: str, said: str) -> None:
    ended = run("models", "map", "--home", tmp_path / "home", NOVA, checkpoint)
    assert ended.status == 1 and said in ended.err
    assert not (tmp_path / "home" / "models.toml").exists()


def test_a_word_that_is_no_model_id_is_refused(run: Any, tmp_path: Path, weights: Path) -> None:
    ended = run("models", "map", "--home", tmp_path / "home", "nova", weights)
    assert ended.status == 1 and "'nova' is no model id" in ended.err


def test_a_damaged_catalogue_is_said(run: Any, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text("[models")
    ended = run("models", "--home", tmp_path)
    assert ended.status == 1 and "models.toml cannot be read" in ended.err


def test_a_checkpoint_that_cannot_be_examined_is_not_mapped(
    run: Any, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that looks at it dies, as it does where the memory is short."""
    dying = tmp_path / "dying"
    dying.write_text("#!/bin/sh\necho its last words >&2\nkill -9 $$\n")
    dying.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(dying))
    ended = run("models", "map", "--home", tmp_path / "home", NOVA, weights)
    assert ended.status == 1 and f"The checkpoint {weights} could not be examined: its last words" in ended.err
    assert not (tmp_path / "home" / "models.toml").exists()
