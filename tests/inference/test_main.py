"""The engine's command line: which device it picks, and what it keeps weights in."""

from pathlib import Path

import pytest

from outcrop.inference.__main__ import device_named, read_arguments


@pytest.mark.parametrize(
    ("words", "has_cuda", "device"),
    [
        ([], True, "cuda"),
        ([], False, "cpu"),
        (["--device", "cpu"], True, "cpu"),
        (["--device", "cuda:1"], False, "cuda:1"),
    ],
)
def test_cuda_is_picked_where_it_is_found_unless_a_device_is_named(
    tmp_path: Path, words: list[str], has_cuda: bool, device: str
) -> None:
    arguments = read_arguments(["--checkpoint", str(tmp_path), "--socket", str(tmp_path / "s"), *words])
    assert device_named(arguments.device, has_cuda) == device


def test_weights_stay_in_float32_unless_int8_is_asked_for(tmp_path: Path) -> None:
    words = ["--checkpoint", str(tmp_path), "--socket", str(tmp_path / "s")]
    assert read_arguments(words).weights == "float32"
    assert read_arguments([*words, "--weights", "int8"]).weights == "int8"
    with pytest.raises(SystemExit):
        read_arguments([*words, "--weights", "int4"])
