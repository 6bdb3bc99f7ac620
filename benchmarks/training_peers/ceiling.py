"""The most that this machine's matrix products give, and the least that a token needs. Knows no trainer.

python ceiling.py      prints {"float32": FLOP/s, "bfloat16": FLOP/s} of one thread
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Rows, inputs, outputs: a big square product, and what layers of the measured models multiply.
SHAPES = ((2048, 2048, 2048), (1024, 640, 3456), (1024, 1728, 640), (1024, 640, 1920), (1024, 256, 1376))
TRIES, TRY_S = 3, 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What the least work depends on. `rank` is None where every weight is trained."""

    hidden: int
    intermediate: int
    layers: int
    vocabulary: int
    rank: int | None


def least_flop(sizes: Sizes, lengths: Sequence[int], learnt: Sequence[int]) -> float:
    """Floating-point operations of the matrix products that no exact training step can leave out, a real token.

    The head and what follows attention in the last layer count for trained tokens only; a frozen weight gets no
    gradient, and nothing goes backward below the first layer's attention; causal attention computes half a square.
    """
    tokens = sum(lengths)
    wanted = sum(learnt) / tokens
    square = sum(length * length for length in lengths) / tokens
    hidden, inner = sizes.hidden, sizes.intermediate
    qkv, after = 2 * hidden * 3 * hidden, 2 * hidden * hidden + 2 * 3 * hidden * inner
    rank = 2 * (sizes.rank or 0)
    adapters_qkv, adapters_after = rank * 6 * hidden, rank * (5 * hidden + 3 * inner)
    attention = 3.5 * 4 * hidden * square / 2  # two products forward, five backward
    total = 0.0
    for layer in range(sizes.layers):
        rows = wanted if layer == sizes.layers - 1 else 1.0
        if sizes.rank is None:
            total += 3 * (qkv + after * rows)
        else:
            total += qkv * (1 if layer == 0 else 2) + 2 * after * rows
            total += 3 * (adapters_qkv + adapters_after * rows)
        total += attention
    return total + 2 * hidden * sizes.vocabulary * wanted * (3 if sizes.rank is None else 2)


def measure() -> dict[str, float]:
    """The best rate of any shape, of either library that torch brings, by type."""
    import torch

    torch.set_num_threads(1)
    rates = {}
    for name in ("float32", "bfloat16"):
        best = 0.0
        for rows, inputs, outputs in SHAPES:
            states = torch.randn(rows, inputs, dtype=getattr(torch, name))
            weight = torch.randn(outputs, inputs, dtype=getattr(torch, name))
            for product in (_by_default, _by_onednn):
                best = max(best, _rate(lambda a=states, w=weight, p=product: p(a, w), 2 * rows * inputs * outputs))
        rates[name] = best
    return rates


def _by_default(states: Any, weight: Any) -> Any:
    return states @ weight.t()


def _by_onednn(states: Any, weight: Any) -> Any:
    """torch takes MKL for float32, which leaves half of some processors unused."""
    import torch

    return torch.ops.mkldnn._linear_pointwise(states, weight, None, "none", [], "")


def _rate(product: object, flop: int) -> float:
    assert callable(product)
    product()
    best = 0.0
    for _ in range(TRIES):
        began, done = time.process_time(), 0
        while time.process_time() - began < TRY_S:
            product()
            done += 1
        best = max(best, flop * done / (time.process_time() - began))
    return best


if __name__ == "__main__":
    print(json.dumps({"event": "Ceiling", **measure()}))
