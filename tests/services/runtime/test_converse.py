"""One dialect for every family, through boto3 and a real engine."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

Scene = Any  # tests/services/runtime/conftest.py

BASES = [
    "amazon.nova-micro-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "meta.llama3-1-8b-instruct-v1:0",
    "amazon.titan-text-lite-v1",
]
NOVA, CLAUDE = BASES[0], BASES[1]
TURN = {"role": "user", "content": [{"text": "jump"}]}
REPLY = {"role": "assistant", "content": [{"text": "over"}]}


def asked(**members: Any) -> dict[str, Any]:
    usual = {"modelId": NOVA, "messages": [TURN], "inferenceConfig": {"maxTokens": 20}}
    return {**usual, "additionalModelRequestFields": {"outcrop.seed": 3}, **members}


def text_of(response: dict[str, Any]) -> str:
    [block] = response["output"]["message"]["content"]
    text: str = block["text"]
    return text


@pytest.mark.parametrize("model_id", BASES)
def test_every_family_converses_the_same_streamed_and_not(scene: Scene, model_id: str) -> None:
    whole = scene.runtime.converse(**asked(modelId=model_id, system=[{"text": "fox"}]))
    events = list(scene.runtime.converse_stream(**asked(modelId=model_id, system=[{"text": "fox"}]))["stream"])
    names = [next(iter(event)) for event in events]
    assert names[0] == "messageStart"
    assert names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    assert set(names[1:-3]) == {"contentBlockDelta"}
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(deltas) == text_of(whole) != ""
    assert events[-2]["messageStop"]["stopReason"] == whole["stopReason"]
    assert events[-1]["metadata"]["usage"] == whole["usage"]
    assert whole["usage"]["totalTokens"] == whole["usage"]["inputTokens"] + whole["usage"]["outputTokens"]
    assert whole["metrics"]["latencyMs"] >= 0
    headers = whole["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-output-token-count"] == str(whole["usage"]["outputTokens"])
    assert scene.checkpoint.name in headers["x-outcrop-model"]


def test_top_k_one_is_greedy_under_either_familys_name(scene: Scene) -> None:
    greedy = text_of(scene.runtime.converse(**asked(inferenceConfig={"maxTokens": 20, "temperature": 0})))
    for fields in ({"top_k": 1}, {"topK": 1}, {"inferenceConfig": {"topK": 1}}, {"inferenceConfig": {"top_k": 1}}):
        assert text_of(scene.runtime.converse(**asked(additionalModelRequestFields=fields))) == greedy


def test_max_tokens_may_be_left_out_or_be_more_than_there_is_room_for(scene: Scene) -> None:
    for config in ({}, {"maxTokens": 2_000_000}):
        response = scene.runtime.converse(**asked(inferenceConfig=config))
        assert response["usage"]["totalTokens"] <= 192


def test_members_of_the_familys_own_answer_come_by_pointer(scene: Scene) -> None:
    paths = ["/stop_sequence", "/usage/input_tokens", "/nowhere"]
    response = scene.runtime.converse(**asked(modelId=CLAUDE, additionalModelResponseFieldPaths=paths))
    told = response["additionalModelResponseFields"]
    assert told == {"stop_sequence": None, "usage": {"input_tokens": response["usage"]["inputTokens"]}}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"messages": []}, "start with a user message"),
        ({"messages": [REPLY]}, "start with a user message"),
        ({"messages": [TURN, TURN]}, "alternate"),
        ({"messages": [{"role": "user", "content": []}]}, "text block"),
        ({"messages": [{"role": "user", "content": [{"text": " "}]}]}, "blank"),
        (
            {"messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": b"x"}}}]}]},
            "image",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"document": {"name": "a", "format": "txt", "source": {"bytes": b"x"}}}],
                    }
                ]
            },
            "document",
        ),
        ({"toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]}}, "tools"),
        ({"guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"}}, "guardrails"),
        ({"additionalModelRequestFields": {"thinking": True}}, "thinking"),
        ({"additionalModelRequestFields": {"top_k": -1}}, "top_k"),
        ({"inferenceConfig": {"temperature": 1.5}}, "temperature"),
        ({"inferenceConfig": {"topP": 1.5}}, "topP"),
        ({"additionalModelResponseFieldPaths": ["stop"]}, "JSON pointer"),
        ({"performanceConfig": {"latency": "optimized"}}, "latency"),
    ],
)
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_what_cannot_be_asked_is_a_validation_exception(
    scene: Scene, operation: str, members: dict[str, Any], told: str
) -> None:
    with pytest.raises(ClientError, match=told) as caught:
        getattr(scene.runtime, operation)(**asked(**members))
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("prefill", [False, True])
def test_count_tokens_counts_what_converse_uses(scene: Scene, prefill: bool) -> None:
    messages = [TURN, REPLY] if prefill else [TURN]
    used = scene.runtime.converse(**asked(messages=messages, system=[{"text": "fox"}]))["usage"]["inputTokens"]
    ask = {"converse": {"messages": messages, "system": [{"text": "fox"}]}}
    assert scene.runtime.count_tokens(modelId=NOVA, input=ask)["inputTokens"] == used


def test_count_tokens_counts_what_invoke_uses(scene: Scene) -> None:
    body = b'{"prompt": "the lazy dog"}'
    response = scene.runtime.invoke_model(modelId=BASES[2], body=body)
    used = response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"]
    response["body"].close()
    counted = scene.runtime.count_tokens(modelId=BASES[2], input={"invokeModel": {"body": body}})
    assert counted["inputTokens"] == int(used)
