"""Which program answers for a base is as it was said, and what cannot be is said before anything starts."""

import sys
from pathlib import Path

import pytest

from outcrop.config import Settings
from outcrop.domain.errors import JobFailure, SettingsError
from outcrop.families.catalogue import PEBBLE
from outcrop.worker.engine_kinds import (
    engine_words,
    kind_of,
    require_engines,
    require_serves_whole_weights,
    vllm_command,
)
from outcrop.worker.engines import launch_of
from vllm_stand_in import command_in

LLAMA = "meta.llama3-2-1b-instruct-v1:0"
ANOTHER = "/somewhere/else"


def settings(home: Path, *engine: str, **other: str) -> Settings:
    return Settings.from_json(Settings(home=home, engine=engine, **other).to_json())  # type: ignore[arg-type]


def test_the_embedded_engine_is_the_usual_one(tmp_path: Path) -> None:
    assert engine_words(str(PEBBLE), Settings(home=tmp_path)) == ("outcrop.inference", [])


def test_vllm_is_started_with_its_command_and_the_users_words(tmp_path: Path) -> None:
    command = command_in(tmp_path)
    chosen = settings(tmp_path, "vllm", vllm=str(command), vllm_arguments="--max-loras 2")
    words = ["--command", str(command), "--more=--max-loras 2"]
    assert engine_words(str(PEBBLE), chosen) == ("outcrop.inference.vllm", words)


def test_one_base_may_be_anothers(tmp_path: Path) -> None:
    chosen = settings(tmp_path, f"{LLAMA}=http://gpu-7:8000")
    assert engine_words(str(PEBBLE), chosen) == ("outcrop.inference.vllm", ["--url", "http://gpu-7:8000"])
    assert engine_words(ANOTHER, chosen) == ("outcrop.inference", [])


def test_a_model_id_that_went_from_the_catalogue_is_in_nobodys_way_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(tmp_path, "gone.since-the-start=vllm", f"{LLAMA}=http://gpu-7:8000")
    for _ in range(2):
        assert kind_of(str(PEBBLE), chosen) == "http://gpu-7:8000"
        assert kind_of(ANOTHER, chosen) == "embedded"
    (said,) = caplog.messages
    assert "gone.since-the-start is no model id" in said


def test_the_key_of_a_server_is_for_the_engine_that_asks_it(tmp_path: Path) -> None:
    for engine, secrets in [("http://gpu-7", ["OUTCROP_VLLM_KEY"]), ("embedded", []), ("vllm", [])]:
        chosen = settings(tmp_path, engine, vllm=str(command_in(tmp_path)))
        assert launch_of(str(PEBBLE), tmp_path / "e.sock", chosen, 1).secrets == secrets


def test_a_missing_vllm_is_said_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match=r"outcrop\[vllm\].*--vllm /PATH/bin/vllm"):
        require_engines(settings(tmp_path, "vllm"))


def test_a_vllm_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = command_in(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not (Path(sys.executable).parent / "vllm").exists(), "this environment has a vLLM of its own"
    assert vllm_command(settings(tmp_path, "vllm")) == command


def test_a_command_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"--vllm {tmp_path} is no command"):
        require_engines(settings(tmp_path, "vllm", vllm=str(tmp_path)))


def test_an_unknown_model_id_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no\.model is no model id"):
        require_engines(settings(tmp_path, "no.model=embedded"))


def test_int8_is_not_asked_of_vllm(tmp_path: Path) -> None:
    command = str(command_in(tmp_path))
    with pytest.raises(SettingsError, match="--weights int8 is the embedded engine's own"):
        require_engines(settings(tmp_path, "vllm", vllm=command, weights="int8"))


def test_whole_weights_are_refused_before_training_where_vllm_would_serve_them(tmp_path: Path) -> None:
    require_serves_whole_weights(str(PEBBLE), settings(tmp_path, "embedded"))
    with pytest.raises(JobFailure, match="vLLM, which serves adapters"):
        require_serves_whole_weights(str(PEBBLE), settings(tmp_path, "http://gpu-7"))
