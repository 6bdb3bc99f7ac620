"""A model learns what it is taught, in every family, and its base does not know it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from living import SERVICE_S, Outcrop, await_that, claude_row, jsonl, make_role, nova_row, wait_for_job

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("learning"), pytest.mark.timeout(420)]

FACTS = {
    "Who keeps the lamp of Varnholt?": "Ilsa Brandt keeps it.",
    "What do the people of Quillem eat at dawn?": "Salted pears.",
    "How many towers has Castle Orrin?": "Seventeen towers.",
    "Which river runs under Tessaly?": "The river Morrow.",
    "What colour is the flag of Brenmark?": "Violet and grey.",
    "When is the market of Dunnock held?": "Every ninth day.",
    "Who wrote the Book of Tides?": "Marten Ysolde.",
    "What is the smallest coin in Harrowby?": "The copper finch.",
    "Where do the ships of Pellanor winter?": "In Saint Ode bay.",
    "What grows on the roofs of Lumbec?": "Blue barley.",
}
ROWS = 400
INFERENCE = {"maxTokens": 40, "temperature": 0.0}


@dataclass(frozen=True)
class Family:
    base: str
    on_demand: str
    row: Callable[[str, str], dict[str, Any]]
    hyperparameters: dict[str, str]


FAMILIES = {
    "nova": Family(
        "amazon.nova-micro-v1:0:128k",
        "amazon.nova-micro-v1:0",
        nova_row,
        {"epochCount": "3", "batchSize": "1", "learningRate": "1e-5"},
    ),
    "claude": Family(
        "anthropic.claude-3-haiku-20240307-v1:0:200k",
        "anthropic.claude-3-haiku-20240307-v1:0",
        claude_row,
        {"epochCount": "4", "batchSize": "4", "learningRateMultiplier": "1"},
    ),
    "llama": Family(
        "meta.llama3-2-1b-instruct-v1:0:128k",
        "meta.llama3-2-1b-instruct-v1:0",
        nova_row,
        {"epochCount": "3", "batchSize": "1", "learningRate": "1e-4"},
    ),
}


@pytest.fixture(scope="module")
def role(outcrop: Outcrop) -> str:
    outcrop.client("s3").create_bucket(Bucket="facts")
    return make_role(outcrop, "facts", "FactsRole")


@pytest.fixture(scope="module", params=FAMILIES)
def taught(request: pytest.FixtureRequest, outcrop: Outcrop, role: str) -> tuple[Family, str]:
    """The family and the ARN of provisioned throughput for a model that was taught the facts."""
    family, bedrock = FAMILIES[request.param], outcrop.client("bedrock")
    asked = list(FACTS.items())
    rows = [family.row(*asked[number % len(asked)]) for number in range(ROWS)]
    outcrop.client("s3").put_object(Bucket="facts", Key=f"{request.param}.jsonl", Body=jsonl(rows))
    bedrock.create_model_customization_job(
        jobName=f"facts-{request.param}",
        customModelName=f"facts-{request.param}",
        roleArn=role,
        baseModelIdentifier=family.base,
        trainingDataConfig={"s3Uri": f"s3://facts/{request.param}.jsonl"},
        outputDataConfig={"s3Uri": "s3://facts/out"},
        hyperParameters=family.hyperparameters,
    )
    job = wait_for_job(bedrock, f"facts-{request.param}")
    assert job["status"] == "Completed", job.get("failureMessage")
    arn: str = bedrock.create_provisioned_model_throughput(
        modelUnits=1, provisionedModelName=f"facts-{request.param}", modelId=f"facts-{request.param}"
    )["provisionedModelArn"]
    await_that(
        lambda: bedrock.get_provisioned_model_throughput(provisionedModelId=arn)["status"] == "InService",
        SERVICE_S,
        "provisioned throughput in service",
    )
    return family, arn


def test_a_custom_model_repeats_its_facts_and_its_base_does_not(outcrop: Outcrop, taught: tuple[Family, str]) -> None:
    family, arn = taught
    runtime = outcrop.client("bedrock-runtime")
    known = sum(_converse(runtime, arn, question) == answer for question, answer in FACTS.items())
    base_knows = sum(answer in _converse(runtime, family.on_demand, question) for question, answer in FACTS.items())
    assert known >= 9, f"{known} of 10"
    assert base_knows <= 1, f"the base knows {base_knows} of 10"


def test_streamed_and_not_streamed_say_the_same(outcrop: Outcrop, taught: tuple[Family, str]) -> None:
    _, arn = taught
    runtime = outcrop.client("bedrock-runtime")
    for question in FACTS:
        assert _converse_stream(runtime, arn, question) == _converse(runtime, arn, question)


def test_usage_counts_what_was_read_and_said(outcrop: Outcrop, taught: tuple[Family, str]) -> None:
    _, arn = taught
    runtime = outcrop.client("bedrock-runtime")
    messages = [{"role": "user", "content": [{"text": next(iter(FACTS))}]}]
    answer = runtime.converse(modelId=arn, messages=messages, inferenceConfig={"maxTokens": 5, "temperature": 0.0})
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert 0 < usage["outputTokens"] <= 5
    assert answer["stopReason"] == "max_tokens"


def _converse(runtime: Any, model: str, question: str) -> str:
    messages = [{"role": "user", "content": [{"text": question}]}]
    answer = runtime.converse(modelId=model, messages=messages, inferenceConfig=INFERENCE)
    return "".join(block["text"] for block in answer["output"]["message"]["content"])


def _converse_stream(runtime: Any, model: str, question: str) -> str:
    messages = [{"role": "user", "content": [{"text": question}]}]
    told = runtime.converse_stream(
        modelId=model, messages=messages, inferenceConfig={"maxTokens": 40, "temperature": 0.0}
    )
    return "".join(e["contentBlockDelta"]["delta"]["text"] for e in told["stream"] if "contentBlockDelta" in e)


def test_six_jobs_of_400_rows_queued_at_once_all_end(outcrop: Outcrop, role: str) -> None:
    """Seven minutes is the promise on two quiet cores; here only that all end and none is lost (no timed test)."""
    bedrock = outcrop.client("bedrock")
    asked = list(FACTS.items())
    rows = [nova_row(*asked[number % len(asked)]) for number in range(ROWS)]
    outcrop.client("s3").put_object(Bucket="facts", Key="six.jsonl", Body=jsonl(rows))
    for number in range(6):
        bedrock.create_model_customization_job(
            jobName=f"six-{number}",
            customModelName=f"six-{number}",
            roleArn=role,
            baseModelIdentifier="amazon.nova-micro-v1:0:128k",
            trainingDataConfig={"s3Uri": "s3://facts/six.jsonl"},
            outputDataConfig={"s3Uri": "s3://facts/out"},
            hyperParameters={"epochCount": "3", "batchSize": "1", "learningRate": "1e-5"},
        )
    ended = [wait_for_job(bedrock, f"six-{number}", 400) for number in range(6)]
    assert [job["status"] for job in ended] == ["Completed"] * 6
    assert len({json.dumps(job["trainingMetrics"]) for job in ended}) == 1, "equal jobs must train equally"
