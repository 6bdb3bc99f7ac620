"""What the worker asks of an engine."""

from pathlib import Path
from typing import Any

import pytest

from outcrop.services.runtime import engine as face
from outcrop.services.runtime.engine import EngineRefused

Scene = Any  # tests/services/runtime/conftest.py


def test_models_come_and_go(scene: Scene, adapters: dict[str, Path]) -> None:
    face.load_adapter(scene.engine.socket, "passing", adapters["b"])
    face.load_adapter(scene.engine.socket, "passing", adapters["c"])
    assert "passing" in face.loaded(scene.engine.socket)
    face.unload_adapter(scene.engine.socket, "passing")
    assert "passing" not in face.loaded(scene.engine.socket)


def test_the_engines_own_words_say_what_is_wrong(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="neither"):
        face.load_adapter(scene.engine.socket, "none", tmp_path)
    with pytest.raises(EngineRefused, match="not loaded"):
        face.unload_adapter(scene.engine.socket, "none")


def test_readiness_is_told_without_an_error(scene: Scene, tmp_path: Path) -> None:
    assert face.is_ready(scene.engine.socket)
    assert not face.is_ready(tmp_path / "nobody.sock")
    with pytest.raises(EngineRefused, match="does not answer"):
        face.loaded(tmp_path / "nobody.sock")
