"""A capacity is kept for one base, one engine and one machine: another of either is measured anew."""

from pathlib import Path

import pytest

from outcrop.config import Settings
from outcrop.domain.weights import FLOAT32, INT8
from outcrop.worker.engines import capacity_file, launch_of


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_the_same_base_engine_and_machine_are_the_same_file(checkpoint: Path, tmp_path: Path) -> None:
    assert capacity_file(tmp_path, checkpoint, ["--threads", "1"]) == capacity_file(
        tmp_path, checkpoint, ["--threads", "1"]
    )


def test_other_weights_another_engine_or_another_machine_are_another(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [capacity_file(tmp_path, checkpoint, ["--threads", "1"])]
    files.append(capacity_file(tmp_path, checkpoint, ["--threads", "2"]))
    (checkpoint / "model.safetensors").write_bytes(b"other weights")
    files.append(capacity_file(tmp_path, checkpoint, ["--threads", "1"]))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    files.append(capacity_file(tmp_path, checkpoint, ["--threads", "1"]))
    assert len(set(files)) == 4


def test_where_an_engine_listens_does_not_matter(checkpoint: Path, tmp_path: Path) -> None:
    def capacity(socket: str) -> str:
        return words_of(checkpoint, Path(socket), Settings(home=tmp_path))["--capacity"]

    assert capacity("/run/a.sock") == capacity("/run/b.sock")


def test_an_engine_keeps_weights_in_what_the_server_was_told(checkpoint: Path, tmp_path: Path) -> None:
    """And its capacity is another's then."""
    told = [Settings(home=tmp_path), Settings(home=tmp_path, weights=INT8)]
    started = [words_of(checkpoint, tmp_path / "a.sock", Settings.from_json(one.to_json())) for one in told]
    assert [words["--weights"] for words in started] == [FLOAT32, INT8]
    assert started[0]["--capacity"] != started[1]["--capacity"]


def words_of(checkpoint: Path, socket: Path, settings: Settings) -> dict[str, str]:
    words = launch_of(str(checkpoint), socket, settings, 1).arguments
    return dict(zip(words[::2], words[1::2], strict=True))
