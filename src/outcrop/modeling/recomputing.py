"""A layer that keeps only what enters it, and is computed again for the backward pass. Knows no architecture."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

import torch
from torch.utils.checkpoint import checkpoint

Output = TypeVar("Output")


def recomputed(layer: Callable[..., Output], *inputs: object, **named: object) -> Output:
    """What `layer` answers. Random numbers are drawn the same the second time, so that dropout drops the same."""
    if not torch.is_grad_enabled():
        return layer(*inputs, **named)
    return cast(Output, checkpoint(partial(layer, **named), *inputs, use_reentrant=False))
