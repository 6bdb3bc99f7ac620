"""A run as a dated result: its marks, and its losses in parts, from its log and its card. Measures nothing."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from pebble.gates.verdict import FIRST_PEBBLE_BITS_PER_BYTE

PART_STEPS = 100  # to a line of the losses: whole, the log is megabytes
LOSSES = ("loss", "loss_text", "loss_lessons")


def run_result(log: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Everything of a run that its log tells."""
    steps = [line for line in log if "loss" in line]
    return {
        "first_pebble_bits_per_byte": FIRST_PEBBLE_BITS_PER_BYTE,
        "marks": [_mark(line, steps) for line in log if "held_out_bits_per_byte" in line],
        "losses": [_part(steps[start : start + PART_STEPS]) for start in range(0, len(steps), PART_STEPS)],
    }


def _mark(line: dict[str, Any], steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A measurement, with the losses of the steps before it."""
    before = [step for step in steps if line["step"] - PART_STEPS < step["step"] <= line["step"]]
    measured = {name: line[name] for name in ("held_out_bits_per_byte", "held_out_texts", "exact")}
    return _part(before) | measured | {"exact_mean": round(fmean(line["exact"].values()), 3)}


def _part(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean losses over some steps, and where the run was after the last."""
    last = steps[-1]
    losses = {name: round(fmean(step[name] for step in steps), 3) for name in LOSSES}
    spent = {"minutes": round(last["wall_s"] / 60, 1), "cpu_minutes": round(last["cpu_s"] / 60, 1)}
    rate = {"learning_rate": float(f"{last['learning_rate']:.3e}")}
    return {"step": last["step"], "tokens": last["tokens"]} | spent | rate | losses
