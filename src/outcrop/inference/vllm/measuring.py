"""What a vLLM server does for its base: timed at a full batch, from outside. Knows no request and no unit.

It counts the machine as it was found: what other programs took meanwhile is missing from what is measured.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from outcrop.domain.model_units import Capacity
from outcrop.inference.vllm.peer import Peer

ROWS = 16
PROMPT_TOKENS, ANSWER_TOKENS = 32, 16
ROUNDS = 2  # the first one warms what vLLM makes when it is first needed
SHORTEST_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A model to time, and the tokens that it knows."""

    peer: Peer
    model: str
    vocabulary: int
    context_tokens: int


def measured(measure: Measured, clock: Callable[[], float] = time.monotonic) -> Capacity:
    """Of the last round. Raises PeerLost or PeerRefused."""
    return asyncio.run(_measured(measure, clock))


async def _measured(measure: Measured, clock: Callable[[], float]) -> Capacity:
    try:
        for number in range(ROUNDS):
            capacity = await _round(measure, number, clock)
        return capacity
    finally:
        await measure.peer.close()


async def _round(measure: Measured, number: int, clock: Callable[[], float]) -> Capacity:
    prompt_tokens = max(1, min(PROMPT_TOKENS, measure.context_tokens - ANSWER_TOKENS))
    dice = Random(number)  # other prompts each time: vLLM remembers those that it has seen
    prompts = [[dice.randrange(measure.vocabulary) for _ in range(prompt_tokens)] for _ in range(ROWS)]
    began = clock()
    times = await asyncio.gather(*(_answer(measure, prompt, clock) for prompt in prompts))
    first, last = max(first for first, _ in times), max(last for _, last in times)
    return Capacity(
        input_tokens_s=ROWS * prompt_tokens / max(first - began, SHORTEST_S),
        output_tokens_s=ROWS * (ANSWER_TOKENS - 1) / max(last - min(one for one, _ in times), SHORTEST_S),
    )


async def _answer(measure: Measured, prompt: list[int], clock: Callable[[], float]) -> tuple[float, float]:
    """When its first token came, and its last."""
    body = {
        "model": measure.model,
        "prompt": prompt,
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "ignore_eos": True,
    }
    first = None
    async with measure.peer.stream(body) as events:
        async for _ in events:
            first = first or clock()
    last = clock()
    return first or last, last
