"""A checkpoint of another architecture, mapped under an id of its own: trained, provisioned and asked as any other."""

import json
import subprocess
import sys
from typing import Any

import pytest
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers

from architectures import write_network
from living import SERVICE_S, Outcrop, await_that
from world import COLOURS, World, facts, question

pytestmark = [pytest.mark.xdist_group("conformance"), pytest.mark.slow]

TINY_QWEN = "own.tiny-qwen"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def mapped(outcrop: Outcrop, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `outcrop models map` says of a tiny Qwen 3 with random weights."""
    folder = tmp_path_factory.mktemp("tiny-qwen")
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator([text for fact in facts() for text in fact] + ["system user assistant"] * 9, trainer)
    library.save(str(folder / "tokenizer.json"))
    about = {"eos_token": "<|im_end|>", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    write_network("qwen3", folder, vocabulary=library.get_vocab_size())
    command = [
        sys.executable,
        "-m",
        "outcrop.cli",
        "models",
        "map",
        "--home",
        str(outcrop.home),
        TINY_QWEN,
        str(folder),
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def taught(world: World, mapped: str) -> str:
    """The ARN of throughput for a model that was trained on it."""
    parameters = {"epochCount": "12", "learningRate": "0.01", "outcrop.loraRank": "8"}
    model = world.taught("tiny-qwen", baseModelIdentifier=TINY_QWEN, hyperParameters=parameters)
    bedrock = world.client("bedrock")
    asked = {"modelUnits": 1, "provisionedModelName": "tiny-qwen", "modelId": model}
    arn: str = bedrock.create_provisioned_model_throughput(**asked)["provisionedModelArn"]

    def settled() -> Any:
        found = bedrock.get_provisioned_model_throughput(provisionedModelId=arn)
        return found if found["status"] != "Creating" else None

    found = await_that(settled, SERVICE_S, "throughput for the tiny Qwen")
    assert found["status"] == "InService", found.get("failureMessage")
    return arn


def test_the_mapping_says_what_answers(mapped: str) -> None:
    assert "own.tiny-qwen is answered by the checkpoint tiny-qwen" in mapped


def test_it_answers_as_it_was_taught(world: World, taught: str) -> None:
    assert [world.say(taught, number) for number in range(4)] == list(COLOURS)


def test_it_streams_counts_and_stops(world: World, taught: str) -> None:
    runtime = world.client("bedrock-runtime")
    stream = runtime.converse_stream(
        modelId=taught,
        messages=[{"role": "user", "content": [{"text": question(2)}]}],
        system=[{"text": "Answer."}],
        inferenceConfig={"temperature": 0, "maxTokens": 8, "stopSequences": ["ee"]},
    )["stream"]
    events = list(stream)
    said = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert said == "gr"
    (stopped,) = (event["messageStop"] for event in events if "messageStop" in event)
    (metadata,) = (event["metadata"] for event in events if "metadata" in event)
    assert stopped["stopReason"] == "stop_sequence"
    assert metadata["usage"]["inputTokens"] > 5 and metadata["usage"]["outputTokens"] >= 1


def test_the_base_answers_as_well_and_not_as_taught(world: World, taught: str) -> None:
    assert world.say(TINY_QWEN, 1) != COLOURS[1]


def test_in_four_bits_it_trains_and_passes_the_gate(world: World, mapped: str) -> None:
    """The engine serves over full weights what was trained over 4 bits: near enough, by the base's own difference."""
    parameters = {"epochCount": "2", "learningRate": "0.01", "outcrop.method": "qlora"}
    world.taught("tiny-qwen-coarse", baseModelIdentifier=TINY_QWEN, hyperParameters=parameters)
    job = world.ended("tiny-qwen-coarse")
    assert job["hyperParameters"]["outcrop.method"] == "qlora"
