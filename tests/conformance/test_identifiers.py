"""Every identifier that scripts put into `modelId`, asked of a running Outcrop."""

import json
import re
from typing import Any

import pytest

from world import NOVA, World, refused

pytestmark = pytest.mark.xdist_group("conformance")
SAID = [{"role": "user", "content": [{"text": "Hello"}]}]
CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 3, "messages": [{"role": "user", "content": "Hi"}]}
FOUNDATION = "arn:aws:bedrock:us-east-1::foundation-model/"


def converse(world: World, model_id: str, region: str = "us-east-1") -> Any:
    runtime = world.client("bedrock-runtime", region)
    return runtime.converse(modelId=model_id, messages=SAID, inferenceConfig={"maxTokens": 3, "temperature": 0})


@pytest.mark.parametrize(
    "model_id",
    [
        "amazon.nova-micro-v1:0",
        "amazon.nova-lite-v1:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic.claude-haiku-4-5-20251001",
        "meta.llama3-1-8b-instruct-v1:0",
        "meta.llama3-2-1b-instruct-v1:0",
        "amazon.titan-text-lite-v1",
        f"{FOUNDATION}amazon.titan-text-express-v1",
        f"{FOUNDATION}meta.llama3-2-3b-instruct-v1:0",
    ],
)
def test_every_foundation_model_converses(world: World, model_id: str) -> None:
    usage = converse(world, model_id)["usage"]
    assert usage["inputTokens"] > 0 and 0 < usage["outputTokens"] <= 3


@pytest.mark.parametrize("geography", ["us", "eu", "apac", "global"])
def test_an_inference_profile_is_its_model(world: World, geography: str) -> None:
    said = converse(world, f"{geography}.amazon.nova-lite-v1:0")
    assert said["output"] == converse(world, "amazon.nova-lite-v1:0")["output"]


def test_an_inference_profiles_arn_is_its_model_in_its_own_region_and_account(world: World) -> None:
    account = world.client("sts").get_caller_identity()["Account"]
    profile = "inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0"
    assert converse(world, f"arn:aws:bedrock:us-east-1:{account}:{profile}")
    runtime = world.client("bedrock-runtime")
    other = f"arn:aws:bedrock:us-east-1:000000000000:{profile}"
    assert refused(runtime.converse, modelId=other, messages=SAID)[0] == "ResourceNotFoundException"
    far = f"arn:aws:bedrock:us-west-2:{account}:{profile}"
    assert refused(runtime.converse, modelId=far, messages=SAID)[0] == "ValidationException"


@pytest.mark.parametrize("model_id", ["xx.amazon.nova-lite-v1:0", "us.amazon.nothing-v1:0", "us."])
def test_what_only_looks_like_a_profile_is_no_model(world: World, model_id: str) -> None:
    runtime = world.client("bedrock-runtime")
    assert refused(runtime.converse, modelId=model_id, messages=SAID)[0] == "ResourceNotFoundException"


def test_a_context_suffixed_id_on_demand_is_refused_in_the_words_that_clients_match(world: World) -> None:
    runtime = world.client("bedrock-runtime")
    code, status, message = refused(runtime.converse, modelId=NOVA, messages=SAID)
    assert (code, status) == ("ValidationException", 400)
    assert "on-demand throughput isn\N{RIGHT SINGLE QUOTATION MARK}t supported" in message and NOVA in message


def test_claudes_message_id_has_the_shape_of_bedrocks(world: World) -> None:
    runtime = world.client("bedrock-runtime")
    asked = {"modelId": "anthropic.claude-3-haiku-20240307-v1:0", "body": json.dumps(CLAUDE)}
    whole = json.loads(runtime.invoke_model(**asked)["body"].read())
    events = runtime.invoke_model_with_response_stream(**asked)["body"]
    start, *_ = [json.loads(event["chunk"]["bytes"]) for event in events]
    for found in (whole["id"], start["message"]["id"]):
        assert re.fullmatch("msg_bdrk_[a-z0-9]+", found) and found.count("msg") == 1


def test_every_chunk_of_llamas_stream_counts_what_was_said_so_far(world: World) -> None:
    body = json.dumps({"prompt": "One, two, three. " * 9, "max_gen_len": 12, "temperature": 0})  # which has no end
    asked = {"modelId": "meta.llama3-2-1b-instruct-v1:0", "body": body}
    stream = world.client("bedrock-runtime").invoke_model_with_response_stream(**asked)["body"]
    chunks = [json.loads(event["chunk"]["bytes"]) for event in stream]
    counts = [chunk["generation_token_count"] for chunk in chunks]
    assert counts == sorted(counts) and counts[0] >= 0 and counts[-1] == 12
    assert isinstance(chunks[0]["prompt_token_count"], int)
    assert {chunk["stop_reason"] for chunk in chunks[:-1]} == {None} and chunks[-1]["stop_reason"] == "length"
