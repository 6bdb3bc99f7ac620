"""Tokens come from vLLM; text, stops, ends and counts are what the embedded engine would have made of them."""

import contextlib
import itertools
import json
from typing import Any

from vllm_stand_in import CUT_SHORT, following

VOCABULARY = 320


def expected(prompt: list[int], count: int) -> list[int]:
    """What the program in vLLM's place says after a prompt."""
    tokens = [prompt[-1]]
    for _ in range(count):
        tokens.append(following(tokens[-1], 0, VOCABULARY))
    return tokens[1:]


def events(engine: Any, path: str, **body: Any) -> list[dict[str, Any]]:
    options = {"include_usage": True, "continuous_usage_stats": True}
    with engine.client.stream("POST", path, json={**body, "stream": True, "stream_options": options}) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_tokens_become_the_text_that_this_sides_tokenizer_makes_of_them(vllm_engine: Any, tokenizer: Any) -> None:
    prompt = tokenizer.render_raw_prompt("the quick brown")
    said = vllm_engine.said("/v1/completions", prompt="the quick brown", max_tokens=9, temperature=0)
    (choice,) = said["choices"]
    assert choice["text"] == tokenizer.decode(expected(prompt, 9))
    assert (choice["finish_reason"], choice["stop_reason"]) == ("length", None)
    assert said["usage"] == {"prompt_tokens": len(prompt), "completion_tokens": 9, "total_tokens": len(prompt) + 9}


def test_a_chat_goes_through_the_checkpoints_template_here(vllm_engine: Any, tokenizer: Any) -> None:
    messages = [{"role": "user", "content": "fox <|im_end|>"}]
    prompt = tokenizer.render_chat(messages, add_generation_prompt=True, continue_final_message=False)
    assert vllm_engine.said("/tokenize", messages=messages)["tokens"] == prompt
    said = vllm_engine.said("/v1/chat/completions", messages=messages, max_tokens=5, temperature=0)
    assert said["choices"][0]["message"]["content"] == tokenizer.decode(expected(prompt, 5))


def test_a_stream_says_the_same_with_counts(vllm_engine: Any, tokenizer: Any) -> None:
    asked = {"prompt": "lazy dog", "max_tokens": 7, "temperature": 0}
    whole = vllm_engine.said("/v1/completions", **asked)
    pieces = events(vllm_engine, "/v1/completions", **asked)
    assert "".join(choice["text"] for piece in pieces for choice in piece["choices"]) == whole["choices"][0]["text"]
    assert pieces[-1]["usage"] == whole["usage"]
    assert pieces[-2]["choices"][0]["finish_reason"] == "length"


def test_a_stop_string_is_met_here_across_tokens_and_counted_to_its_last_one(vllm_engine: Any, tokenizer: Any) -> None:
    prompt = tokenizer.encode("a")
    tokens = expected(prompt, 12)
    text = tokenizer.decode(tokens)
    stop = text[3:6]
    asked = {"prompt": prompt, "max_tokens": 12, "temperature": 0, "stop": ["never", stop]}
    said = vllm_engine.said("/v1/completions", **asked)
    (choice,) = said["choices"]
    assert (choice["text"], choice["finish_reason"], choice["stop_reason"]) == (text[:3], "stop", stop)
    assert said["usage"]["completion_tokens"] == next(
        count for count in range(13) if stop in tokenizer.decode(tokens[:count])
    )


def test_an_end_token_ends_an_answer_and_counts(vllm_engine: Any, tokenizer: Any) -> None:
    (end, *_) = sorted(tokenizer.stop_ids)
    prompt = [(end - 1) % VOCABULARY]
    said = vllm_engine.said("/v1/completions", prompt=prompt, max_tokens=9, temperature=0)
    assert (said["choices"][0]["text"], said["choices"][0]["finish_reason"]) == ("", "stop")
    assert said["usage"]["completion_tokens"] == 1


def test_prompt_logprobs_name_the_token_there_first(vllm_engine: Any) -> None:
    asked = {"prompt": [7, 9, 10], "max_tokens": 1, "temperature": 0, "prompt_logprobs": 1}
    places = vllm_engine.said("/v1/completions", **asked)["choices"][0]["prompt_logprobs"]
    assert places[0] is None
    assert [(token, said["rank"]) for token, said in places[1].items()] == [("9", 2), ("8", 1)]
    assert [(token, said["logprob"]) for token, said in places[2].items()] == [("10", -0.25)]


def test_who_hangs_up_is_counted_no_more(vllm_engine: Any, until: Any) -> None:
    def open_answers() -> int:
        return int(vllm_engine.client.get("/health").json()["answers"])

    asked = {"prompt": [5], "max_tokens": 9000, "stream": True}
    with vllm_engine.client.stream("POST", "/v1/completions", json=asked) as answer:
        lines = answer.iter_lines()  # kept: whoever lets it go hangs up
        next(lines)
        assert open_answers() == 1
    until(lambda: open_answers() == 0)


def test_a_broken_connection_is_the_end_of_one_answer_alone(vllm_engine: Any) -> None:
    with vllm_engine.client.stream(
        "POST", "/v1/completions", json={"prompt": [5], "max_tokens": 9000, "stream": True}
    ) as other:
        lines = other.iter_lines()
        next(lines)
        broken = vllm_engine.post("/v1/completions", prompt=CUT_SHORT, max_tokens=9)
        assert broken.status_code == 500
        assert "vLLM does not answer" in broken.json()["error"]["message"]
        beyond_an_end = 2 * 1500  # lines of as many ms: an engine that ends gives open answers a second
        assert len(list(itertools.islice(lines, beyond_an_end))) == beyond_an_end
    vllm_engine.said("/v1/completions", prompt=[5], max_tokens=9)
    assert vllm_engine.process.poll() is None


def test_units_are_sold_as_by_the_embedded_engine_and_one_over_them_is_refused(vllm_engine: Any, until: Any) -> None:
    """A neighbour within its units is here, so that what is over them would disturb somebody."""
    vllm_engine.said("/outcrop/throughput", units={"much": 15, "little": 1}, sold=16)
    try:
        capacity = vllm_engine.client.get("/outcrop/throughput").json()["capacity"]
        beyond = int(capacity["output_tokens_s"] * 60)  # a minute of the whole machine
        streams = [
            {"prompt": [5], "max_tokens": 9000, "stream": True, "user": "much"},
            {
                "prompt": [5],
                "max_tokens": beyond,
                "stream": True,
                "user": "little",
            },  # a full purse pays one of any size
        ]
        with contextlib.ExitStack() as stack:
            for asked in streams:
                stack.enter_context(vllm_engine.client.stream("POST", "/v1/completions", json=asked))
            refused = vllm_engine.post("/v1/completions", prompt=[5], max_tokens=9, user="little")
        assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
    finally:
        vllm_engine.said("/outcrop/throughput", units={}, sold=0)


def test_capacity_is_measured_once_and_kept(vllm_engine: Any) -> None:
    kept = json.loads((vllm_engine.socket.parent / "capacity.json").read_text())
    assert kept == vllm_engine.client.get("/outcrop/throughput").json()["capacity"]
    assert min(kept.values()) > 0
