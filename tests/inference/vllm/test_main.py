"""vLLM is started, watched and ended with its engine; a server that is another's is asked if it has the same base."""

import json
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from outcrop.families.catalogue import PEBBLE
from outcrop.inference.vllm.__main__ import prefix_of

ENDS_WITHIN_S = 15.0


def test_killed_in_the_middle_the_stream_says_so_and_the_engine_ends(
    start_engine: Any, command: Path, until: Any
) -> None:
    engine = start_engine("--command", str(command))
    until(engine.ready)
    asked = {"prompt": [5], "max_tokens": 15_000, "stream": True}
    with engine.client.stream("POST", "/v1/completions", json=asked) as answer:
        lines = (line for line in answer.iter_lines() if line)
        next(lines)
        engine.server.kill()
        said = list(lines)
    told = json.loads(said[-2].removeprefix("data: "))["error"]["message"]
    assert told.startswith("The engine failed: vLLM does not answer")
    assert engine.process.wait(ENDS_WITHIN_S) == 3
    assert "another may follow" in engine.log.read_text()


def test_killed_at_rest_the_engine_notices_and_ends(start_engine: Any, command: Path, until: Any) -> None:
    engine = start_engine("--command", str(command))
    until(engine.ready)
    engine.server.kill()
    assert engine.process.wait(ENDS_WITHIN_S) == 3
    assert "vLLM ended with signal 9" in engine.log.read_text()


def test_vllm_ends_with_its_engine_asked_or_killed(start_engine: Any, command: Path, until: Any) -> None:
    for end in (psutil.Process.terminate, psutil.Process.kill):
        engine = start_engine("--command", str(command))
        until(engine.ready)
        server = engine.server
        end(psutil.Process(engine.process.pid))
        engine.process.wait(ENDS_WITHIN_S)
        _, alive = psutil.wait_procs([server], timeout=ENDS_WITHIN_S)
        assert not alive


def test_a_vllm_that_ends_at_once_ends_its_engine_with_a_sentence(
    start_engine: Any, tmp_path: Path, until: Any
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 7\n")
    broken.chmod(0o700)
    engine = start_engine("--command", str(broken))
    assert engine.process.wait(ENDS_WITHIN_S) == 1
    assert engine.log.read_text().endswith("vLLM ended with status 7 before it answered.\n")


def test_what_the_user_says_besides_comes_last(start_engine: Any, command: Path, until: Any) -> None:
    engine = start_engine("--command", str(command), "--more=--max-lora-rank 4")
    until(engine.ready)
    words = engine.server.cmdline()
    assert words[-2:] == ["--max-lora-rank", "4"] and "--no-enable-log-requests" in words


# --- a server that is another's ---------------------------------------------------------------------------------------

RUNTIME = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}


def test_a_server_by_url_answers_with_adapters_under_names_of_this_engine(
    start_engine: Any, other_server: Any, adapters: dict[str, Path], until: Any, tokenizer: Any
) -> None:
    url = other_server("--api-key", "sesame", **RUNTIME)
    engine = start_engine("--url", url, OUTCROP_VLLM_KEY="sesame")
    until(engine.ready)
    loaded = engine.post("/v1/load_lora_adapter", lora_name="colours", lora_path=str(adapters["a"]))
    assert loaded.status_code == 200, loaded.text
    said = engine.said("/v1/completions", model="colours", prompt=[5], max_tokens=1, temperature=0)
    assert said["choices"][0]["text"] == tokenizer.decode([10])
    assert "sesame" not in " ".join(psutil.Process(engine.process.pid).cmdline())


def test_of_two_homes_on_one_server_each_lets_go_what_it_left_itself(
    start_engine: Any, other_server: Any, adapters: dict[str, Path], until: Any
) -> None:
    """Their sockets have one name, which is the checkpoint's."""
    url = other_server(**RUNTIME)

    def there() -> list[str]:
        return [card["id"] for card in httpx.get(f"{url}/v1/models").json()["data"][1:]]

    left = start_engine("--url", url)
    until(left.ready)
    left.post("/v1/load_lora_adapter", lora_name="colours", lora_path=str(adapters["a"]))
    (name,) = there()
    left.process.kill()
    left.process.wait()
    another = start_engine("--url", url)
    until(another.ready)
    assert there() == [name]
    left.socket.unlink()
    again = start_engine("--url", url, folder=left.socket.parent)
    until(again.ready)
    assert there() == []


def test_names_on_another_machine_are_others() -> None:
    socket = Path("/home/one/run/engine.sock")
    assert prefix_of(socket, "a") == prefix_of(socket, "a") != prefix_of(socket, "b")


@pytest.mark.parametrize(
    ("variables", "exists", "sentence"),
    [({}, True, "start it with --enable-lora"), (RUNTIME, False, "must see this machine's memory-backed folder")],
)
def test_a_server_that_cannot_take_adapters_is_said_to_be_so(
    start_engine: Any,
    other_server: Any,
    adapters: dict[str, Path],
    until: Any,
    tmp_path: Path,
    variables: dict[str, str],
    exists: bool,
    sentence: str,
) -> None:
    engine = start_engine("--url", other_server(**variables))
    until(engine.ready)
    folder = adapters["a"] if exists else tmp_path / "elsewhere"
    refused = engine.post("/v1/load_lora_adapter", lora_name="colours", lora_path=str(folder))
    assert refused.status_code == 400
    assert sentence in refused.json()["error"]["message"]


def test_a_server_of_another_checkpoint_is_refused(start_engine: Any, other_server: Any) -> None:
    engine = start_engine("--url", other_server(**RUNTIME), "--checkpoint", str(PEBBLE))
    assert engine.process.wait(ENDS_WITHIN_S) == 1
    assert "whose tokens are not those of" in engine.log.read_text()


def test_a_server_that_is_not_there_yet_is_waited_for(start_engine: Any, until: Any) -> None:
    engine = start_engine("--url", "http://127.0.0.1:1")
    until(lambda: "does not answer yet: waiting for it" in engine.log.read_text())
    assert not engine.socket.exists() and engine.process.poll() is None
