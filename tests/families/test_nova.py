import pytest

from outcrop.domain.conversation import Conversation, Message
from outcrop.families import MODELS, Sampling, family_of

MODEL = MODELS["amazon.nova-lite-v1:0"]
FAMILY = family_of(MODEL)
USER = {"role": "user", "content": [{"text": "hello"}]}


def parsed(**body):
    return FAMILY.parse_invoke({"messages": [USER], **body}, MODEL)


def test_a_plain_body_has_the_documented_defaults():
    ask = parsed()
    assert ask.conversation == Conversation(messages=(Message(role="user", text="hello"),))
    assert ask.sampling == Sampling(max_tokens=512, temperature=0.7, top_p=0.9) and ask.prefill == ""


@pytest.mark.parametrize(
    "config",
    [
        {"maxTokens": 9, "temperature": 0, "topP": 0.5, "topK": 4, "stopSequences": ["#"]},
        {"max_new_tokens": 9, "temperature": 0.0, "top_p": 0.5, "top_k": 4, "stop_sequences": ["#"]},
    ],
)
def test_both_spellings_of_inference_config_are_read(config):
    wanted = Sampling(max_tokens=9, temperature=0.0, top_p=0.5, top_k=4, stop=("#",))
    assert parsed(schemaVersion="messages-v1", inferenceConfig=config).sampling == wanted


def test_blocks_and_system_texts_are_joined_and_a_trailing_answer_is_a_prefill():
    messages = [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}, {"role": "assistant", "content": "{"}]
    ask = parsed(messages=messages, system=[{"text": "be"}, {"text": "brief"}])
    assert ask.conversation == Conversation(messages=(Message(role="user", text="a\nb"),), system="be\nbrief")
    assert ask.prefill == "{"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": []}, "must start with a user message"),
        ({"messages": [{"role": "assistant", "content": [{"text": "x"}]}]}, "must start with a user message"),
        ({"messages": [USER, USER]}, "must alternate"),
        (
            {"messages": [{"role": "user", "content": [{"image": {}}]}]},
            "messages.0.content.0: Outcrop carries out text",
        ),
        ({"messages": [{"role": "user", "content": [{"text": " "}]}]}, "is blank"),
        ({"messages": [{"role": "user", "content": []}]}, "needs at least one text block"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: is required"),
        ({"messages": [{"role": "tool", "content": [{"text": "x"}]}]}, "messages.0.role"),
        ({"messages": [7]}, "messages.0: must be a JSON object"),
        ({"messages": 7}, "messages: must be a list"),
        ({"messages": [{"role": "user", "content": [{"text": 7}]}]}, "messages.0.content.0.text: must be a text"),
        ({"messages": [{"role": "user", "content": [{"text": "\ud800"}]}]}, "surrogate"),
        ({"toolConfig": {"tools": [{}]}}, "toolConfig: Outcrop does not carry this out"),
        ({"max_tokens": 3}, "extraneous key [max_tokens] is not permitted"),
        ({"inferenceConfig": {"maxtokens": 3}}, "#/inferenceConfig: extraneous key [maxtokens]"),
        ({"inferenceConfig": {"temperature": 1.5}}, "inferenceConfig.temperature: must be from 0 to 1; 1.5 was sent"),
        ({"inferenceConfig": {"temperature": True}}, "must be a number"),
        ({"inferenceConfig": {"temperature": float("nan")}}, "must be a number"),
        ({"inferenceConfig": {"maxTokens": 0}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"maxTokens": 10**400}}, "a far larger one was sent"),
        ({"inferenceConfig": {"maxTokens": float("inf")}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"topK": 1.5}}, "must be an integer"),
        ({"inferenceConfig": {"stopSequences": [""]}}, "empty text"),
        ({"inferenceConfig": 7}, "inferenceConfig: must be a JSON object"),
    ],
)
def test_what_is_wrong_is_named(body, words, refusal):
    assert words in refusal(FAMILY.parse_invoke, {"messages": [USER], **body}, MODEL)


def test_an_answer_is_converses_without_metrics(answered):
    assert FAMILY.answer(answered, MODEL, "m") == {
        "output": {"message": {"role": "assistant", "content": [{"text": "two words"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    }


def test_a_stream_has_one_key_a_chunk_and_its_trailer_in_the_last(answered, metrics):
    stream = FAMILY.stream(MODEL, "m")
    chunks = [*stream.start(3), *stream.delta("two ", 1), *stream.delta("words", 2), *stream.end(answered, metrics)]
    assert [next(iter(chunk)) for chunk in chunks] == [
        *("messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
    ]
    assert chunks[4]["messageStop"] == {"stopReason": "end_turn"}
    assert chunks[-1]["amazon-bedrock-invocationMetrics"] == metrics
    assert chunks[-1]["metadata"]["usage"]["totalTokens"] == 5
