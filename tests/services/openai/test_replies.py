"""Bodies of answers hold what OpenAI's clients read, with true numbers."""

from dataclasses import replace

import pytest

from outcrop.families import Answer
from outcrop.families.ask import StopCause
from outcrop.services.openai.replies import ChatReply, TextReply

CHAT = ChatReply(id="chatcmpl-1", created=5, model="m")
TEXT = TextReply(id="cmpl-1", created=5, model="m")


def answer(stop: StopCause = "end_turn") -> Answer:
    return Answer(text="Hi", stop=stop, input_tokens=7, output_tokens=2)


def test_a_chat_answer_is_a_message() -> None:
    assert CHAT.whole(answer()) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    }


@pytest.mark.parametrize(
    ("stop", "finish"), [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length")]
)
def test_an_answer_says_why_it_ended(stop: StopCause, finish: str) -> None:
    for reply in (CHAT, TEXT):
        assert reply.whole(answer(stop))["choices"][0]["finish_reason"] == finish
        assert reply.ending(answer(stop))["finish_reason"] == finish
        assert reply.text("H")["finish_reason"] is None


def test_log_probabilities_stand_beside_the_text_they_are_of() -> None:
    told = {"content": [{"token": "Hi"}]}
    for reply in (CHAT, TEXT):
        whole = reply.whole(replace(answer(), logprobs=told))["choices"][0]
        assert whole["logprobs"] == reply.text("Hi", told)["logprobs"] == told
        assert reply.ending(answer())["logprobs"] is None


def test_chunks_of_a_chat_are_deltas_and_those_of_a_text_are_texts() -> None:
    assert CHAT.opening()[0]["delta"]["role"] == "assistant"
    assert CHAT.chunk([CHAT.text("H")])["object"] == "chat.completion.chunk"
    assert CHAT.text("H")["delta"] == {"content": "H"}
    assert TEXT.opening() == []
    assert TEXT.chunk([TEXT.text("H")])["object"] == "text_completion"
    assert TEXT.text("H")["text"] == "H"
