"""`outcrop doctor` says what would be in the way and what to do about it, and changes nothing."""

import json
import shutil
import socket
import tempfile
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from living import Outcrop
from outcrop.config import Settings
from outcrop.store import refused_models
from outcrop.store.engines import sockets_folder
from outcrop.store.home import open_home

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture
def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def taken_port() -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


def test_a_good_machine_is_good_and_stays_as_it_is(run: Any, free_port: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="home-"))  # pytest's own folders are too deep for sockets
    ended = run("doctor", "--home", folder / "new", "--port", free_port)
    assert (ended.status, "BAD" in ended.out) == (0, False), ended.out
    for said in ("Python 3", "torch", "the pebble", "GiB of disk", "GiB of memory", f"port {free_port} free"):
        assert said in ended.out
    folder.rmdir()  # raises where something was made in it


def test_the_compiler_and_where_its_libraries_go_are_said_and_none_is_no_harm(
    tmp_path: Path, run: Any, free_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "g++"
    compiler.touch(mode=0o700)
    monkeypatch.setenv("OUTCROP_KERNEL_FOLDER", str(tmp_path / "kept"))
    asked = ("doctor", "--home", tmp_path / "new", "--port", free_port)
    for path, said in (
        (tmp_path, f"ok   {compiler} compiles steps of training, once, into {tmp_path / 'kept'}"),
        (tmp_path / "nothing", "ok   no C++ compiler: training runs on torch alone, at a lower speed"),
    ):
        monkeypatch.setenv("PATH", str(path))
        assert said in run(*asked).out
    assert not (tmp_path / "kept").exists()


def test_a_taken_port_is_bad_with_a_hint(tmp_path: Path, run: Any, taken_port: str) -> None:
    ended = run("doctor", "--home", tmp_path, "--port", taken_port)
    assert ended.status == 1
    assert f"BAD  port {taken_port} free\n     hint: something listens there" in ended.out


def test_a_server_of_this_home_is_no_stranger_on_the_port(outcrop: Outcrop, run: Any) -> None:
    url = outcrop.variables["AWS_ENDPOINT_URL"]
    ended = run("doctor", "--home", outcrop.home, "--port", url.rsplit(":", 1)[1])
    assert (ended.status, f"a server runs on this home already, at {url}" in ended.out) == (0, True)


def test_a_home_that_is_a_file_is_bad(tmp_path: Path, run: Any, free_port: str) -> None:
    (tmp_path / "home").write_text("a file")
    ended = run("doctor", "--home", tmp_path / "home" / "below", "--port", free_port)
    assert ended.status == 1 and f"BAD  home {tmp_path / 'home' / 'below'}" in ended.out


def test_a_folder_for_sockets_that_others_may_enter_is_bad(tmp_path: Path, run: Any, free_port: str) -> None:
    home = tmp_path / ("x" * 120)
    folder = sockets_folder(Settings(home=home))
    folder.mkdir(mode=0o755)
    try:
        ended = run("doctor", "--home", home, "--port", free_port)
    finally:
        folder.rmdir()
    assert ended.status == 1 and f"{folder}, where engines are to listen, is not this user's alone" in ended.out


def test_storage_too_small_for_an_adapter_of_a_mapped_checkpoint_is_bad(
    tmp_path: Path, run: Any, free_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large"
    large.mkdir()
    sizes = {"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32}
    (large / "config.json").write_text(json.dumps({**sizes, "num_attention_heads": 32, "num_key_value_heads": 8}))
    (large / "tokenizer.json").write_text("{}")
    (large / "model.safetensors").touch()
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(64 * 2**20))
    asked = ("doctor", "--home", tmp_path / "home", "--port", free_port)
    assert "ok   /dev/shm, memory-backed storage, 67 MB free" in run(*asked).out, "the pebble's adapters are small"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models.toml").write_text(f'[models]\n"amazon.nova-micro-v1:0" = "{large}"\n')
    said = run(*asked).out
    assert "BAD  /dev/shm" in said and f"rank 16 on {large} takes 168 MB" in said and "--shm-size" in said
    (tmp_path / "home" / "models.toml").write_text("[models")
    assert "BAD  the catalogue of models can be read" in run(*asked).out


def test_a_mapped_checkpoint_whose_files_are_gone_is_bad(tmp_path: Path, run: Any, free_port: str) -> None:
    mapped = tmp_path / "mapped"
    mapped.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (mapped / name).write_text("{}")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models.toml").write_text(f'[models]\n"own.model" = "{mapped}"\n')
    asked = ("doctor", "--home", tmp_path / "home", "--port", free_port)
    assert f"ok   the checkpoint of own.model, {mapped}" in run(*asked).out
    (mapped / "tokenizer.json").unlink()
    ended = run(*asked)
    assert ended.status == 1 and f"BAD  the checkpoint of own.model, {mapped}: tokenizer.json missing" in ended.out
    assert "outcrop models map own.model FOLDER" in ended.out


def test_a_custom_model_that_its_engine_does_not_take_is_bad_with_the_reason(
    tmp_path: Path, run: Any, free_port: str
) -> None:
    home = open_home(Settings(home=tmp_path / "home"), datetime(2026, 3, 1, tzinfo=UTC))
    asked = ("doctor", "--home", tmp_path / "home", "--port", free_port)
    assert "custom model" not in run(*asked).out
    refused_models.tell(home.database, {"abcdefghijkl": "its files are damaged."})
    home.close()
    ended = run(*asked)
    assert ended.status == 1
    assert "BAD  the custom model abcdefghijkl can be served\n     hint: it cannot: its files are damaged." in ended.out
