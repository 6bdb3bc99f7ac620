"""Whatever arrives when, for whichever model, and whoever hangs up: each answer is transformers' own; idle means empty.

Each schedule is drawn from its number: the compiled pass or its twin, rows, memory (often so little that newcomers must
wait), prompt pieces, end tokens, arrivals, prompts (some with a beginning that others have too), room for what is kept
of them, models of several ranks, hang-ups, rows taken away, models unloaded and loaded anew.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from counts import Counts
from outcrop.inference.adapter import Adapter
from outcrop.inference.asking import Sampling
from outcrop.inference.cache import Cache
from outcrop.inference.kept_blocks import KeptBlocks
from outcrop.inference.models import Model, Network, load_network
from outcrop.inference.network import TorchNetwork
from outcrop.inference.prefixes import Prefixes
from outcrop.inference.runner import Runner
from outcrop.inference.scheduler import NO_BOUND, Answer, Limits, Scheduler
from outcrop.inference.shelf import About
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.weights import read_tensors

CPU = torch.device("cpu")
SCHEDULES = Counts().few_or_full(24, 400)
LONGEST_PROMPT, LONGEST_ANSWER, MOST_ANSWERS = 60, 24, 16
VOCABULARY = 320
TIE = 1e-4  # of logits: two sums of different order may choose differently within this
MOST_TIES = 0.002  # of answers: more would be no chance

Tally = Counter[str]


class Silent:
    def push(self, token: int) -> tuple[str, str | None]:
        return "", None

    def finish(self) -> tuple[str, str | None]:
        return "", None


@dataclass
class Shelf:
    """The models of one way to compute: the base, adapters of ranks 4, 8 and 16, and whole weights."""

    config: LlamaConfig
    networks: dict[str, Network]
    adapters: dict[str, Path]
    held: dict[str, Model] = field(default_factory=dict)

    def find(self, name: str) -> Model:
        """The model of a name, loaded where it is not."""
        if name not in self.held:
            network = self.networks.get(name, self.networks["base"])
            folder = self.adapters.get(name)
            laid_out = network.fit(Adapter.load(folder, self.config, CPU)) if folder else None
            self.held[name] = Model(name, network, About(version=name, size_bytes=0), laid_out)
        return self.held[name]

    def evict(self, name: str) -> None:
        """Only answers under way keep it."""
        self.held.pop(name, None)

    def names(self) -> list[str]:
        return [*self.networks, *self.adapters]


@pytest.fixture(scope="module")
def config(checkpoint: Path) -> LlamaConfig:
    return LlamaConfig.load(checkpoint)


@pytest.fixture(scope="module")
def shelves(checkpoint: Path, adapters: dict[str, Path], other_weights: Path, config: LlamaConfig) -> dict[str, Shelf]:
    """As the engine loads them here, compiled where there is a compiler; and in torch."""
    folders = {"base": checkpoint, "full": other_weights}
    loaded = {name: load_network(folder, config, CPU) for name, folder in folders.items()}
    twins = {name: TorchNetwork(config, read_tensors(folder), CPU) for name, folder in folders.items()}
    return {"loaded": Shelf(config, dict(loaded), adapters), "torch": Shelf(config, dict(twins), adapters)}


@pytest.fixture(scope="module")
def references(
    checkpoint: Path, adapters: dict[str, Path], other_weights: Path, merged: Callable[..., LlamaForCausalLM]
) -> dict[str, LlamaForCausalLM]:
    found = {name: merged(checkpoint, folder) for name, folder in adapters.items()}
    return {**found, "base": merged(checkpoint, None), "full": merged(other_weights, None)}


@pytest.fixture(scope="module")
def tally(counts: Counts) -> Iterator[Tally]:
    """What all schedules came to, kept where they are all."""
    found: Tally = Counter()
    yield found
    if found["schedules"] == SCHEDULES:
        assert found["put_back"] > 0, "nobody lost a row"
        assert found["prompt_tokens_found"] > 0, "no beginning was used again"
    assert found["ties"] <= max(1, MOST_TIES * found["answers"]), found
    counts.record("schedules", {**found, "ties": found["ties"]})


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One run's dice and what was drawn first."""

    dice: random.Random
    limits: Limits
    ends: frozenset[int]
    shelf: Shelf
    places: int
    beginnings: list[list[int]]

    def answer(self) -> Answer:
        dice = self.dice
        prompt = [0, *(dice.randrange(4, VOCABULARY) for _ in range(dice.randrange(LONGEST_PROMPT)))]
        shared = dice.choice(self.beginnings)
        prompt[: len(shared)] = shared[: dice.randint(1, len(prompt))]
        sampling = Sampling(max_tokens=dice.randint(1, LONGEST_ANSWER), seed=0, temperature=0.0)
        model = self.shelf.find(dice.choice(self.shelf.names()))
        version = model.about.version
        return Answer(prompt=prompt, sampling=sampling, model=model, writer=Silent(), version=version)


def drawn(number: int, shelves: dict[str, Shelf], config: LlamaConfig) -> Schedule:
    dice = random.Random(number)
    cache_tokens = dice.randint(LONGEST_PROMPT + LONGEST_ANSWER, 1024)
    limits = Limits(
        rows=dice.randint(1, 20), cache_tokens=cache_tokens, context_tokens=min(config.context_tokens, cache_tokens),
        prefill_tokens=dice.randint(4, 64),
    )  # fmt: skip
    ends = frozenset(dice.randrange(4, VOCABULARY) for _ in range(dice.choice((0, 8, 24))))
    beginnings = [[0, *(dice.randrange(4, VOCABULARY) for _ in range(dice.randrange(50)))] for _ in range(3)]
    places = dice.choice((0, 2, 8, 64))
    shelf = shelves["torch" if number % 4 == 3 else "loaded"]
    return Schedule(dice=dice, limits=limits, ends=ends, shelf=shelf, places=places, beginnings=beginnings)


class Moods:
    """Turns as the dice have them: who stands still may lose its row to a newcomer, and runs what it had again.

    Others run in pieces, or rest and keep their row. Not all: somebody goes on in the end.
    """

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._share = dice.choice((0.0, 0.1, 0.4))  # of those who are here
        self._bounds = dice.choice(((NO_BOUND,), (NO_BOUND, 0, 1, 7)))
        self._still = set[Answer]()

    def look(self, here: Iterable[Answer]) -> None:
        self._still = {answer for answer in here if self._dice.random() < self._share}

    def next(self, waiting: Sequence[Answer]) -> Answer | None:
        return next((answer for answer in waiting if answer not in self._still), None)

    def taken(self, answer: Answer) -> None:
        pass

    def holds_back(self, answer: Answer) -> bool:
        return answer in self._still

    def most_tokens(self, answer: Answer) -> int:
        return self._dice.choice(self._bounds)


def run(schedule: Schedule, config: LlamaConfig, tally: Tally) -> list[Answer]:
    """Newcomers, steps, hang-ups and evictions in an order of the dice's, until all have ended."""
    dice, limits = schedule.dice, schedule.limits
    prefixes = Prefixes(schedule.places)
    scheduler = Scheduler(limits, schedule.ends, Moods(dice), prefixes)
    cache = Cache(config, limits.cache_tokens, CPU)
    runner = Runner(cache, KeptBlocks(config, schedule.places, CPU))
    answers, to_come = list[Answer](), dice.randint(1, MOST_ANSWERS)
    while to_come or scheduler.busy:
        while to_come and dice.random() < 0.4:
            answers.append(schedule.answer())
            scheduler.submit(answers[-1])
            to_come -= 1
        if dice.random() < 0.05 and scheduler.answers():
            dice.choice(scheduler.answers()).cancelled = True
        if dice.random() < 0.1:
            schedule.shelf.evict(dice.choice(schedule.shelf.names()))
            tally["evicted"] += 1
        ran = [answer for answer in scheduler.answers() if answer.cached]
        step = scheduler.decide()
        scheduler.check()
        tally["put_back"] += sum(answer.row < 0 and not answer.cancelled for answer in ran)
        tally["steps"] += 1
        tally["steps_with_waiting"] += any(answer.row < 0 for answer in scheduler.answers())
        if step is not None:
            scheduler.absorb(step, runner.do(step))
            assert cache.shape[0] * cache.shape[1] <= limits.cache_tokens
    scheduler.check()
    assert not scheduler.answers()
    assert all(answer.row < 0 for answer in answers)
    tally["prompt_tokens_found"] += prefixes.found_tokens
    return answers


def require_own_words(answer: Answer, reference: Any, ends: frozenset[int], tally: Tally) -> None:
    """The tokens are those of transformers' generate; of one who hung up, the first of them."""
    said = answer.known[len(answer.prompt) :]
    prompt = torch.tensor([answer.prompt])
    made = reference.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=answer.sampling.max_tokens, do_sample=False,
        eos_token_id=sorted(ends) or None, pad_token_id=0,
    )  # fmt: skip
    wanted = made[0, len(answer.prompt) :].tolist()
    tally["answers"] += 1
    tally["tokens"] += len(said)
    tally["hung_up"] += len(said) < len(wanted)
    same = said == wanted if len(said) >= len(wanted) else answer.cancelled and said == wanted[: len(said)]
    if not same:
        require_ties(answer, reference, (said, wanted))
        tally["ties"] += 1


def require_ties(answer: Answer, reference: Any, told: object) -> None:
    """Each token chosen is as likely as the likeliest, but for rounding."""
    said = answer.known[len(answer.prompt) :]
    with torch.no_grad():
        logits = reference(torch.tensor([answer.known[:-1]])).logits[0, len(answer.prompt) - 1 :]
    own = logits.gather(1, torch.tensor(said)[:, None])[:, 0]
    assert bool((logits.max(-1).values - own <= TIE).all()), told


@pytest.mark.parametrize("number", range(SCHEDULES))
def test_any_schedule_gives_transformers_greedy_answers(
    config: LlamaConfig, shelves: dict[str, Shelf], references: dict[str, LlamaForCausalLM], tally: Tally, number: int
) -> None:
    schedule = drawn(number, shelves, config)
    answers = run(schedule, config, tally)
    tally["schedules"] += 1
    for answer in answers:
        assert isinstance(answer.model, Model)
        require_own_words(answer, references[answer.model.name], schedule.ends, tally)


def test_the_ranks_differ(adapters: dict[str, Path], config: LlamaConfig) -> None:
    patches = [Adapter.load(folder, config, CPU).patch(0, "self_attn.o") for folder in adapters.values()]
    assert [patch.narrow.shape[1] for patch in patches if patch is not None] == [4, 8, 16]
