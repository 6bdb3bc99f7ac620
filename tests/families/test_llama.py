import pytest

from outcrop.families import MODELS, Sampling, family_of, record_format

MODEL = MODELS["meta.llama3-1-8b-instruct-v1:0"]
FAMILY = family_of(MODEL)


def test_a_prompt_is_raw_and_has_the_documented_defaults():
    ask = FAMILY.parse_invoke({"prompt": "<|begin_of_text|>hi"}, MODEL)
    assert ask.raw_prompt == "<|begin_of_text|>hi" and ask.conversation is None
    assert ask.sampling == Sampling(max_tokens=512, temperature=0.5, top_p=0.9)


def test_every_documented_field_is_read():
    body = {"prompt": "x", "max_gen_len": 7, "temperature": 0, "top_p": 1, "outcrop.seed": 3, "images": []}
    wanted = Sampling(max_tokens=7, temperature=0, top_p=1, seed=3)
    assert FAMILY.parse_invoke(body, MODEL).sampling == wanted


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "prompt: is required"),
        ({"prompt": 7}, "prompt: must be a text"),
        ({"prompt": "x", "max_gen_len": 2049}, "max_gen_len: must be from 1 to 2048; 2049 was sent"),
        ({"prompt": "x", "images": ["aGk="]}, "images: Outcrop does not carry this out"),
        ({"prompt": "x", "max_tokens": 3}, "extraneous key [max_tokens]"),
    ],
)
def test_what_is_wrong_is_named(body, words, refusal):
    assert words in refusal(FAMILY.parse_invoke, body, MODEL)


def test_an_answer_has_four_members(answered, cut_short):
    assert FAMILY.answer(answered, MODEL, "m") == {
        "generation": "two words",
        "prompt_token_count": 3,
        "generation_token_count": 2,
        "stop_reason": "stop",
    }
    assert FAMILY.answer(cut_short, MODEL, "m")["stop_reason"] == "length"


def test_every_chunk_of_a_stream_has_them_too(answered, metrics):
    stream = FAMILY.stream(MODEL, "m")
    chunks = [*stream.start(3), *stream.delta("two ", 1), *stream.delta("words", 2), *stream.end(answered, metrics)]
    assert "".join(chunk["generation"] for chunk in chunks) == "two words"
    assert chunks[0]["prompt_token_count"] == 3
    assert [chunk["stop_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert chunks[-1]["generation_token_count"] == 2
    assert chunks[-1]["amazon-bedrock-invocationMetrics"] == metrics


def test_the_largest_takes_shorter_records():
    tokens = {
        size: record_format(MODELS[f"meta.llama3-2-{size}-instruct-v1:0"], "FINE_TUNING") for size in ("3b", "90b")
    }
    assert tokens["3b"].tokens_per_record == 16_000 and tokens["90b"].tokens_per_record == 10_000
