from dataclasses import replace

import pytest

from outcrop.domain.conversation import Conversation, Message
from outcrop.families import Sampling, family_of, record_format
from outcrop.families.open import registered

MODEL = registered("acme.small-v1", 4096)
FAMILY = family_of(MODEL)
USER = {"role": "user", "content": "hello"}


def test_a_chat_is_read_with_its_system_message():
    body = {"messages": [{"role": "system", "content": "brief"}, USER], "max_tokens": 5, "stop": "#", "seed": 3}
    ask = FAMILY.parse_invoke(body, MODEL)
    assert ask.conversation == Conversation(messages=(Message(role="user", text="hello"),), system="brief")
    assert ask.sampling == Sampling(max_tokens=5, temperature=1.0, top_p=1.0, stop=("#",), seed=3)


def test_a_raw_prompt_is_read():
    ask = FAMILY.parse_invoke({"prompt": "x", "stop": ["a", "b"], "top_k": 3, "temperature": 2}, MODEL)
    assert ask.raw_prompt == "x"
    assert ask.sampling == Sampling(max_tokens=512, temperature=2, top_p=1.0, top_k=3, stop=("a", "b"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "prompt: is required"),
        ({"prompt": "x", "stop": 3}, "stop: must be a text or a list"),
        ({"prompt": "x", "tools": [1]}, "tools: Outcrop does not carry this out"),
        ({"prompt": "x", "n": 2}, "extraneous key [n]"),
        ({"messages": [USER, {"role": "system", "content": "late"}]}, "messages.1.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "text blocks only"),
    ],
)
def test_what_is_wrong_is_named(body, words, refusal):
    assert words in refusal(FAMILY.parse_invoke, body, MODEL)


def test_an_answer_is_openais(answered, cut_short):
    assert FAMILY.answer(answered, MODEL, "m") == {
        "id": "chatcmpl-m",
        "object": "chat.completion",
        "model": "acme.small-v1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "two words"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    raw = FAMILY.answer(replace(cut_short, raw=True), MODEL, "m")
    assert raw["object"] == "text_completion"
    assert raw["choices"] == [{"index": 0, "text": "two", "finish_reason": "length"}]


def test_a_stream_joins_to_the_answer(answered, metrics):
    stream = FAMILY.stream(MODEL, "m")
    chunks = [*stream.start(3), *stream.delta("two ", 1), *stream.delta("words", 2), *stream.end(answered, metrics)]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "two words"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop" and chunks[-1]["usage"]["total_tokens"] == 5
    assert chunks[-1]["amazon-bedrock-invocationMetrics"] == metrics


def test_it_trains_on_chats_and_on_unlabeled_text():
    assert record_format(MODEL, "FINE_TUNING").kind == "converse"
    assert record_format(MODEL, "CONTINUED_PRE_TRAINING").kind == "passage"
