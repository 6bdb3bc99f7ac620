"""A model's plaintext exists for as long as an engine takes to load it, for its owner alone."""

import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from outcrop.domain.errors import OutcropError, SealBroken
from outcrop.domain.probes import PROBES_FILE
from outcrop.sealed import SealedWriter, new_key
from outcrop.worker import handover

KEY = new_key()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "abcdefghijkl"
    folder.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        with SealedWriter(folder / name, KEY, f"model/abcdefghijkl/{name}".encode()) as writer:
            writer.write(name.encode())
    return folder


def test_the_files_are_in_the_clear_for_their_owner_alone_and_gone_afterwards(model: Path, tmp_path: Path) -> None:
    with handover.opened(model, KEY, tmp_path / "run") as place:
        assert place.parent == handover.MEMORY
        assert place.stat().st_mode & 0o777 == 0o700
        for file in place.iterdir():
            assert file.read_bytes() == file.name.encode()
            assert file.stat().st_mode & 0o777 == 0o600
    assert not place.exists()


def test_a_model_not_in_its_place_yet_is_opened_by_its_name_without_its_probes(model: Path, tmp_path: Path) -> None:
    made = model.rename(tmp_path / "out")
    (made / PROBES_FILE).write_bytes(b"not even sealed")
    with pytest.raises(SealBroken), handover.opened(made, KEY, tmp_path / "run"):
        pytest.fail("it was opened under the folder's name")
    with handover.opened(made, KEY, tmp_path / "run", "abcdefghijkl") as place:
        assert sorted(file.name for file in place.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


def test_nothing_is_left_where_the_engine_refuses(model: Path, tmp_path: Path) -> None:
    with pytest.raises(OutcropError), handover.opened(model, KEY, tmp_path / "run") as place:
        raise OutcropError("no")
    assert not place.exists()


def test_nothing_is_left_where_a_file_is_damaged(model: Path, tmp_path: Path) -> None:
    file = model / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(SealBroken), handover.opened(model, KEY, tmp_path / "run"):
        pytest.fail("a damaged model was handed over")
    assert not _left(tmp_path / "run")


def test_what_a_killed_worker_left_is_swept_by_the_next_of_its_home_alone(tmp_path: Path) -> None:
    mine, others = tmp_path / "mine" / "run", tmp_path / "others" / "run"
    left = [_leave(mine), _leave(others)]
    handover.sweep(mine)
    assert [place.exists() for place in left] == [False, True]
    shutil.rmtree(left[1])


def test_a_model_larger_than_the_memory_is_refused_before_anything_is_written(model: Path, tmp_path: Path) -> None:
    with (model / "adapter_model.safetensors").open("r+b") as file:
        file.truncate(2 * shutil.disk_usage(handover.MEMORY).free)  # a hole: it takes no disk
    with pytest.raises(OutcropError, match=r"bytes free.*--shm-size"), handover.opened(model, KEY, tmp_path / "run"):
        pytest.fail("it was handed over")
    assert not _left(tmp_path / "run")


def test_a_place_that_fills_up_meanwhile_is_said_as_that(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(handover.NoRoom, match="became full"), handover.opened(model, KEY, tmp_path / "run"):
        pytest.fail("it was handed over")
    assert not _left(tmp_path / "run")


def _prefix(run_folder: Path) -> str:
    return f"outcrop-{hashlib.sha256(str(run_folder).encode()).hexdigest()[:12]}-"


def _left(run_folder: Path) -> list[Path]:
    return list(handover.MEMORY.glob(_prefix(run_folder) + "*"))


def _leave(run_folder: Path) -> Path:
    place = handover.MEMORY / (_prefix(run_folder) + "left")
    place.mkdir()
    (place / "adapter_model.safetensors").write_bytes(b"in the clear")
    return place
