import pytest

from outcrop.domain.conversation import Conversation, Message
from outcrop.families import MODELS, Sampling, family_of

MODEL = MODELS["anthropic.claude-haiku-4-5-20251001"]
FAMILY = family_of(MODEL)
USER = {"role": "user", "content": "hello"}
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [USER]}


def parsed(**body):
    return FAMILY.parse_invoke({**BODY, **body}, MODEL)


def test_a_plain_body_has_the_documented_defaults():
    ask = parsed()
    assert ask.conversation == Conversation(messages=(Message(role="user", text="hello"),))
    assert ask.sampling == Sampling(max_tokens=9, temperature=1.0, top_p=0.999)


def test_every_documented_field_is_read():
    content = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "b"}]
    ask = parsed(
        **{
            "system": [{"type": "text", "text": "brief"}],
            "temperature": 0,
            "top_p": 0.5,
            "top_k": 5,
            "outcrop.seed": 3,
        },
        stop_sequences=["###"],
        messages=[{"role": "user", "content": content}, {"role": "assistant", "content": "{"}],
        anthropic_beta=["x"],
        metadata={"user_id": "u"},
    )
    assert ask.conversation == Conversation(messages=(Message(role="user", text="a\nb"),), system="brief")
    assert ask.prefill == "{"
    assert ask.sampling == Sampling(max_tokens=9, temperature=0, top_p=0.5, top_k=5, stop=("###",), seed=3)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"anthropic_version": None}, "anthropic_version: is required"),
        ({"anthropic_version": "2023-06-01"}, "must be bedrock-2023-05-31"),
        ({"max_tokens": None}, "max_tokens: is required"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": None}, "messages: is required"),
        ({"messages": [USER, USER]}, "must alternate"),
        ({"messages": [{"role": "user", "content": ""}]}, "must be non-empty"),
        ({"messages": [{"role": "user", "content": []}]}, "must be a text or a list"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "text blocks only, not 'image'"),
        ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "extraneous key [name]"),
        ({"tools": [{"name": "x"}]}, "tools: Outcrop does not carry this out"),
        ({"top_k": 501}, "top_k"),
        ({"stop_sequences": ["x"] * 8192}, "at most 8191"),
        ({"system": 7}, "system: must be a text or a list"),
    ],
)
def test_what_is_wrong_is_named(body, words, refusal):
    assert words in refusal(FAMILY.parse_invoke, {**BODY, **body}, MODEL)


def test_an_answer_is_a_message(stopped):
    assert FAMILY.answer(stopped, MODEL, "abc") == {
        "id": "msg_bdrk_abc",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "two"}],
        "stop_reason": "stop_sequence",
        "stop_sequence": "###",
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }


def test_a_stream_goes_as_documented_and_its_trailer_sits_in_message_stop(answered, metrics):
    stream = FAMILY.stream(MODEL, "abc")
    chunks = [*stream.start(3), *stream.delta("two words", 2), *stream.end(answered, metrics)]
    assert [chunk["type"] for chunk in chunks] == [
        *("message_start", "content_block_start", "ping", "content_block_delta"),
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    assert chunks[0]["message"]["usage"] == {"input_tokens": 3, "output_tokens": 0}
    assert chunks[3]["delta"] == {"type": "text_delta", "text": "two words"}
    assert chunks[5]["delta"]["stop_reason"] == "end_turn" and chunks[5]["usage"] == {"output_tokens": 2}
    assert chunks[6]["amazon-bedrock-invocationMetrics"] == metrics
