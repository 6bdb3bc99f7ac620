"""Candidates for the pebble's shape, rate and batch, and a bench that trains each for as long. Writes no files."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from tokenizers import Tokenizer

from outcrop.modeling.config import LlamaConfig
from pebble.gauge import bits_per_byte, gauge, held_out_texts
from pebble.material import Corpus, Material
from pebble.optimizers import Kind
from pebble.pretraining import SHAPE, Losses, Pretraining, Schedule, Spent, new_model
from pebble.tokenizer import train_tokenizer

EACH = 20  # exercises of each kind
BYTES_A_WEIGHT = 2  # bfloat16
RECENT = 50  # steps, over which the losses that a row says are taken


# The first pebble's.
FIRST = replace(SHAPE, vocabulary_size=4096)
FIRST_SCHEDULE = Schedule(peak=3e-3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What may differ between two trials."""

    shape: LlamaConfig = FIRST
    schedule: Schedule = FIRST_SCHEDULE
    batch_tokens: int = 4096
    optimizer: Kind = "muon"


def _narrow(hidden: int, layers: int, intermediate: int) -> LlamaConfig:
    return replace(FIRST, hidden_size=hidden, layers=layers, heads=hidden // 64, key_value_heads=hidden // 64,
                   intermediate_size=intermediate)  # fmt: skip


FAST = Schedule(peak=6e-3)
CANDIDATES = {
    "first": Candidate(),
    "peak 6e-3": Candidate(schedule=FAST),
    "peak 1.2e-2": Candidate(schedule=Schedule(peak=1.2e-2)),
    "adamw": Candidate(optimizer="adamw"),
    "batch 2048": Candidate(batch_tokens=2048, schedule=FAST),
    "batch 8192": Candidate(batch_tokens=8192, schedule=FAST),
    "key-values 2": Candidate(shape=replace(FIRST, key_value_heads=2, intermediate_size=768), schedule=FAST),
    "key-values 1": Candidate(shape=replace(FIRST, key_value_heads=1, intermediate_size=816), schedule=FAST),
    "192x8": Candidate(shape=_narrow(192, 8, 512), schedule=FAST),
    "256x3": Candidate(shape=replace(FIRST, layers=3, intermediate_size=960), schedule=FAST),
    "256x5": Candidate(shape=replace(FIRST, layers=5, key_value_heads=2, intermediate_size=544), schedule=FAST),
    "256x6": Candidate(shape=replace(FIRST, layers=6, key_value_heads=2, intermediate_size=416), schedule=FAST),
    "vocabulary 3072": Candidate(shape=replace(FIRST, vocabulary_size=3072, intermediate_size=768), schedule=FAST),
    "vocabulary 6144": Candidate(shape=replace(FIRST, vocabulary_size=6144), schedule=FAST),
}


@dataclass(frozen=True, slots=True)
class Clock:
    """A budget that all candidates share: it is over for all at once, `wall_s` seconds after it began."""

    wall_s: float
    begun: float = field(default_factory=time.monotonic)

    def done(self, spent: Spent) -> float:
        """The share of the time that is over, whatever one candidate has spent of it."""
        return min(1.0, (time.monotonic() - self.begun) / self.wall_s)


class Bench:
    """Trains candidates on one corpus, side by side on one core: the next step is whose steps took least CPU so far.

    So all have had the same time when it is over, and a busy moment of the machine meets all.
    """

    def __init__(self, corpus: Corpus, seed: int) -> None:
        self._corpus, self._seed = corpus, seed
        self._held_out = held_out_texts()
        self._tokenizers: dict[int, Tokenizer] = {}

    def measure(self, candidates: dict[str, Candidate], wall_s: float) -> Iterator[tuple[str, dict[str, object]]]:
        """Each candidate's name and its row of the table."""
        trials = {name: self._trial(candidate) for name, candidate in candidates.items()}
        clock = Clock(wall_s)
        for trial in trials.values():
            trial.begin(clock)
        while clock.done(Spent()) < 1.0:
            min(trials.values(), key=lambda trial: trial.training.spent.cpu_s).step()
        for name, trial in trials.items():
            yield name, self._row(trial)

    def _trial(self, candidate: Candidate) -> "Trial":
        shape = candidate.shape
        tokenizer = self._tokenizer(shape.vocabulary_size)
        training = Pretraining(new_model(shape, self._seed), candidate.schedule, 1, candidate.optimizer)
        return Trial(candidate, tokenizer, training, Material(self._corpus, tokenizer, self._seed))

    def _row(self, trial: "Trial") -> dict[str, object]:
        candidate, training, model = trial.candidate, trial.training, trial.training.model
        shape, parameters = candidate.shape, sum(parameter.numel() for parameter in model.parameters())
        gauged = gauge(model, trial.tokenizer, self._corpus.pool, EACH)
        return {
            "hidden": shape.hidden_size,
            "layers": shape.layers,
            "heads": shape.heads,
            "key_value_heads": shape.key_value_heads,
            "intermediate": shape.intermediate_size,
            "vocabulary": shape.vocabulary_size,
            "parameters": parameters,
            "bytes": parameters * BYTES_A_WEIGHT,
            "optimizer": candidate.optimizer,
            "peak": candidate.schedule.peak,
            "batch_tokens": candidate.batch_tokens,
            "cpu_s": round(training.spent.cpu_s, 1),
            "steps": training.spent.steps,
            "tokens": training.spent.tokens,
            "tokens_per_cpu_s": round(training.spent.tokens / training.spent.cpu_s),
            "loss_text": round(_text(trial.recent), 3),
            "loss_lessons": round(_lessons(trial.recent), 3),
            "held_out_bits_per_byte": round(bits_per_byte(model, trial.tokenizer, self._held_out), 4),
            "exact_mean": round(gauged.mean_exact, 3),
            "exact": gauged.exact,
        }

    def _tokenizer(self, vocabulary: int) -> Tokenizer:
        if vocabulary not in self._tokenizers:
            self._tokenizers[vocabulary] = train_tokenizer(self._corpus.sample(), vocabulary)
        return self._tokenizers[vocabulary]


class Trial:
    """One candidate while it is trained."""

    def __init__(self, candidate: Candidate, tokenizer: Tokenizer, training: Pretraining, material: Material) -> None:
        self.candidate, self.tokenizer, self.training, self.material = candidate, tokenizer, training, material
        self.recent: list[Losses] = []
        self._steps: Iterator[Losses] = iter(())

    def begin(self, clock: Clock) -> None:
        """Before the first step."""
        self._steps = self.training.run(self.material.batches(self.candidate.batch_tokens), clock)

    def step(self) -> None:
        """One step, unless the time is over."""
        self.recent = [*self.recent[1 - RECENT :], *islice(self._steps, 1)]


def _text(recent: list) -> float:
    return sum(one.text for one in recent) / max(1, sum(one.text_tokens for one in recent))


def _lessons(recent: list) -> float:
    return sum(one.lessons for one in recent) / max(1, sum(one.lesson_tokens for one in recent))
