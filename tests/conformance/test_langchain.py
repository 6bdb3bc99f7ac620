"""`langchain-aws`, unmodified, from AWS_* variables alone: as a user has it after `eval "$(outcrop env)"`."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_aws import ChatBedrock, ChatBedrockConverse
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from living import SERVICE_S, await_that
from world import World

pytestmark = [pytest.mark.xdist_group("conformance"), pytest.mark.slow, pytest.mark.both_engines]
NOVA = "amazon.nova-micro-v1:0"
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
LLAMA = "meta.llama3-1-8b-instruct-v1:0"
SAID = [SystemMessage("Answer."), HumanMessage("Hello"), AIMessage("Hi"), HumanMessage("Who are you?")]


@pytest.fixture(autouse=True)
def environment(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in world.outcrop.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LANGSMITH_TRACING", "false")  # it would tell its makers of every run
    yield


def same_streamed(model: Any) -> AIMessage:
    """The answer, after a look whether its pieces are the same."""
    whole = model.invoke(SAID)
    pieces = list(model.stream(SAID))
    assert "".join(piece.text for piece in pieces) == whole.text
    assert whole.text
    assert isinstance(whole, AIMessage)
    return whole


@pytest.mark.parametrize("model_id", [NOVA, CLAUDE, LLAMA])
def test_converse_answers_whole_and_streamed(model_id: str) -> None:
    whole = same_streamed(ChatBedrockConverse(model=model_id, temperature=0, max_tokens=8))
    usage = whole.usage_metadata
    assert usage is not None and usage["input_tokens"] > 0 and 0 < usage["output_tokens"] <= 8
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize("model_id", [CLAUDE, LLAMA])
def test_invoke_model_answers_whole_and_streamed(model_id: str) -> None:
    limit = {"max_gen_len": 8} if model_id == LLAMA else {"max_tokens": 8}
    same_streamed(ChatBedrock(model=model_id, temperature=0, model_kwargs=limit))


def test_a_provisioned_model_answers_by_its_arn(world: World) -> None:
    bedrock = world.client("bedrock")
    arn = bedrock.create_provisioned_model_throughput(
        modelUnits=1, provisionedModelName="over-langchain", modelId=f"{NOVA}:128k"
    )["provisionedModelArn"]
    await_that(
        lambda: bedrock.get_provisioned_model_throughput(provisionedModelId=arn)["status"] == "InService",
        SERVICE_S,
        "the provisioned model in service",
    )
    same_streamed(ChatBedrockConverse(model=arn, provider="amazon", temperature=0, max_tokens=8))
    bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)


def test_a_chain_keeps_its_stop_strings() -> None:
    whole = ChatBedrockConverse(model=NOVA, temperature=0, max_tokens=12).invoke(SAID).text
    stop = whole[len(whole) // 2]
    ended = ChatBedrockConverse(model=NOVA, temperature=0, max_tokens=12, stop=[stop]).invoke(SAID)
    assert ended.text == whole[: whole.index(stop)]
    assert ended.response_metadata["stopReason"] == "stop_sequence"
