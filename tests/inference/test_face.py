"""The engine as its clients see it: a real process, a real socket."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from outcrop.text import Tokenizer

Engine = Any  # tests/inference/conftest.py: EngineProcess
PROMPT = "the quick brown"


def post(engine: Engine, path: str, **body: Any) -> httpx.Response:
    return engine.client.post(path, json=body)


def streamed(engine: Engine, path: str, **body: Any) -> list[dict[str, Any]]:
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    lines = [line for line in post(engine, path, **body).text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def open_answers(engine: Engine) -> int:
    count: int = engine.client.get("/health").json()["answers"]
    return count


@pytest.fixture(scope="module", autouse=True)
def _loaded(engine: Engine, adapters: dict[str, Path], other_weights: Path) -> None:
    for name, folder in {**adapters, "full": other_weights}.items():
        assert post(engine, "/v1/load_lora_adapter", lora_name=name, lora_path=str(folder)).status_code == 200


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Tokenizer:
    return Tokenizer.load(checkpoint)


def test_the_socket_is_the_users_own(engine: Engine) -> None:
    assert stat.S_IMODE(engine.socket.stat().st_mode) == 0o600


def test_models_are_listed(engine: Engine) -> None:
    names = [model["id"] for model in engine.client.get("/v1/models").json()["data"]]
    assert names[0] == "base"
    assert {"a", "b", "c", "full"} <= set(names)


@pytest.mark.parametrize("model", ["base", "a", "full"])
def test_a_greedy_completion_is_transformers(
    engine: Engine, tokenizer: Tokenizer, expected: Callable[..., list[int]], model: str
) -> None:
    prompt = tokenizer.render_raw_prompt(PROMPT)
    wanted = expected(model, prompt, 40)
    wanted = wanted[: next((at for at, token in enumerate(wanted) if token in tokenizer.stop_ids), 40)]
    body = post(engine, "/v1/completions", model=model, prompt=PROMPT, max_tokens=40, temperature=0).json()
    assert body["choices"][0]["text"] == tokenizer.decode(wanted)
    assert body["usage"]["prompt_tokens"] == len(prompt)
    assert body["usage"]["completion_tokens"] in (len(wanted), len(wanted) + 1)


def test_a_prompts_log_probabilities_are_said_as_vllm_says_them(engine: Engine, tokenizer: Tokenizer) -> None:
    prompt = tokenizer.render_raw_prompt(PROMPT)
    asked = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "model": "a"}
    choice = post(engine, "/v1/completions", **asked, prompt_logprobs=2).json()["choices"][0]
    first, *places = choice["prompt_logprobs"]
    assert first is None and len(places) == len(prompt) - 1
    for token, place in zip(prompt[1:], places, strict=True):
        assert place[str(token)]["decoded_token"] == tokenizer.decode_all([token])
        assert 1 in [scored["rank"] for scored in place.values()] and 2 <= len(place) <= 3
        assert all(scored["logprob"] < 0 for scored in place.values())
    plain = post(engine, "/v1/completions", **asked).json()["choices"][0]
    assert plain == {name: value for name, value in choice.items() if name != "prompt_logprobs"}


def test_a_prompts_log_probabilities_are_not_streamed_and_not_without_end(engine: Engine) -> None:
    refused = post(engine, "/v1/completions", prompt="x", prompt_logprobs=1, stream=True)
    assert refused.status_code == 400 and "prompt_logprobs" in refused.json()["error"]["message"]
    assert post(engine, "/v1/completions", prompt="x", prompt_logprobs=21).status_code == 400


def test_what_a_completion_says_of_its_tokens(engine: Engine, tokenizer: Tokenizer) -> None:
    asked = {"prompt": PROMPT, "max_tokens": 12, "temperature": 0, "model": "a"}
    choice = post(engine, "/v1/completions", **asked, logprobs=2).json()["choices"][0]
    told = choice["logprobs"]
    for own, top, logprob in zip(told["tokens"], told["top_logprobs"], told["token_logprobs"], strict=True):
        assert top[own] == logprob == max(top.values()) < 0
    plain = post(engine, "/v1/completions", **asked).json()["choices"][0]
    assert plain == {name: value for name, value in choice.items() if name != "logprobs"}
    bare = post(engine, "/v1/completions", **asked, logprobs=0).json()["choices"][0]["logprobs"]
    assert bare == {**told, "top_logprobs": None}


def test_an_echo_says_the_prompt_and_what_was_thought_of_it(engine: Engine, tokenizer: Tokenizer) -> None:
    prompt = tokenizer.render_raw_prompt(PROMPT)
    asked = {"prompt": PROMPT, "max_tokens": 6, "temperature": 0}
    plain = post(engine, "/v1/completions", **asked, logprobs=1).json()["choices"][0]
    scored = post(engine, "/v1/completions", **asked, prompt_logprobs=0).json()["choices"][0]["prompt_logprobs"]
    choice = post(engine, "/v1/completions", **asked, logprobs=1, echo=True).json()["choices"][0]
    told = choice["logprobs"]
    assert choice["text"] == PROMPT + plain["text"]
    assert told["token_logprobs"][: len(prompt)] == [
        None,
        *(place[str(token)]["logprob"] for token, place in zip(prompt[1:], scored[1:], strict=True)),
    ]
    assert told["tokens"][len(prompt) :] == plain["logprobs"]["tokens"]
    assert told["token_logprobs"][len(prompt) :] == plain["logprobs"]["token_logprobs"]
    assert post(engine, "/v1/completions", **asked, echo=True, stream=True).status_code == 400


@pytest.mark.parametrize("temperature", [0, 1.4])
def test_a_chat_says_the_same_of_its_tokens_streamed_and_not(engine: Engine, temperature: float) -> None:
    ask = {"model": "b", "messages": [{"role": "user", "content": "jump"}], "max_tokens": 40, "seed": 3}
    ask |= {"logprobs": True, "top_logprobs": 3, "temperature": temperature}
    choice = post(engine, "/v1/chat/completions", **ask).json()["choices"][0]
    content = choice["logprobs"]["content"]
    plain = [token for token in content if not re.fullmatch(r"<\|\w+\|>", token["token"])]  # text says no special ones
    text = b"".join(bytes(token["bytes"]) for token in plain)
    assert text.decode(errors="replace").startswith(choice["message"]["content"])
    for token in content:
        best = [one["logprob"] for one in token["top_logprobs"]]
        assert len(best) == 3 and best == sorted(best, reverse=True) and token["logprob"] <= best[0]
    *chunks, _ = streamed(engine, "/v1/chat/completions", **ask)
    assert [token for chunk in chunks for token in chunk["choices"][0]["logprobs"]["content"]] == content


def test_top_logprobs_without_logprobs_is_refused(engine: Engine) -> None:
    ask = {"messages": [{"role": "user", "content": "jump"}], "top_logprobs": 3}
    assert post(engine, "/v1/chat/completions", **ask).status_code == 400


@pytest.mark.parametrize(
    "extra", [{"temperature": 0}, {"temperature": 1.3, "seed": 5}, {"seed": 6, "stop": ["a", "e"]}]
)
def test_streamed_equals_unstreamed(engine: Engine, extra: dict[str, Any]) -> None:
    ask = {"model": "b", "messages": [{"role": "user", "content": "jump"}], "max_tokens": 60, **extra}
    whole = post(engine, "/v1/chat/completions", **ask).json()
    *chunks, last = streamed(engine, "/v1/chat/completions", **ask)
    assert (
        "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
        == (whole["choices"][0]["message"]["content"])
    )
    for member in ("finish_reason", "stop_reason"):
        assert chunks[-1]["choices"][0][member] == whole["choices"][0][member]
    assert last["usage"] == whole["usage"]


def test_a_stop_string_ends_the_answer_and_is_named(engine: Engine) -> None:
    ask = {"prompt": PROMPT, "max_tokens": 60, "temperature": 0}
    text = post(engine, "/v1/completions", **ask).json()["choices"][0]["text"]
    stop = text[4:7]
    choice = post(engine, "/v1/completions", **ask, stop=stop).json()["choices"][0]
    assert (choice["text"], choice["finish_reason"], choice["stop_reason"]) == (text[: text.find(stop)], "stop", stop)


def test_the_context_ends_an_answer_with_length(engine: Engine) -> None:
    body = post(engine, "/v1/completions", prompt=[5] * 180, temperature=0, stop=None).json()
    usage = body["usage"]
    assert body["choices"][0]["finish_reason"] in ("length", "stop")
    assert usage["prompt_tokens"] == 180
    assert usage["total_tokens"] <= 192


def test_tokenize_counts_what_a_prompt_counts(engine: Engine) -> None:
    messages = [{"role": "user", "content": "the lazy dog"}]
    counted = post(engine, "/tokenize", messages=messages).json()
    used = post(engine, "/v1/chat/completions", messages=messages, max_tokens=1).json()["usage"]
    assert counted["count"] == len(counted["tokens"]) == used["prompt_tokens"]


def test_raw_prompts_may_spell_control_tokens_and_chats_may_not(engine: Engine) -> None:
    spelled = post(engine, "/tokenize", prompt="<|bos|>fox<|im_end|>").json()["tokens"]
    assert (spelled[0], spelled[-1]) == (0, 3)
    assert spelled.count(0) == 1
    chat = post(engine, "/tokenize", messages=[{"role": "user", "content": "<|im_end|>"}]).json()["tokens"]
    plain = post(engine, "/tokenize", messages=[{"role": "user", "content": ""}]).json()["tokens"]
    assert chat.count(3) == plain.count(3)


def test_a_last_turn_can_be_continued(engine: Engine) -> None:
    turns = [{"role": "user", "content": "jump"}, {"role": "assistant", "content": "over"}]
    continued = post(engine, "/tokenize", messages=turns, continue_final_message=True).json()["tokens"]
    opened = post(engine, "/tokenize", messages=turns[:1]).json()["tokens"]
    assert continued[: len(opened)] == opened
    assert len(continued) > len(opened)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"prompt": "x", "model": "nobody"}, 404, "nobody"),
        ({"prompt": "x", "temperature": -1}, 400, "temperature"),
        ({"prompt": "x", "n": 2}, 400, "`n`"),
        ({"prompt": 7}, 400, "prompt"),
        ({"prompt": [100_000]}, 400, "Tokens go from"),
        ({"prompt": [320]}, 400, "Tokens go from 0 to 319"),
        ({"prompt": "fox <tool>"}, 400, "the token <tool>"),
        ({"prompt": "<|extra|> fox"}, 400, "the token <|extra|>"),
        ({"prompt": [5] * 192}, 400, "192 tokens"),
        ({"prompt": []}, 400, "0 tokens"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(
    engine: Engine, body: dict[str, Any], status: int, told: str
) -> None:
    answer = post(engine, "/v1/completions", **body)
    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]


def test_a_token_that_the_weights_do_not_know_is_refused_in_a_chat_and_breaks_no_other_answer(engine: Engine) -> None:
    answer = post(engine, "/v1/chat/completions", messages=[{"role": "user", "content": "a <tool>"}])
    assert answer.status_code == 400
    assert "the token <tool>, which the checkpoint's tokenizer knows and its weights do not" in answer.text
    spelled = [{"role": "user", "content": "<|extra|>"}]  # in a chat, plain text
    assert post(engine, "/v1/chat/completions", messages=spelled, max_tokens=1).status_code == 200


def test_a_body_that_is_no_json_is_refused(engine: Engine) -> None:
    assert engine.client.post("/v1/completions", content=b"{").status_code == 400


def test_an_unloaded_model_is_unknown(engine: Engine, adapters: dict[str, Path]) -> None:
    post(engine, "/v1/load_lora_adapter", lora_name="passing", lora_path=str(adapters["a"]))
    assert post(engine, "/v1/unload_lora_adapter", lora_name="passing").status_code == 200
    assert post(engine, "/v1/unload_lora_adapter", lora_name="passing").status_code == 404
    assert post(engine, "/v1/completions", model="passing", prompt="x").status_code == 404


def test_an_adapter_that_cannot_be_read_is_refused(engine: Engine, tmp_path: Path) -> None:
    answer = post(engine, "/v1/load_lora_adapter", lora_name="none", lora_path=str(tmp_path))
    assert answer.status_code == 400


@pytest.mark.parametrize("stream", [True, False])
def test_clients_that_hang_up_leave_nothing_behind(engine: Engine, until: Callable[..., None], stream: bool) -> None:
    ask = json.dumps({"prompt": "the", "max_tokens": 180, "stream": stream}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nhost: engine\r\ncontent-length: {len(ask)}\r\n\r\n".encode()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(engine.socket))
            connection.sendall(head + ask)
    until(lambda: open_answers(engine) == 0)
    assert post(engine, "/v1/completions", prompt=PROMPT, max_tokens=2).status_code == 200


def test_the_engine_dies_with_its_parent(checkpoint: Path, tmp_path: Path, until: Callable[..., None]) -> None:
    starter = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'outcrop.inference', *sys.argv[1:]])\n"
        "print(child.pid, flush=True)\ntime.sleep(600)"
    )
    arguments = ["--checkpoint", str(checkpoint), "--socket", str(tmp_path / "s")]
    with subprocess.Popen([sys.executable, "-c", starter, *arguments], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        until((tmp_path / "s").exists)
        os.kill(parent.pid, signal.SIGKILL)
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
