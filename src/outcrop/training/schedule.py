"""The learning rate of every step. Knows no optimizer."""

import math
from dataclasses import dataclass
from typing import Literal

from outcrop.domain.plan import TrainingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A linear warm-up to `peak`, then down to nearly nothing at the last step (or not at all)."""

    peak: float
    warmup_steps: int
    steps: int
    shape: Literal["linear", "cosine", "constant"]

    @staticmethod
    def of(plan: TrainingPlan, steps: int) -> "Schedule":
        """The plan's schedule over `steps`. A warm-up longer than half the run is cut to half of it.

        Walkthroughs leave a warm-up meant for thousands of steps on runs of a dozen; they would never reach the rate.
        """
        return Schedule(
            peak=plan.learning_rate,
            warmup_steps=min(plan.warmup_steps, steps // 2),
            steps=steps,
            shape=plan.schedule,
        )

    def learning_rate(self, step: int) -> float:
        """The rate of step `step`, counted from 0: never 0, so that no step is wasted."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / (self.steps - self.warmup_steps)
        if self.shape == "cosine":
            return self.peak * 0.5 * (1 + math.cos(math.pi * done))
        return self.peak * (1 - done) if self.shape == "linear" else self.peak
