"""Whatever arrives when, for whichever model, and whoever hangs up: each answer is transformers' own; idle means empty.

Each schedule is drawn from its number: rows, memory, prompt pieces, arrivals, prompts, models, hang-ups.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from counts import Counts
from outcrop.inference.asking import Sampling
from outcrop.inference.cache import Cache
from outcrop.inference.models import Models
from outcrop.inference.runner import Runner
from outcrop.inference.scheduler import Answer, Limits, Scheduler
from outcrop.modeling.config import LlamaConfig

CPU = torch.device("cpu")
SCHEDULES = Counts().few_or_full(4, 200)
LONGEST_PROMPT, LONGEST_ANSWER = 60, 20
TIE = 1e-4  # of logits: two sums of different order may choose differently within this


class Silent:
    def push(self, token: int) -> tuple[str, str | None]:
        return "", None

    def finish(self) -> tuple[str, str | None]:
        return "", None


@pytest.fixture(scope="module")
def models(checkpoint: Path, adapters: dict[str, Path], other_weights: Path) -> Models:
    loaded = Models(checkpoint, LlamaConfig.load(checkpoint), CPU)
    for name, folder in {**adapters, "full": other_weights}.items():
        loaded.load(name, folder)
    return loaded


@pytest.fixture(scope="module")
def references(
    checkpoint: Path, adapters: dict[str, Path], other_weights: Path, merged: Callable[..., LlamaForCausalLM]
) -> dict[str, LlamaForCausalLM]:
    found = {name: merged(checkpoint, folder) for name, folder in adapters.items()}
    return {**found, "base": merged(checkpoint, None), "full": merged(other_weights, None)}


def drawn(dice: random.Random, models: Models) -> Answer:
    prompt = [0, *(dice.randrange(4, 320) for _ in range(dice.randrange(LONGEST_PROMPT)))]
    sampling = Sampling(max_tokens=dice.randint(1, LONGEST_ANSWER), seed=0, temperature=0.0)
    return Answer(prompt=prompt, sampling=sampling, model=models.find(dice.choice(models.names())), writer=Silent())


def require_invariants(scheduler: Scheduler, limits: Limits) -> None:
    running = [answer for answer in scheduler.answers() if answer.row >= 0]
    assert sorted(answer.row for answer in running) == list(range(len(running)))
    assert len(running) <= limits.rows
    assert all(answer.cached < len(answer.known) for answer in running)


def run(dice: random.Random, answers: list[Answer], config: LlamaConfig) -> None:
    """Newcomers, steps and hang-ups in an order of the dice's, until all have ended."""
    rows = dice.randint(1, 20)
    cache_tokens = dice.randint(LONGEST_PROMPT + LONGEST_ANSWER, 1024)
    limits = Limits(rows=rows, cache_tokens=cache_tokens, context_tokens=config.context_tokens,
                    prefill_tokens=dice.randint(4, 64))  # fmt: skip
    scheduler, cache = Scheduler(limits, frozenset()), Cache(config, cache_tokens, CPU)
    runner, coming = Runner(cache), list(answers)
    while coming or scheduler.busy:
        while coming and dice.random() < 0.4:
            scheduler.submit(coming.pop())
        if dice.random() < 0.05 and scheduler.answers():
            dice.choice(scheduler.answers()).cancelled = True
        step = scheduler.decide()
        require_invariants(scheduler, limits)
        if step is not None:
            scheduler.absorb(step, runner.do(step))
            assert cache.shape[0] * cache.shape[1] <= cache_tokens
    assert not scheduler.answers()
    assert all(answer.row < 0 for answer in answers)


def require_own_words(answer: Answer, reference: Any) -> None:
    """Each token chosen is the likeliest after those before it, as transformers computes it in one pass."""
    said = answer.known[len(answer.prompt) :]
    if not said:
        assert answer.cancelled
        return
    with torch.no_grad():
        logits = reference(torch.tensor([answer.known[:-1]])).logits[0, len(answer.prompt) - 1 :]
    best = logits.max(-1).values
    own = logits.gather(1, torch.tensor(said)[:, None])[:, 0]
    assert bool((best - own <= TIE).all()), (said, logits.argmax(-1).tolist())


@pytest.mark.parametrize("number", range(SCHEDULES))
def test_any_schedule_gives_transformers_greedy_answers(
    checkpoint: Path, models: Models, references: dict[str, LlamaForCausalLM], number: int
) -> None:
    dice = random.Random(number)
    answers = [drawn(dice, models) for _ in range(dice.randint(1, 16))]
    run(dice, answers, LlamaConfig.load(checkpoint))
    for answer in answers:
        require_own_words(answer, references[answer.model.name])  # type: ignore[attr-defined]  # opaque to the scheduler
        assert answer.cancelled or answer.output_tokens == answer.sampling.max_tokens
