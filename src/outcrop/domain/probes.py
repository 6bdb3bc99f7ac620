"""Rows with what the trainer itself answers at their places, before and after training: plain data, written as JSON.

They hold a user's tokens: they lie sealed beside the model. Knows nothing of who compares them with what.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PROBES_FILE = "probes.json"
# Enough to tell a model from its base by far, few enough that a small job does not feel them: the gate's record.
PROBE_ROWS = 8
SCORED_TOKENS = 128
LIKELIEST = 4

Place = Mapping[int, float]
"""Log-probabilities (nats) by token at one place of a row: that of the token there, and of the likeliest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One row as it was trained, and answers for the first places of it after its first token.

    `prompt`: how many of `tokens` come before the first that is learnt. `base`: the foundation checkpoint's answers,
    `model`: the trained model's, both computed by the trainer.
    """

    tokens: tuple[int, ...]
    prompt: int
    base: tuple[Place, ...]
    model: tuple[Place, ...]

    @property
    def scored(self) -> tuple[int, ...]:
        """The part of the row that answers are for."""
        return self.tokens[: len(self.base) + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """The probes of one model."""

    rows: tuple[Probe, ...]

    def to_json(self) -> bytes:
        """One JSON object."""
        rows = [
            {"tokens": row.tokens, "prompt": row.prompt, "base": _plain(row.base), "model": _plain(row.model)}
            for row in self.rows
        ]
        return json.dumps({"rows": rows}).encode()

    @staticmethod
    def from_json(content: bytes) -> "Probes":
        """The probes that `to_json` wrote. Raises ValueError or KeyError for anything else."""
        return Probes(
            rows=tuple(
                Probe(
                    tokens=tuple(row["tokens"]),
                    prompt=row["prompt"],
                    base=_places(row["base"]),
                    model=_places(row["model"]),
                )
                for row in json.loads(content)["rows"]
            )
        )


def _plain(places: Sequence[Place]) -> list[list[tuple[int, float]]]:
    return [list(place.items()) for place in places]


def _places(plain: Sequence[Sequence[tuple[int, float]]]) -> tuple[Place, ...]:
    return tuple(dict(place) for place in plain)
