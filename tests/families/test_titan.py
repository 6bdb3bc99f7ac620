import pytest

from outcrop.families import MODELS, Sampling, family_of

MODEL = MODELS["amazon.titan-text-lite-v1"]
FAMILY = family_of(MODEL)


def test_a_plain_body_has_the_documented_defaults():
    ask = FAMILY.parse_invoke({"inputText": "User: hi\nBot:"}, MODEL)
    assert ask.raw_prompt == "User: hi\nBot:"
    assert ask.sampling == Sampling(max_tokens=512, temperature=0.7, top_p=0.9)


def test_every_documented_field_is_read():
    config = {"temperature": 0, "topP": 0.5, "maxTokenCount": 4096, "stopSequences": ["User:"]}
    ask = FAMILY.parse_invoke({"inputText": "x", "textGenerationConfig": config, "outcrop.seed": 3}, MODEL)
    assert ask.sampling == Sampling(max_tokens=4096, temperature=0, top_p=0.5, stop=("User:",), seed=3)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "inputText: is required"),
        ({"inputText": "x", "textGenerationConfig": {"topP": 0}}, "must be above 0"),
        ({"inputText": "x", "textGenerationConfig": {"maxTokenCount": 4097}}, "must be from 1 to 4096; 4097 was sent"),
        ({"inputText": "x", "textGenerationConfig": {"maxTokens": 4}}, "extraneous key [maxTokens]"),
        ({"inputText": "x", "prompt": "y"}, "extraneous key [prompt]"),
    ],
)
def test_what_is_wrong_is_named(body, words, refusal):
    assert words in refusal(FAMILY.parse_invoke, body, MODEL)


def test_each_model_has_its_longest_answer(refusal):
    for model_id, most in (("amazon.titan-text-express-v1:0:8k", 8192), ("amazon.titan-text-premier-v1:0", 3072)):
        body = {"inputText": "x", "textGenerationConfig": {"maxTokenCount": most + 1}}
        assert f"from 1 to {most}" in refusal(FAMILY.parse_invoke, body, MODELS[model_id])


def test_an_answer_has_one_result(answered, cut_short, stopped):
    assert FAMILY.answer(answered, MODEL, "m") == {
        "inputTextTokenCount": 3,
        "results": [{"tokenCount": 2, "outputText": "two words", "completionReason": "FINISHED"}],
    }
    assert FAMILY.answer(cut_short, MODEL, "m")["results"][0]["completionReason"] == "LENGTH"
    assert FAMILY.answer(stopped, MODEL, "m")["results"][0]["completionReason"] == "STOP_CRITERIA_MET"


def test_a_stream_joins_to_the_answer(answered, metrics):
    stream = FAMILY.stream(MODEL, "m")
    chunks = [*stream.start(3), *stream.delta("two ", 1), *stream.delta("words", 2), *stream.end(answered, metrics)]
    assert "".join(chunk["outputText"] for chunk in chunks) == "two words"
    assert {chunk["inputTextTokenCount"] for chunk in chunks} == {3}
    assert [chunk["completionReason"] for chunk in chunks] == [None, None, "FINISHED"]
    assert chunks[-1]["totalOutputTextTokenCount"] == 2 and chunks[-1]["amazon-bedrock-invocationMetrics"] == metrics
