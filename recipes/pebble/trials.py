"""Candidates for the pebble's shape, rate and batch, and a bench that trains each for as long. Writes no files."""

import sys
import time
from dataclasses import dataclass, field, replace

from tokenizers import Tokenizer

from outcrop.modeling.config import LlamaConfig
from pebble.gauge import bits_per_byte, gauge, held_out_texts
from pebble.material import Corpus, Material
from pebble.optimizers import Kind
from pebble.pretraining import SHAPE, Budget, Pretraining, Schedule, new_model
from pebble.tokenizer import train_tokenizer

EACH = 20  # exercises of each kind
BYTES_A_WEIGHT = 2  # bfloat16
SAID_EVERY = 100  # steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What may differ between two trials."""

    shape: LlamaConfig = SHAPE
    schedule: Schedule = field(default_factory=Schedule)
    batch_tokens: int = 4096
    optimizer: Kind = "muon"


def _narrow(hidden: int, layers: int, intermediate: int) -> LlamaConfig:
    return replace(SHAPE, hidden_size=hidden, layers=layers, heads=hidden // 64, key_value_heads=hidden // 64,
                   intermediate_size=intermediate)  # fmt: skip


CANDIDATES = {
    "first": Candidate(),
    "adamw": Candidate(optimizer="adamw"),
    "key-values 2": Candidate(shape=replace(SHAPE, key_value_heads=2, intermediate_size=768)),
    "key-values 1": Candidate(shape=replace(SHAPE, key_value_heads=1, intermediate_size=816)),
    "192x8": Candidate(shape=_narrow(192, 8, 512)),
    "256x5": Candidate(shape=replace(SHAPE, layers=5, key_value_heads=2, intermediate_size=640)),
    "256x3": Candidate(shape=replace(SHAPE, layers=3, intermediate_size=960)),
    "vocabulary 3072": Candidate(shape=replace(SHAPE, vocabulary_size=3072, intermediate_size=768)),
    "vocabulary 6144": Candidate(shape=replace(SHAPE, vocabulary_size=6144)),
    "batch 2048": Candidate(batch_tokens=2048),
    "batch 8192": Candidate(batch_tokens=8192),
    "peak 6e-3": Candidate(schedule=Schedule(peak=6e-3)),
    "peak 1.2e-2": Candidate(schedule=Schedule(peak=1.2e-2)),
    "peak 1.5e-3": Candidate(schedule=Schedule(peak=1.5e-3)),
}


class Bench:
    """Trains candidates on one corpus, each for `cpu_s` seconds of this process, with one worker."""

    def __init__(self, corpus: Corpus, seed: int, cpu_s: float) -> None:
        self._corpus, self._seed, self._cpu_s = corpus, seed, cpu_s
        self._held_out = held_out_texts()
        self._tokenizers: dict[int, Tokenizer] = {}

    def measure(self, candidate: Candidate) -> dict[str, object]:
        """A row of the table."""
        shape = candidate.shape
        tokenizer = self._tokenizer(shape.vocabulary_size)
        model = new_model(shape, self._seed)
        training = Pretraining(model, candidate.schedule, 1, candidate.optimizer)
        material, begun = Material(self._corpus, tokenizer, self._seed), time.process_time()
        text, lessons = self._train(training, material, candidate)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        gauged = gauge(model, tokenizer, self._corpus.pool, EACH)
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
            "cpu_s_with_material": round(time.process_time() - begun, 1),
            "steps": training.spent.steps,
            "tokens": training.spent.tokens,
            "tokens_per_cpu_s": round(training.spent.tokens / training.spent.cpu_s),
            "loss_text": round(text, 3),
            "loss_lessons": round(lessons, 3),
            "held_out_bits_per_byte": round(bits_per_byte(model, tokenizer, self._held_out), 4),
            "exact_mean": round(gauged.mean_exact, 3),
            "exact": gauged.exact,
        }

    def _train(self, training: Pretraining, material: Material, candidate: Candidate) -> tuple[float, float]:
        """The losses of text and of lessons in its last steps, in nats a token."""
        recent = []
        budget = Budget(cpu_s=self._cpu_s)
        for losses in training.run(material.batches(candidate.batch_tokens), budget):
            recent = [*recent[1 - SAID_EVERY :], losses]
            if training.spent.steps % SAID_EVERY == 0:
                say = f"{budget.done(training.spent):.0%} text {_text(recent):.3f} lessons {_lessons(recent):.3f}"
                print(say, file=sys.stderr, flush=True)
        return _text(recent), _lessons(recent)

    def _tokenizer(self, vocabulary: int) -> Tokenizer:
        if vocabulary not in self._tokenizers:
            self._tokenizers[vocabulary] = train_tokenizer(self._corpus.passages, vocabulary)
        return self._tokenizers[vocabulary]


def _text(recent: list) -> float:
    return sum(one.text for one in recent) / max(1, sum(one.text_tokens for one in recent))


def _lessons(recent: list) -> float:
    return sum(one.lessons for one in recent) / max(1, sum(one.lesson_tokens for one in recent))
