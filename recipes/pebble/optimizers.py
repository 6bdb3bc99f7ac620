"""Muon for the matrices inside the network, AdamW for the embedding and the norms: float32, side by side in threads.

Knows no rows, no losses and no files; what a step changes can be taken out as tensors and put back, to the bit.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from typing import Literal

import torch

from outcrop.modeling.llama import Llama

Kind = Literal["muon", "adamw"]
CLIP_NORM = 1.0
BETAS = (0.9, 0.95)
MUON_DECAY, ADAMW_DECAY = 0.1, 0.01


class Optimizers:
    """One Muon for each worker and an AdamW, over gradients that lie where the parameters' `grad` says."""

    def __init__(self, model: Llama, kind: Kind, workers: int) -> None:
        self._parameters = list(model.parameters())
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)
        inner = _matrices(model) if kind == "muon" else []
        whole = {id(projection.weight) for projection in model.projections().values()} if inner else set()
        others = [parameter for parameter in self._parameters if id(parameter) not in whole]
        self._all: list[torch.optim.Optimizer] = [
            *(_muon(inner[start::workers]) for start in range(workers) if inner),
            torch.optim.AdamW(others, lr=0.0, weight_decay=ADAMW_DECAY, betas=BETAS, fused=True),
        ]

    @torch.no_grad()
    def step(self, parts: list[list[torch.Tensor]], rate: float, pool: ThreadPoolExecutor) -> None:
        """One step at the learning rate `rate` along the sum of `parts`, each a gradient for every parameter."""
        for parameter, *gradients in zip(self._parameters, *parts, strict=True):
            assert parameter.grad is not None
            parameter.grad.copy_(gradients[0])
            for gradient in gradients[1:]:
                parameter.grad.add_(gradient)
        torch.nn.utils.clip_grad_norm_(self._parameters, CLIP_NORM)
        list(pool.map(_step, self._all, repeat(rate)))

    def state(self) -> dict[str, torch.Tensor]:
        """What steps have left behind, by the place of its parameter; empty before the first."""
        return {
            f"{place}.{name}": value
            for place, kept, _ in self._places()
            for name, value in kept.items()
            if isinstance(value, torch.Tensor)
        }

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Goes on from what `state` answered with as many workers."""
        for place, _, (optimizer, parameter) in self._places():
            mine = {name.removeprefix(f"{place}."): value for name, value in state.items() if _of(name) == place}
            optimizer.state[parameter] = {name: value.clone() for name, value in mine.items()}

    def _places(self) -> Iterator[tuple[str, dict[str, object], tuple[torch.optim.Optimizer, torch.Tensor]]]:
        for number, optimizer in enumerate(self._all):
            parameters = chain.from_iterable(group["params"] for group in optimizer.param_groups)
            for index, parameter in enumerate(parameters):
                yield f"{number}.{index}", optimizer.state.get(parameter, {}), (optimizer, parameter)


def _of(name: str) -> str:
    return name.rpartition(".")[0]


def _step(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


def _muon(matrices: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Muon(matrices, lr=0.0, weight_decay=MUON_DECAY, adjust_lr_fn="match_rms_adamw")


def _matrices(model: Llama) -> list[torch.nn.Parameter]:
    """Every linear layer by itself, a view into the projection that holds it: values and gradient."""
    found = []
    for projection in model.projections().values():
        assert projection.weight.grad is not None
        values, gradients = projection.weight.data, projection.weight.grad
        for weight, gradient in zip(values.split(projection.sizes), gradients.split(projection.sizes), strict=True):
            part = torch.nn.Parameter(weight)
            part.grad = gradient
            found.append(part)
    return found
