"""One running Outcrop for the whole folder, and a job that taught it something.

Modules marked `both_engines` run over each engine in turn: the embedded one, and a real vLLM where one is at hand.
"""

import os
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from living import Outcrop, await_that
from world import World

EMBEDDED, VLLM = "embedded", "vllm"
COMMAND, MORE = "OUTCROP_TEST_VLLM", "OUTCROP_TEST_VLLM_ARGUMENTS"
"""The command, or the Python, of an environment with vLLM; or the URL of a server of it on the pebble."""
WITHOUT = f"no vLLM is at hand: `make test-vllm` makes an environment with its CPU build and runs these ({COMMAND})"
STARTS_WITHIN_S = 900.0
QUICK = "--enforce-eager"  # nothing is compiled: it starts sooner, and says the same


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "outcrop" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both_engines") is not None
        metafunc.parametrize("outcrop", [EMBEDDED, VLLM] if both else [EMBEDDED], indirect=True, scope="session")


@pytest.fixture(scope="session")
def outcrop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcrop]:
    words: list[str] = []
    if request.param == VLLM:
        command = os.environ.get(COMMAND)
        if not command:
            pytest.skip(WITHOUT)
        started = ["--engine", VLLM, "--vllm", command, f"--vllm-arguments={os.environ.get(MORE, QUICK)}"]
        words = ["--engine", command] if command.startswith("http") else started
    running = Outcrop(tmp_path_factory.mktemp("home") / "outcrop", *words)
    try:
        if request.param == VLLM:
            await_that(lambda: _answers(running), STARTS_WITHIN_S, "vLLM's first answer")
        yield running
    finally:
        running.stop()


def _answers(outcrop: Outcrop) -> bool:
    """Whether the pebble's engine is there; while it starts, a request waits for it and is told to come again."""
    message = [{"role": "user", "content": [{"text": "Hi"}]}]
    limits = {"maxTokens": 1}
    try:
        outcrop.client("bedrock-runtime").converse(
            modelId="amazon.nova-micro-v1:0", messages=message, inferenceConfig=limits
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ModelNotReadyException":
            raise
        return False
    return True


@pytest.fixture(scope="session")
def world(outcrop: Outcrop) -> World:
    return World.made(outcrop)


@pytest.fixture(scope="session")
def nova_model(world: World) -> str:
    """The ARN of a custom Nova that knows the colours of four things. Every module may ask it; none may delete it."""
    return world.taught("colours")
