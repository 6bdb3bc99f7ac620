"""Every family's own dialect, streamed and not, through boto3 and a real engine."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.domain.conversation import Conversation, Message
from outcrop.text import Tokenizer

Scene = Any  # tests/services/runtime/conftest.py

SEED = {"outcrop.seed": 5}
ASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "nova": (
        "amazon.nova-micro-v1:0",
        {
            "messages": [{"role": "user", "content": [{"text": "jump"}]}],
            "inferenceConfig": {"maxTokens": 20, "topK": 20},
        },
    ),
    "claude": (
        "anthropic.claude-3-haiku-20240307-v1:0",
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 20,
            "system": "fox",
            "messages": [{"role": "user", "content": "jump"}],
        },
    ),
    "llama": ("meta.llama3-1-8b-instruct-v1:0", {"prompt": "the quick", "max_gen_len": 20}),
    "titan": ("amazon.titan-text-lite-v1", {"inputText": "the quick", "textGenerationConfig": {"maxTokenCount": 20}}),
}


def text_of(family: str, body: dict[str, Any]) -> str:
    match family:
        case "nova":
            return body["output"]["message"]["content"][0]["text"]
        case "claude":
            return body["content"][0]["text"]
        case "llama":
            return body["generation"]
        case _:
            return body["results"][0]["outputText"]


def delta_of(family: str, chunk: dict[str, Any]) -> str:
    match family:
        case "nova":
            return chunk.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        case "claude":
            return chunk.get("delta", {}).get("text", "")
        case "llama":
            return chunk["generation"]
        case _:
            return chunk["outputText"]


def invoke(scene: Scene, model_id: str, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    response = scene.runtime.invoke_model(modelId=model_id, body=json.dumps(body))
    assert response["contentType"] == "application/json"
    return json.loads(response["body"].read()), response["ResponseMetadata"]["HTTPHeaders"]


def stream(scene: Scene, model_id: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    response = scene.runtime.invoke_model_with_response_stream(modelId=model_id, body=json.dumps(body))
    return [json.loads(event["chunk"]["bytes"]) for event in response["body"]]


@pytest.mark.parametrize("family", ASKS)
def test_a_family_is_answered_the_same_streamed_and_not(scene: Scene, family: str) -> None:
    model_id, ask = ASKS[family]
    whole, headers = invoke(scene, model_id, {**ask, **SEED})
    chunks = stream(scene, model_id, {**ask, **SEED})
    text = text_of(family, whole)
    assert text
    assert "".join(delta_of(family, chunk) for chunk in chunks) == text
    metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
    assert str(metrics["inputTokenCount"]) == headers["x-amzn-bedrock-input-token-count"]
    assert str(metrics["outputTokenCount"]) == headers["x-amzn-bedrock-output-token-count"]
    assert 0 <= metrics["firstByteLatency"] <= metrics["invocationLatency"]
    assert int(headers["x-amzn-bedrock-invocation-latency"]) >= 0


@pytest.mark.parametrize("family", ASKS)
def test_an_answer_says_what_answered(scene: Scene, family: str) -> None:
    model_id, ask = ASKS[family]
    _, headers = invoke(scene, model_id, ask)
    assert scene.checkpoint.name in headers["x-outcrop-model"]


def test_a_raw_prompt_is_asked_raw_and_a_chat_through_the_template(scene: Scene) -> None:
    tokenizer = Tokenizer.load(scene.checkpoint)
    _, headers = invoke(scene, *ASKS["titan"])
    assert int(headers["x-amzn-bedrock-input-token-count"]) == len(tokenizer.render_raw_prompt("the quick"))
    _, headers = invoke(scene, *ASKS["claude"])
    chat = Conversation(system="fox", messages=(Message(role="user", text="jump"),))
    assert int(headers["x-amzn-bedrock-input-token-count"]) == len(tokenizer.render_prompt(chat))


@pytest.mark.parametrize("way", ["arn", "name", "deployment", "foundation"])
def test_every_identifier_reaches_its_model(
    scene: Scene, custom: Any, expected: Callable[..., list[int]], way: str
) -> None:
    model_id = {
        "arn": f"arn:aws:bedrock:us-east-1:{scene.running.ground.account}:provisioned-model/{custom.id}",
        "name": f"bought-{custom.id}",
        "deployment": f"arn:aws:bedrock:us-east-1:{scene.running.ground.account}:custom-model-deployment/{custom.id}",
        "foundation": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0",
    }[way]
    tokenizer = Tokenizer.load(scene.checkpoint)
    prompt = tokenizer.render_prompt(Conversation(messages=(Message(role="user", text="jump"),)))
    tokens = expected("base" if way == "foundation" else "a", prompt, 20)
    ends = [at for at, token in enumerate(tokens) if token in tokenizer.stop_ids]
    ask = {**ASKS["nova"][1], "inferenceConfig": {"maxTokens": 20, "temperature": 0}}
    body, headers = invoke(scene, model_id, ask)
    assert text_of("nova", body) == tokenizer.decode(tokens[: ends[0] if ends else 20])
    assert ("custom model" in headers["x-outcrop-model"]) == (way != "foundation")


def test_a_prefill_is_gone_on_from(scene: Scene) -> None:
    turns = [{"role": "user", "content": "jump"}, {"role": "assistant", "content": "over the"}]
    ask = {**ASKS["claude"][1], "messages": turns, "temperature": 0, "max_tokens": 8}
    _, headers = invoke(scene, ASKS["claude"][0], ask)
    _, without = invoke(scene, ASKS["claude"][0], {**ask, "messages": turns[:1]})
    longer = int(headers["x-amzn-bedrock-input-token-count"]) - int(without["x-amzn-bedrock-input-token-count"])
    assert longer == len(Tokenizer.load(scene.checkpoint).encode("over the"))


def test_a_stop_sequence_is_named(scene: Scene) -> None:
    model_id, ask = ASKS["claude"]
    greedy = {**ask, "temperature": 0, "max_tokens": 60}
    text = text_of("claude", invoke(scene, model_id, greedy)[0])
    stop = text[3:5]
    body, _ = invoke(scene, model_id, {**greedy, "stop_sequences": [stop]})
    assert (body["stop_reason"], body["stop_sequence"]) == ("stop_sequence", stop)
    assert text_of("claude", body) == text[: text.find(stop)]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"body": b"{"}, "not JSON"),
        ({"body": b"[]"}, "JSON object"),
        ({"body": b"[" * 100_000}, "Malformed"),
        ({"body": b'{"prompt": 1}'}, "prompt"),
        ({"body": b'{"prompt": "x"}', "contentType": "text/plain"}, "contentType"),
        ({"body": b'{"prompt": "x"}', "accept": "image/png"}, "accept"),
        ({"body": b'{"prompt": "x"}', "guardrailIdentifier": "abc", "guardrailVersion": "1"}, "guardrails"),
        ({"body": b'{"prompt": "x"}', "performanceConfigLatency": "optimized"}, "latency"),
        ({"body": json.dumps({"prompt": "fox " * 300}).encode()}, "tokens"),
    ],
)
@pytest.mark.parametrize("operation", ["invoke_model", "invoke_model_with_response_stream"])
def test_what_cannot_be_asked_is_a_validation_exception(
    scene: Scene, operation: str, members: dict[str, Any], told: str
) -> None:
    with pytest.raises(ClientError, match=told) as caught:
        getattr(scene.runtime, operation)(modelId=ASKS["llama"][0], **members)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
