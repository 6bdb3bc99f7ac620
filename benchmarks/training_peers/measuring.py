"""One run of one program, as numbers, and whether the programs of a cell did the same work. Starts nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from training_peers.material import Material
from training_peers.programs import Step, mean_examples
from training_peers.watching import Watched

# In float32, two correct trainers differ by rounding only.
SAME_LOSS = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run showed. Rates are of the steps after the warm-up."""

    tokens_per_cpu_s: float
    tokens_per_s: float
    peak_mb: float
    first_step_s: float
    first_step_cpu_s: float
    steps: int
    examples_per_step: float
    real_share: float
    first_losses: tuple[float, ...]
    mean_loss: float

    def as_json(self) -> dict[str, Any]:
        """For the results file: no more digits than a clock of ticks gives."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def measured(watched: Watched, steps: Sequence[Step], warm_up: int, passes: int) -> Measured:
    """The numbers of one run. `mean_loss` is that of the first pass, over trained tokens."""
    moments = watched.steps
    before, after, counted = moments[warm_up - 1], moments[-1], steps[warm_up:]
    real = sum(step.real for step in counted)
    first_pass = steps[: len(steps) // passes]
    return Measured(
        tokens_per_cpu_s=real / (after.cpu_seconds - before.cpu_seconds),
        tokens_per_s=real / (after.seconds - before.seconds),
        peak_mb=watched.peak_mb,
        first_step_s=moments[0].seconds,
        first_step_cpu_s=moments[0].cpu_seconds,
        steps=len(steps),
        examples_per_step=mean_examples(steps),
        real_share=sum(step.real for step in steps) / sum(step.computed for step in steps),
        first_losses=tuple(step.loss for step in first_pass[:3]),
        mean_loss=sum(step.loss * step.trained for step in first_pass) / sum(step.trained for step in first_pass),
    )


def require_equal_work(name: str, steps: Sequence[Step], material: Material, passes: int) -> None:
    """Every row once a pass, uncut, with every trained token. Ends this program where that is not so."""
    expected = {"rows": len(material.rows), "real tokens": material.tokens, "trained tokens": material.learnt}
    found = {
        "rows": sum(step.examples for step in steps),
        "real tokens": sum(step.real for step in steps),
        "trained tokens": sum(step.trained for step in steps),
    }
    if found != {what: number * passes for what, number in expected.items()}:
        raise SystemExit(f"{name} did other work: {found} in {passes} passes over {expected}")


def require_equal_loss(ours: Measured, padded: Measured) -> None:
    """In float32, the first step of Outcrop and of padded TRL, which take the same rows from the same weights."""
    mine, theirs = ours.first_losses[0], padded.first_losses[0]
    if abs(mine - theirs) > SAME_LOSS * abs(theirs):
        raise SystemExit(f"the first step's loss is {mine} with Outcrop and {theirs} with TRL: not the same training")


def require_equal_maths(runs: Mapping[str, Measured]) -> None:
    """With a learning rate of 0, the mean loss of all rows is one number, however they are batched and packed."""
    losses = {name: run.mean_loss for name, run in runs.items()}
    lowest, highest = min(losses.values()), max(losses.values())
    if highest - lowest > SAME_LOSS * lowest:
        raise SystemExit(f"the programs do not compute the same loss of the same rows and weights: {losses}")


def report(cell: str, runs: Mapping[str, Measured]) -> str:
    """A line a program."""
    lines = [
        f"  {name:20s} {run.tokens_per_cpu_s:8.1f} tokens/CPU-s  {run.peak_mb:6.0f} MB"
        f"  first step {run.first_step_s:5.2f} s ({run.first_step_cpu_s:5.2f} CPU-s)"
        f"  {run.examples_per_step:4.1f} examples a step"
        f"  {run.real_share:4.0%} real  loss {run.first_losses[0]:.5f} -> {run.mean_loss:.5f}"
        for name, run in runs.items()
    ]
    return "\n".join([cell, *lines])


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
