"""kill -9 of the engine in the middle of an answer: its client hears of it as of any fault, and the model is back."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psutil
import pytest
from botocore.exceptions import EventStreamError

from counts import Counts
from living import SERVICE_S, Outcrop, await_that

pytestmark = [pytest.mark.xdist_group("conformance"), pytest.mark.slow]

BOUGHT = "meta.llama3-2-1b-instruct-v1:0:128k"
BACK_WITHIN_S = Counts().few_or_full(200, 15)  # the promise is for a machine that does nothing else
TRIES = 5  # an answer may have come to its end before the engine stands still


@pytest.fixture(scope="module")
def outcrop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcrop]:
    """One of this module's own: nobody else's requests meet a dead engine, and only one engine runs here."""
    running = Outcrop(tmp_path_factory.mktemp("killed") / "outcrop")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def bought(outcrop: Outcrop) -> str:
    """The ARN of throughput for a base model, in service."""
    bedrock = outcrop.client("bedrock")
    asked = {"modelUnits": 1, "provisionedModelName": "killed", "modelId": BOUGHT}
    arn: str = bedrock.create_provisioned_model_throughput(**asked)["provisionedModelArn"]

    def in_service() -> bool:
        return bedrock.get_provisioned_model_throughput(provisionedModelId=arn)["status"] == "InService"

    await_that(in_service, SERVICE_S, "throughput for a base model")
    return arn


def body(tokens: int) -> str:
    return json.dumps({"prompt": "def f(", "max_gen_len": tokens, "temperature": 1.0})


def broken_off(runtime: Any, engine: psutil.Process, arn: str) -> EventStreamError | None:
    """How an answer ended whose engine was killed in its middle; None where it had ended before."""
    with closing(runtime.invoke_model_with_response_stream(modelId=arn, body=body(tokens=2000))["body"]) as stream:
        events = iter(stream)
        next(events)
        engine.suspend()  # what is not said yet will not be
        engine.kill()
        try:
            for _ in events:
                pass
        except EventStreamError as error:
            return error
    return None


def answered(runtime: Any, arn: str) -> dict[str, Any] | None:
    """An answer; None where the engine died of it, which is said as a model's error, or is not back yet."""
    try:
        said: dict[str, Any] = json.loads(runtime.invoke_model(modelId=arn, body=body(tokens=4))["body"].read())
    except (runtime.exceptions.ModelErrorException, runtime.exceptions.ModelNotReadyException):
        return None
    return said


def test_a_killed_engine_breaks_a_stream_with_a_modelled_error_and_is_back(outcrop: Outcrop, bought: str) -> None:
    runtime = outcrop.client("bedrock-runtime")
    for _ in range(TRIES):
        (engine,) = outcrop.find("outcrop.inference")
        error = broken_off(runtime, engine, bought)
        killed = time.monotonic()
        said = await_that(lambda: answered(runtime, bought), BACK_WITHIN_S, "an answer of the next engine")
        assert said["generation_token_count"] >= 1
        assert time.monotonic() - killed <= BACK_WITHIN_S
        if error is not None:
            assert error.response["Error"]["Code"] == "modelStreamErrorException"
            return
    raise AssertionError("every answer had ended before its engine was killed")
