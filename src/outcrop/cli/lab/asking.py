"""Asks base and custom models the held-out questions through the runtime, and scores the answers by exact match."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from outcrop.cli.lab.course import Customized
from outcrop.cli.lab.tasks import Pair
from outcrop.cli.options import Clients

ASKERS = 8
LONGEST_ANSWER = 96  # tokens: the longest right answer is shorter


def ask(clients: Clients, model_id: str, pairs: Sequence[Pair], told: Callable[[], None]) -> list[str]:
    """The model's answer to each question, greedily; `told` hears of each."""
    clients.runtime  # noqa: B018  (made here, once: a session makes clients in one thread only)

    def one(pair: Pair) -> str:
        answer = converse(clients, model_id, pair[0])
        told()
        return answer

    with ThreadPoolExecutor(ASKERS) as askers:
        return list(askers.map(one, pairs))


def converse(clients: Clients, model_id: str, question: str) -> str:
    """One answer."""
    answer = clients.runtime.converse(modelId=model_id, messages=_asked(question), inferenceConfig=_inference())
    return "".join(block["text"] for block in answer["output"]["message"]["content"])


def converse_streamed(clients: Clients, model_id: str, question: str) -> str:
    """One answer, as it is said."""
    stream = clients.runtime.converse_stream(modelId=model_id, messages=_asked(question), inferenceConfig=_inference())[
        "stream"
    ]
    return "".join(event["contentBlockDelta"]["delta"]["text"] for event in stream if "contentBlockDelta" in event)


def invoke_titan(clients: Clients, model_id: str, text: str) -> str:
    """How a Titan Text model goes on from a text."""
    body = {"inputText": text, "textGenerationConfig": {"maxTokenCount": LONGEST_ANSWER, "temperature": 0.0}}
    answer = clients.runtime.invoke_model(modelId=model_id, body=json.dumps(body))
    return str(json.loads(answer["body"].read())["results"][0]["outputText"])


def score(one: Customized, who: str) -> float:
    """Share of held-out questions answered exactly."""
    right = [answer.strip() == pair[1] for answer, pair in zip(one.answers[who], one.task.held_out, strict=True)]
    return sum(right) / len(right)


def _asked(question: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": question}]}]


def _inference() -> dict[str, Any]:
    return {"maxTokens": LONGEST_ANSWER, "temperature": 0.0}
