"""What the trainer itself answers on a few rows: of the model that it made, and of the base that this came of.

Knows nothing of who compares these answers with what an engine says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from outcrop.domain.probes import LIKELIEST, PROBE_ROWS, SCORED_TOKENS, Place, Probe, Probes
from outcrop.modeling.model import CausalModel
from outcrop.modeling.packed import Packed
from outcrop.training.batches import Rows

Answers = tuple[tuple[Place, ...], ...]


@dataclass(frozen=True, slots=True)
class Probing:
    """The rows that are looked at; `prompts` is how many of each one's tokens nobody learns."""

    rows: tuple[tuple[int, ...], ...]
    prompts: tuple[int, ...]

    @staticmethod
    def of(rows: Rows) -> "Probing":
        """The first of `rows`."""
        chosen = [rows.row(number) for number in range(min(PROBE_ROWS, len(rows)))]
        tokens = tuple(tuple(ids.tolist()) for ids, _ in chosen)
        return Probing(tokens, tuple(int(np.argmax(trained)) for _, trained in chosen))

    def answered(self, base: Answers, model: Answers) -> Probes:
        """The probes, with the foundation checkpoint's answers and those of the model that was made from it."""
        parts = zip(self.rows, self.prompts, base, model, strict=True)
        return Probes(
            rows=tuple(
                Probe(tokens=tokens, prompt=prompt, base=before, model=after) for tokens, prompt, before, after in parts
            )
        )


@torch.no_grad()
def answers(model: CausalModel, rows: Sequence[Sequence[int]]) -> Answers:
    """For each row, at each of its first places: the log-probability of the token that follows, and the likeliest.

    A row's last token is left out: whole, the row may fill the context, and an engine would have no room to answer.
    """
    model.eval()
    return tuple(_answers(model, row[: min(SCORED_TOKENS, max(2, len(row) - 1))]) for row in rows)


def _answers(model: CausalModel, row: Sequence[int]) -> tuple[Place, ...]:
    tokens = torch.tensor(row)
    logits = model.forward(Packed.of([tokens[:-1]]).to(model.device))
    chances = logits.float().log_softmax(-1).cpu()  # [n - 1, vocabulary]
    own = chances.gather(1, tokens[1:, None])  # [n - 1, 1]
    best, names = chances.topk(min(LIKELIEST, chances.shape[1]))
    every_name, every_chance = torch.cat([names, tokens[1:, None]], dim=1), torch.cat([best, own], dim=1)
    places = zip(every_name.tolist(), every_chance.tolist(), strict=True)
    return tuple(dict(zip(found, values, strict=True)) for found, values in places)
