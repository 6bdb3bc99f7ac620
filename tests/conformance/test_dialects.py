"""Every family's dialect, whole and streamed, over both engines: the same functions, whatever computes the tokens."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from living import await_that
from world import COLOURS, SYSTEM, World, question

pytestmark = [pytest.mark.xdist_group("conformance"), pytest.mark.slow, pytest.mark.both_engines]

NOVA, CLAUDE = "amazon.nova-micro-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"
LLAMA, TITAN = "meta.llama3-2-1b-instruct-v1:0", "amazon.titan-text-express-v1"
AWS = str(Path(sys.executable).with_name("aws"))
IN_SERVICE_WITHIN_S = 120.0
TOKENS = 8
ASKED = "Write a function that adds two numbers."
RAW = "def f("  # raw prompts go on: this one is not at its end

BODIES: dict[str, dict[str, Any]] = {
    NOVA: {
        "messages": [{"role": "user", "content": [{"text": ASKED}]}],
        "inferenceConfig": {"maxTokens": TOKENS, "temperature": 0},
    },
    CLAUDE: {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": TOKENS,
        "temperature": 0,
        "messages": [{"role": "user", "content": ASKED}],
    },
    LLAMA: {"prompt": RAW, "max_gen_len": TOKENS, "temperature": 0},
    TITAN: {"inputText": RAW, "textGenerationConfig": {"maxTokenCount": TOKENS, "temperature": 0}},
}
LIMIT = {NOVA: "max_tokens", CLAUDE: "max_tokens", LLAMA: "length", TITAN: "LENGTH"}
FAMILIES = pytest.mark.parametrize("model_id", BODIES, ids=["nova", "claude", "llama", "titan"])


def said_of(model_id: str, told: dict[str, Any]) -> tuple[str, str | None]:
    """The text of a whole body, and why it ended."""
    if model_id == NOVA:
        return told["output"]["message"]["content"][0]["text"], told["stopReason"]
    if model_id == CLAUDE:
        return told["content"][0]["text"], told["stop_reason"]
    if model_id == LLAMA:
        return told["generation"], told["stop_reason"]
    (result,) = told["results"]
    return result["outputText"], result["completionReason"]


def streamed_of(model_id: str, pieces: list[dict[str, Any]]) -> tuple[str, str | None]:
    """The same of a stream's pieces."""
    if model_id == NOVA:
        deltas = [piece["contentBlockDelta"] for piece in pieces if "contentBlockDelta" in piece]
        (end,) = [piece["messageStop"] for piece in pieces if "messageStop" in piece]
        return "".join(delta["delta"]["text"] for delta in deltas), end["stopReason"]
    if model_id == CLAUDE:
        deltas = [piece["delta"] for piece in pieces if piece["type"] == "content_block_delta"]
        (end,) = [piece["delta"] for piece in pieces if piece["type"] == "message_delta"]
        return "".join(delta["text"] for delta in deltas), end["stop_reason"]
    if model_id == LLAMA:
        return "".join(piece["generation"] for piece in pieces), pieces[-1]["stop_reason"]
    return "".join(piece["outputText"] for piece in pieces), pieces[-1]["completionReason"]


def whole(runtime: Any, target: str, body: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, int]]:
    """A body, and its counts of tokens in and out."""
    answer = runtime.invoke_model(modelId=target, body=json.dumps(body))
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    counts = (f"x-amzn-bedrock-{way}-token-count" for way in ("input", "output"))
    read: Any = tuple(int(headers[name]) for name in counts)
    return json.loads(answer["body"].read()), read


def streamed(runtime: Any, target: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    events = runtime.invoke_model_with_response_stream(modelId=target, body=json.dumps(body))["body"]
    return [json.loads(event["chunk"]["bytes"]) for event in events]


def conversation(tokens: int = TOKENS, **other: Any) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": [{"text": ASKED}]}],
        "inferenceConfig": {"maxTokens": tokens, "temperature": 0, **other},
    }


def converse_streamed(runtime: Any, target: str, asked: dict[str, Any]) -> tuple[str, str, dict[str, int]]:
    events = list(runtime.converse_stream(modelId=target, **asked)["stream"])
    text = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    (stop,) = [event["messageStop"]["stopReason"] for event in events if "messageStop" in event]
    return text, stop, events[-1]["metadata"]["usage"]


@FAMILIES
def test_invoke_model_says_the_same_whole_and_streamed(world: World, model_id: str) -> None:
    runtime = world.client("bedrock-runtime")
    told, (_, output_tokens) = whole(runtime, model_id, BODIES[model_id])
    text, stop = said_of(model_id, told)
    assert streamed_of(model_id, streamed(runtime, model_id, BODIES[model_id])) == (text, stop)
    assert text and 0 < output_tokens <= TOKENS
    assert (stop == LIMIT[model_id]) == (output_tokens == TOKENS)


@FAMILIES
def test_converse_says_the_same_whole_and_streamed(world: World, model_id: str) -> None:
    runtime = world.client("bedrock-runtime")
    told = runtime.converse(modelId=model_id, **conversation())
    text = told["output"]["message"]["content"][0]["text"]
    assert converse_streamed(runtime, model_id, conversation()) == (text, told["stopReason"], told["usage"])
    assert text and told["usage"]["outputTokens"] <= TOKENS


@FAMILIES
def test_a_stop_string_ends_an_answer_before_it(world: World, model_id: str) -> None:
    runtime = world.client("bedrock-runtime")
    text = runtime.converse(modelId=model_id, **conversation())["output"]["message"]["content"][0]["text"]
    stop = text[2:4]
    said = runtime.converse(modelId=model_id, **conversation(stopSequences=[stop]))
    content = said["output"]["message"]["content"][0]["text"]
    assert (content, said["stopReason"]) == (text[: text.index(stop)], "stop_sequence")


@FAMILIES
def test_counted_tokens_are_those_that_usage_says(world: World, model_id: str) -> None:
    runtime = world.client("bedrock-runtime")
    _, (input_tokens, _) = whole(runtime, model_id, BODIES[model_id])
    body = json.dumps(BODIES[model_id]).encode()
    counted = runtime.count_tokens(modelId=model_id, input={"invokeModel": {"body": body}})["inputTokens"]
    assert counted == input_tokens
    used = runtime.converse(modelId=model_id, **conversation())["usage"]["inputTokens"]
    messages = {"messages": conversation()["messages"]}
    assert runtime.count_tokens(modelId=model_id, input={"converse": messages})["inputTokens"] == used


@FAMILIES
def test_a_prompt_that_is_too_long_is_refused_streamed_or_not(world: World, model_id: str) -> None:
    runtime = world.client("bedrock-runtime")
    long = {**conversation(), "messages": [{"role": "user", "content": [{"text": "word " * 200_000}]}]}
    for ask in (runtime.converse, runtime.converse_stream):
        with pytest.raises(ClientError) as caught:
            ask(modelId=model_id, **long)
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_seedless_hot_answer_obeys_its_limits(world: World) -> None:
    hot = {"messages": [{"role": "user", "content": ASKED}], "anthropic_version": "bedrock-2023-05-31"}
    body = {**hot, "max_tokens": TOKENS, "temperature": 1.0, "top_p": 0.9, "top_k": 40}
    _, (_, output_tokens) = whole(world.client("bedrock-runtime"), CLAUDE, body)
    assert 0 < output_tokens <= TOKENS


def test_the_aws_cli_converses(world: World) -> None:
    request = json.dumps(conversation()["messages"])
    command = [AWS, "bedrock-runtime", "converse", "--model-id", NOVA, "--messages", request]
    limits = ["--inference-config", json.dumps(conversation()["inferenceConfig"]), "--output", "json"]
    variables = {**os.environ, **world.outcrop.variables}
    ended = subprocess.run([*command, *limits], env=variables, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    said = world.client("bedrock-runtime").converse(modelId=NOVA, **conversation())
    assert json.loads(ended.stdout)["output"] == said["output"]


# --- a custom model ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bought(world: World, nova_model: str) -> Iterator[str]:
    """The ARN of throughput in service for the model that knows four colours."""
    bedrock = world.client("bedrock")
    asked = {"modelUnits": 1, "provisionedModelName": "dialects", "modelId": nova_model}
    arn: str = bedrock.create_provisioned_model_throughput(**asked)["provisionedModelArn"]
    await_that(lambda: _in_service(bedrock, arn), IN_SERVICE_WITHIN_S, "throughput in service")
    yield arn
    bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)


def _in_service(bedrock: Any, arn: str) -> bool:
    found = bedrock.get_provisioned_model_throughput(provisionedModelId=arn)
    assert found["status"] != "Failed", found["failureMessage"]
    return bool(found["status"] == "InService")


def _asks_colour(number: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": question(number)}]}]
    return {"messages": messages, "system": SYSTEM, "inferenceConfig": {"maxTokens": TOKENS, "temperature": 0}}


def test_a_custom_model_answers_what_it_was_taught_in_every_way(world: World, bought: str) -> None:
    runtime = world.client("bedrock-runtime")
    for number, colour in enumerate(COLOURS):
        text, _, usage = converse_streamed(runtime, bought, _asks_colour(number))
        assert text == world.say(bought, number) == colour
        told, (input_tokens, _) = whole(runtime, bought, _asks_colour(number))
        assert said_of(NOVA, told)[0] == colour
        counted = {"converse": {name: _asks_colour(number)[name] for name in ("messages", "system")}}
        assert runtime.count_tokens(modelId=bought, input=counted)["inputTokens"] == input_tokens
        assert usage["inputTokens"] == input_tokens


def test_the_base_answers_beside_it_as_before(world: World, bought: str) -> None:
    runtime = world.client("bedrock-runtime")
    assert (
        runtime.converse(modelId=NOVA, **_asks_colour(1))["output"]
        != runtime.converse(modelId=bought, **_asks_colour(1))["output"]
    )
