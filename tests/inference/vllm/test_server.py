"""The command line and environment of a vLLM that is started: private, quiet, and the user's words last."""

from pathlib import Path

import pytest

from outcrop.domain.errors import SettingsError
from outcrop.inference.vllm.server import Server, Start, environment


def start(command: str, more: str = "") -> Start:
    return Start(command=Path(command), checkpoint=Path("/base"), socket=Path("/s"), weights="float32", more=more)


def test_vllm_is_told_to_listen_on_a_socket_to_log_no_request_and_to_take_adapters() -> None:
    words = start("/env/bin/vllm").words()
    assert words[:5] == ["/env/bin/vllm", "serve", "/base", "--uds", "/s"]
    assert {"--no-enable-log-requests", "--disable-uvicorn-access-log", "--enable-lora"} <= set(words)
    assert "--port" not in words and "--host" not in words


def test_a_python_runs_vllms_module() -> None:
    words = start("/env/bin/python3").words()
    assert words[:5] == ["/env/bin/python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "/base"]


def test_the_users_words_come_last() -> None:
    assert start("/v", "--max-loras 2 --dtype 'bfloat16'").words()[-4:] == ["--max-loras", "2", "--dtype", "bfloat16"]


def test_nothing_is_reported_to_vllms_makers_and_adapters_may_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_NO_USAGE_STATS", "0")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    told = environment()
    assert (told["VLLM_NO_USAGE_STATS"], told["VLLM_DO_NOT_TRACK"]) == ("1", "1")
    assert told["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
    assert told["VLLM_CPU_KVCACHE_SPACE"] == "7"  # how much memory it takes is the user's to say


def test_its_processes_keep_the_environment_that_they_are_found_by() -> None:
    """A process that renames itself overwrites what /proc says of its environment, unless it is told not to."""
    assert environment()["SPT_NOENV"] == "1"


def test_what_cannot_be_run_is_named() -> None:
    with pytest.raises(SettingsError, match="/no/vllm is no command that can be run"):
        Server(start("/no/vllm"))
