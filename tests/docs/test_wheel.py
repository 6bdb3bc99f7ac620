"""The wheel carries what a user needs who has nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = (
    "outcrop/pebbles/text/model.safetensors",
    "outcrop/pebbles/text/tokenizer.json",
    "outcrop/pebbles/text/config.json",
    "outcrop/pebbles/text/outcrop.json",
    "outcrop/cli/lab/held_out.txt",
    "outcrop/store/migrations/env.py",
    "outcrop/modeling/kernels.cpp",
    "outcrop/wire/own_models/outcrop/2026-11-25/service-2.json",
    "outcrop/inference/decoder.cpp",
    "outcrop/inference/eight_bits.h",
    "outcrop/inference/matrix.h",
    "outcrop/inference/vectors.h",
    "outcrop/inference/reading_sample.txt",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("outcrop-*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


@pytest.mark.parametrize("name", NEEDED)
def test_the_wheel_carries(wheel: list[str], name: str) -> None:
    assert name in wheel


def test_the_wheel_carries_nothing_but_the_package(wheel: list[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"outcrop"}
