"""Engines that are not there yet, never come, or break off: what a caller meets."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from outcrop.domain.errors import ModelErrorException, ModelNotReadyException, ModelTimeoutException
from outcrop.families import MODELS, family_of
from outcrop.services.runtime.client import EngineClient, Question, close_clients
from outcrop.services.runtime.reach import Patience, reach
from outcrop.services.runtime.served import BASE, Served
from outcrop.store import engines, refused_models
from outcrop.store.engines import EngineState

Scene = Any  # tests/services/runtime/conftest.py

BRIEF = Patience(ready_s=0.3, poll_s=0.01)
LONG = Patience(ready_s=60.0, poll_s=0.01)
COUNT = {"prompt": "the fox"}


def base_on(checkpoint: Path) -> Served:
    """A foundation model that is mapped to a checkpoint."""
    model = MODELS["amazon.nova-micro-v1:0"]
    return Served(model=model, family=family_of(model), checkpoint=checkpoint, engine_model=BASE, sentence="")


def ask(scene: Scene, checkpoint: Path, patience: Patience) -> int:
    """Count tokens through `reach`, on a loop of its own."""

    async def asked() -> int:
        try:
            return await reach(scene.call(), base_on(checkpoint), lambda client: client.count(COUNT), patience)
        finally:
            await close_clients()

    return asyncio.run(asked())


def state_of(scene: Scene, checkpoint: Path) -> engines.Engine | None:
    with scene.running.ground.database.read() as connection:
        return engines.find(connection, checkpoint)


@pytest.fixture
def other_checkpoint(scene: Scene, tmp_path: Path) -> Path:
    """The same files elsewhere: an engine of its own."""
    (tmp_path / "other").symlink_to(scene.checkpoint)
    return tmp_path / "other"


def test_an_engine_that_does_not_come_in_time_is_wished_and_not_ready(scene: Scene, other_checkpoint: Path) -> None:
    with pytest.raises(ModelNotReadyException):
        ask(scene, other_checkpoint, BRIEF)
    wished = state_of(scene, other_checkpoint)
    assert wished is not None and wished.state is EngineState.WANTED


def test_a_request_waits_for_an_engine_that_comes(
    scene: Scene, other_checkpoint: Path, start_engine: Callable[[Path, Path], Any], until: Callable[..., None]
) -> None:
    counted: list[int] = []
    waiting = threading.Thread(target=lambda: counted.append(ask(scene, other_checkpoint, LONG)))
    waiting.start()
    until(lambda: state_of(scene, other_checkpoint) is not None)
    engine = start_engine(other_checkpoint, engines.socket_of(scene.settings, other_checkpoint))
    waiting.join()
    engine.end()
    assert counted == [ask(scene, scene.checkpoint, BRIEF)]


def test_an_engine_that_cannot_start_is_an_error_with_its_cause(
    scene: Scene, other_checkpoint: Path, until: Callable[..., None]
) -> None:
    """A worker that tries, and says why it failed."""

    def try_in_vain() -> None:
        until(lambda: state_of(scene, other_checkpoint) is not None)
        engines.starting(scene.running.ground.database, str(other_checkpoint), 1)
        engines.gone(scene.running.ground.database, str(other_checkpoint), "no config.json")

    worker = threading.Thread(target=try_in_vain)
    worker.start()
    with pytest.raises(ModelErrorException, match=r"no config\.json"):
        ask(scene, other_checkpoint, LONG)
    worker.join()


def test_a_model_that_its_engine_cannot_have_is_an_error_with_its_cause_and_not_being_loaded_for_ever(
    scene: Scene,
) -> None:
    model = scene.custom_model("refusedaaaaa")
    arn = scene.provision(model).arn
    hello = [{"role": "user", "content": [{"text": "jump"}]}]
    with pytest.raises(ClientError) as caught:
        scene.runtime.converse(modelId=arn, messages=hello)
    assert caught.value.response["Error"]["Code"] == "ModelNotReadyException"
    refused_models.tell(scene.running.ground.database, {model.id: "its files are damaged."})
    for ask_it in (scene.runtime.converse, scene.runtime.converse_stream):
        with pytest.raises(ClientError) as caught:
            ask_it(modelId=arn, messages=hello)
        assert caught.value.response["Error"]["Code"] == "ModelErrorException"
        assert "The model cannot be served: its files are damaged." in caught.value.response["Error"]["Message"]
    refused_models.tell(scene.running.ground.database, {})


@pytest.fixture
def doomed(
    scene: Scene, other_checkpoint: Path, start_engine: Callable[[Path, Path], Any]
) -> Iterator[tuple[Scene, Any]]:
    """An engine that a test may kill, and the id that it stands behind."""
    made = scene.custom_model("doomedaaaaaa")
    with scene.running.ground.database.write() as connection:
        from outcrop.store import models

        connection.execute(models.MODELS.delete().where(models.MODELS.c.id == made.id))
        models.add(connection, replace(made, checkpoint=str(other_checkpoint)))
    throughput = scene.provision(made)
    engine = start_engine(other_checkpoint, engines.socket_of(scene.settings, other_checkpoint))
    yield throughput.arn, engine
    engine.end()


def test_an_engine_that_dies_in_the_middle_of_an_answer_is_an_exception_frame(
    scene: Scene, doomed: tuple[str, Any], adapters: dict[str, Path], until: Callable[..., None]
) -> None:
    arn, engine = doomed
    engine.client.post("/v1/load_lora_adapter", json={"lora_name": "doomedaaaaaa", "lora_path": str(adapters["a"])})
    body = {"messages": [{"role": "user", "content": [{"text": "jump"}]}], "inferenceConfig": {"maxTokens": 150}}
    with ThreadPoolExecutor(1) as pool:
        ask_it = partial(scene.runtime.invoke_model_with_response_stream, modelId=arn, body=json.dumps(body))
        rest = until_it_stands_still(ask_it, engine, pool)
        os.kill(engine.process.pid, signal.SIGKILL)
        with pytest.raises(EventStreamError) as caught:
            rest.result()
    assert caught.value.response["Error"]["Code"] == "modelStreamErrorException"


def until_it_stands_still(ask_it: Callable[[], Any], engine: Any, pool: ThreadPoolExecutor) -> Future[list[Any]]:
    """The rest of an answer whose engine was stopped in its middle. One that was already whole is asked for again."""
    for _ in range(20):
        events = iter(ask_it()["body"])
        assert "chunk" in next(events)
        os.kill(engine.process.pid, signal.SIGSTOP)
        rest = pool.submit(list, events)
        if not wait([rest], timeout=1).done:
            return rest
        os.kill(engine.process.pid, signal.SIGCONT)
    raise AssertionError("every answer was whole before its engine was stopped")


def test_a_silent_engine_is_a_timeout(scene: Scene) -> None:
    question = Question(path="/v1/completions", body={"prompt": "the", "max_tokens": 180})

    async def asked() -> None:
        client = EngineClient(scene.engine.socket, answer_timeout_s=0.001)
        try:
            await client.answer(question)
        finally:
            await client.close()

    with pytest.raises(ModelTimeoutException):
        asyncio.run(asked())


def test_a_client_that_hangs_up_frees_the_engine(scene: Scene, until: Callable[..., None]) -> None:
    for _ in range(5):
        leaving = scene.running.client("bedrock-runtime")
        response = leaving.converse_stream(
            modelId="amazon.nova-micro-v1:0", messages=[{"role": "user", "content": [{"text": "jump"}]}]
        )
        next(iter(response["stream"]))
        response["stream"].close()
        leaving.close()
    until(lambda: scene.engine.client.get("/health").json()["answers"] == 0)
