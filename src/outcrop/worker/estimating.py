"""What a job is expected to take: said before it trains, graded when it has. Knows nothing of how it trains."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outcrop.config import Settings
from outcrop.domain.amounts import duration, gigabytes
from outcrop.domain.effort import Data
from outcrop.domain.errors import CheckpointError, JobFailure
from outcrop.domain.estimate import Estimate, Question, estimate, what_would_fit, with_room
from outcrop.domain.events import Finished
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import TrainingPlan
from outcrop.domain.row_statistics import RowStatistics
from outcrop.worker import machine, planning
from outcrop.worker.data import WrittenRows

# A shorter run says more of what else the machine did than of its speed.
SHORTEST_LESSON_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A job's estimate, and what it was asked for: `question.plan` is the plan to run."""

    question: Question
    estimate: Estimate

    def require_room(self) -> None:
        """Raises JobFailure where the plan can never fit here: with the numbers, and what would fit.

        What is free now decides nothing: another job, or an engine that lingers, holds memory for a while only.
        """
        if self.estimate.never_fits:
            raise JobFailure(
                f"The training would need about {gigabytes(self.estimate.needed_bytes)} of memory, and "
                f"{gigabytes(self.estimate.most_bytes)} are the most that a job can have on {self.estimate.memory}. "
                f"{self.mend()}"
            )

    def in_words(self) -> str:
        """In one line: `84 steps, 12,345 tokens (4,567 trained) in 3 epochs; about 40 s; 0.5 GB of ...: fits`."""
        said = self.estimate
        time = "for how long is not known" if said.seconds is None else f"about {duration(said.seconds)}"
        there = "of" if self.question.machine.card else "free on"
        how = ", layers computed twice to save memory" if said.recompute else ""
        return (
            f"{said.steps:,} steps, {said.tokens:,} tokens ({said.trained_tokens:,} trained), epochs: {said.epochs}; "
            f"{time}; {gigabytes(said.needed_bytes)} of the {gigabytes(said.available_bytes)} of memory {there} "
            f"{said.memory}: {self.verdict()}{how}"
        )

    def verdict(self) -> str:
        """Whether it fits, in words."""
        if self.estimate.fits:
            return "fits"
        if self.estimate.never_fits:
            return f"does not fit, nor in the {gigabytes(self.estimate.most_bytes)} that a job can have at most"
        return "does not fit now"

    def mend(self) -> str:
        """What would fit, in a sentence."""
        asked = self.question
        if self.estimate.never_fits:  # then not what is free now, but all there is
            asked = replace(asked, machine=replace(asked.machine, memory_bytes=asked.machine.most_bytes))
        changes = list(what_would_fit(asked))
        return f"What would fit: {'; or '.join(changes)}." if changes else "No batchSize and no row length would fit."


def data_of(rows: WrittenRows) -> Data:
    """A job's rows in numbers, all validators' together."""
    validation = sum((each.statistics for each in rows.validation_summaries), RowStatistics())
    return Data(training=rows.summary.statistics, validation=validation)


def expect(
    settings: Settings, plan: TrainingPlan, data: Data, place: machine.Place | None = None
) -> Expectation | None:
    """What the plan will take here, its layers computed again for the backward pass where only that has room.

    None where the checkpoint's config.json does not state its sizes. `place`: where this machine is measured, if it
    has to be.
    """
    shape = shape_of(Path(plan.base_checkpoint))
    if shape is None:
        return None
    here = machine.here(settings.machine_file, plan.threads, place)
    question = Question(shape=shape, plan=plan, data=data, machine=here, whole_parent=_whole(settings, plan))
    question = with_room(question)
    return Expectation(question=question, estimate=estimate(question))


def learn(file: Path, said: Mapping[str, Any], finished: Finished) -> None:
    """Let later estimates know how long a run really took, of which this was said."""
    plain, took = said["plainSeconds"], finished.seconds - said["startSeconds"]
    if plain and min(plain, took) >= SHORTEST_LESSON_S:
        machine.learn(file, said["kind"], took / plain * said["steps"] / finished.steps)


def expect_file(settings: Settings, asked: planning.Asked, statistics: RowStatistics) -> Expectation | None:
    """What a job on a file here would take, validation apart: as `expect`, before there is a job."""
    return expect(settings, planning.plan_of(settings, asked), Data(training=statistics))


def _whole(settings: Settings, plan: TrainingPlan) -> bool:
    """Whether the plan's parent has whole weights."""
    return plan.parent is not None and settings.whole_weights_file(Path(plan.parent).name).exists()


def shape_of(checkpoint: Path) -> ModelShape | None:
    """The model's sizes; None where its config.json does not state them."""
    try:
        return ModelShape.from_config(json.loads((checkpoint / "config.json").read_bytes()))
    except (OSError, ValueError, CheckpointError):  # whether the model can be loaded is for the child to say
        return None
