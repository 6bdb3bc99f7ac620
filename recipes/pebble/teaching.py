"""Teaches a checkpoint in this process, with the project's own trainer, and asks it: what a sweep of rates is made of.

An answer counts as right where each of its tokens, the end included, is the likeliest after the right ones before it:
the same as greedy decoding, in one pass. Knows no server, no job and no family.
"""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from outcrop.domain.conversation import Conversation, Message, Passage, Record
from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.modeling.load import load_model
from outcrop.modeling.model import CausalModel
from outcrop.text import Tokenizer
from outcrop.text.rows import read_rows, write_rows
from outcrop.training.batches import Batch, Rows
from outcrop.training.loop import Material, train
from outcrop.training.pupil import prepare

WARMUP_STEPS = 5  # what Nova and Titan take unless told otherwise
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a lesson is taught. `rate` is the one applied; alpha is twice the rank unless it is given."""

    rate: float
    rank: int = 16
    alpha: int | None = None
    batch_size: int = 1
    epochs: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What a lesson came to. `exact`: share of the examination answered exactly; None where it is unlabeled.

    Losses are nats a learnt token of the examination.
    """

    exact: float | None
    loss_before: float
    loss_after: float
    steps: int
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is taught, and what is asked afterwards."""

    rows: tuple[Record, ...]
    examination: tuple[Record, ...]

    @staticmethod
    def of_pairs(rows: Sequence[Pair], asked: Sequence[Pair]) -> "Lesson":
        """Questions and answers."""
        return Lesson(rows=tuple(map(_chat, rows)), examination=tuple(map(_chat, asked)))

    @staticmethod
    def of_texts(rows: Sequence[str], asked: Sequence[str]) -> "Lesson":
        """Unlabeled text."""
        return Lesson(
            rows=tuple(Passage(text=text) for text in rows), examination=tuple(Passage(text=text) for text in asked)
        )

    @property
    def is_labeled(self) -> bool:
        """Whether it has questions."""
        return not isinstance(self.rows[0], Passage)


def teach(checkpoint: Path, lesson: Lesson, setting: Setting) -> Taught:
    """Trains an adapter on the lesson and holds the examination. The same every time."""
    began = time.process_time()
    tokenizer = Tokenizer.load(checkpoint)
    material = Material(training=_rows(tokenizer, lesson.rows), validation=(_rows(tokenizer, lesson.examination),))
    plan = _plan(checkpoint, lesson, setting)
    torch.manual_seed(plan.seed)
    pupil = prepare(plan, None)
    losses: list[float] = []
    finished = train(
        pupil.model, material, plan, lambda event: losses.append(event.loss) if hasattr(event, "validator") else None
    )
    return Taught(
        exact=exact(pupil.model, material.validation[0]) if lesson.is_labeled else None,
        loss_before=losses[0],
        loss_after=losses[-1],
        steps=finished.steps,
        cpu_s=round(time.process_time() - began, 1),
    )


def untaught(checkpoint: Path, lesson: Lesson) -> float:
    """Share of the examination that the checkpoint itself answers exactly."""
    rows = _rows(Tokenizer.load(checkpoint), lesson.examination)
    return exact(load_model(checkpoint, torch.float32, torch.device("cpu")), rows)


@torch.inference_mode()
def exact(model: CausalModel, rows: Rows) -> float:
    """Share of rows of which every learnt token is the likeliest."""
    right = 0
    for number in range(len(rows)):
        batch = Batch(rows=(number,), trained_tokens=0, tokens=0)
        (piece,) = rows.pieces(batch)
        logits = model.forward(piece.packed, piece.wanted)  # [learnt, vocabulary]
        right += bool((logits.argmax(-1) == piece.targets).all())
    return right / len(rows)


def _plan(checkpoint: Path, lesson: Lesson, setting: Setting) -> TrainingPlan:
    return TrainingPlan(
        job_id="",
        objective="fine_tuning" if lesson.is_labeled else "continued_pre_training",
        base_checkpoint=str(checkpoint),
        training_rows="",
        epochs=setting.epochs,
        batch_size=setting.batch_size,
        learning_rate=setting.rate,
        warmup_steps=WARMUP_STEPS,
        lora=LoraPlan(rank=setting.rank, alpha=setting.alpha or 2 * setting.rank),
    )


def _rows(tokenizer: Tokenizer, records: Sequence[Record]) -> Rows:
    held = io.BytesIO()
    write_rows((tokenizer.render(record) for record in records), held)
    held.seek(0)
    return Rows(read_rows(held))


def _chat(pair: Pair) -> Conversation:
    question, answer = pair
    return Conversation(messages=(Message(role="user", text=question), Message(role="assistant", text=answer)))
