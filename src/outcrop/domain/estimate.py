"""What a training run will take, said before it begins, and graded when it has ended. Pure arithmetic.

Tokens and steps are exact; memory is the footprint of the largest piece; seconds come from the work over the machine's
measured speed, corrected by what earlier jobs of the same kind took there.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from outcrop.domain.effort import LOADING_S, Data, effort
from outcrop.domain.events import Finished
from outcrop.domain.footprint import Run, needed_bytes, peak_bytes
from outcrop.domain.machine import Machine, Precision
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import LoraPlan, TrainingPlan

# Estimates are within 25 % of what happens: a plan beyond that of all there is can never fit.
CERTAINLY = 1.25
RATIO_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an estimate is asked for: a model, a plan, its data, and the machine that shall run it.

    `whole_parent`: the plan's parent has whole weights, which are read after the base's.
    """

    shape: ModelShape
    plan: TrainingPlan
    data: Data
    machine: Machine
    whole_parent: bool = False

    @property
    def precision(self) -> Precision:
        """What the matrix products are computed in."""
        return self.plan.precision

    @property
    def kind(self) -> str:
        """Jobs of one kind are graded together."""
        method = "lora" if self.plan.lora else "full"
        engine = "" if self.shape.architecture == "llama" else "/general"
        return f"{self.machine.card or 'cpu'}/{self.plan.threads}/{method}/{self.precision}{engine}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A run in numbers. `tokens` are those of all epochs, `trained_tokens` of them learnt.

    `start_s` until the first step, then `training_s`: `plain_s` times what earlier jobs taught; both None where the
    machine's speed is not known. `peak_bytes` is what the process will report; `needed_bytes` of it, all but mapped
    files, are held against `available_bytes` of `memory`, which are free now, and against `most_bytes`, which could be.
    `recompute`: with layers computed again for the backward pass. Jobs of one `kind` teach each other.
    """

    rows: int
    epochs: int
    steps: int
    tokens: int
    trained_tokens: int
    start_s: float
    plain_s: float | None
    training_s: float | None
    peak_bytes: int
    needed_bytes: int
    available_bytes: int
    most_bytes: int
    memory: str
    recompute: bool
    kind: str

    @property
    def seconds(self) -> float | None:
        """From the process's start to its end."""
        return None if self.training_s is None else self.start_s + self.training_s

    @property
    def fits(self) -> bool:
        """Whether what is needed is within what is free."""
        return self.needed_bytes <= self.available_bytes

    @property
    def never_fits(self) -> bool:
        """Whether it would not fit if nothing else ran here and the estimate were as far off as estimates are."""
        return self.needed_bytes > CERTAINLY * self.most_bytes

    def to_dict(self) -> dict[str, Any]:
        """As it is shown and kept."""
        return {
            "rows": self.rows,
            "epochs": self.epochs,
            "steps": self.steps,
            "tokens": self.tokens,
            "trainedTokens": self.trained_tokens,
            "seconds": self.seconds,
            "peakBytes": self.peak_bytes,
            "neededBytes": self.needed_bytes,
            "availableBytes": self.available_bytes,
            "mostBytes": self.most_bytes,
            "memory": self.memory,
            "fits": self.fits,
            "recompute": self.recompute,
            "startSeconds": self.start_s,
            "plainSeconds": self.plain_s,
            "kind": self.kind,
        }


def estimate(question: Question) -> Estimate:
    """What the plan will take."""
    plan, rows, machine = question.plan, question.data.training, question.machine
    steps = plan.epochs * math.ceil(rows.rows / plan.batch_size)
    run = Run(
        shape=question.shape,
        plan=plan,
        rows=rows,
        precision=question.precision,
        on_card=machine.card is not None,
        whole_parent=question.whole_parent,
        process_bytes=machine.process_bytes,
    )
    work = effort(question.shape, plan, question.data, steps=steps, piece_tokens=run.piece_tokens)
    plain = work.seconds(machine, question.precision)
    training_s = None if plain is None else plain * machine.grades.get(question.kind, 1.0)
    run = replace(run, checkpoints=_comes_to_a_checkpoint(plan, steps, training_s))
    return Estimate(
        rows=rows.rows,
        epochs=plan.epochs,
        steps=steps,
        tokens=plan.epochs * rows.tokens,
        trained_tokens=plan.epochs * rows.trained_tokens,
        start_s=machine.start_s + LOADING_S,
        plain_s=plain,
        training_s=training_s,
        peak_bytes=peak_bytes(run),
        needed_bytes=needed_bytes(run),
        available_bytes=machine.memory_bytes,
        most_bytes=machine.most_bytes,
        memory=machine.card or "this machine",
        recompute=plan.recompute,
        kind=question.kind,
    )


def with_room(question: Question) -> Question:
    """As asked where that fits; else with layers computed again for the backward pass, where that needs less."""
    asked = replace(question, plan=replace(question.plan, recompute=False))
    said = estimate(asked)
    if said.fits:
        return asked
    frugal = replace(question, plan=replace(question.plan, recompute=True))
    return frugal if estimate(frugal).needed_bytes < said.needed_bytes else asked


def what_would_fit(question: Question) -> Iterator[str]:
    """Changes to a plan that does not fit the machine's `memory_bytes`, each of which alone would make it fit."""
    plan, rows = question.plan, question.data.training
    for batch_size in _halved(plan.batch_size):
        if _fits(replace(question, plan=replace(plan, batch_size=batch_size))):
            yield f"batchSize {batch_size} instead of {plan.batch_size}"
            break
    for longest in _halved(rows.longest):
        if _fits(replace(question, data=replace(question.data, training=rows.shortened(longest)))):
            yield f"rows of at most {longest:,} tokens instead of {rows.longest:,}"
            break
    if plan.lora is None and _fits(replace(question, plan=replace(plan, lora=LoraPlan()))):
        yield "LoRA instead of full training (outcrop.method lora)"


def grade(said: Mapping[str, Any], finished: Finished, trained_tokens: int, *, resumed: bool = False) -> dict[str, Any]:
    """What was said (an estimate's `to_dict`) beside what happened, and actual / estimated of each number.

    The seconds of a `resumed` run are those of its last attempt only, and have no ratio.
    """
    actual = {
        "steps": finished.steps,
        "trainedTokens": trained_tokens,
        "seconds": finished.seconds,
        "peakBytes": finished.card_peak_bytes or finished.peak_bytes,
    }
    compared = [name for name in actual if said[name] and not (resumed and name == "seconds")]
    ratio = {name: round(actual[name] / said[name], RATIO_DIGITS) for name in compared}
    return {"estimated": dict(said), "actual": actual, "ratio": ratio}


def _comes_to_a_checkpoint(plan: TrainingPlan, steps: int, training_s: float | None) -> bool:
    """Whether the run goes on long enough that its state is written on the way."""
    if plan.checkpoint_every_steps is not None:
        return steps > plan.checkpoint_every_steps
    return training_s is None or training_s > plan.checkpoint_every_s


def _fits(question: Question) -> bool:
    return estimate(with_room(question)).fits


def _halved(value: int) -> Iterator[int]:
    while value > 1:
        value //= 2
        yield value
