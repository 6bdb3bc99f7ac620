"""What training needs of a model, whatever its architecture. Knows no architecture."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import nn

from outcrop.modeling.packed import Packed


class CausalModel(Protocol):
    """Packed token rows in, losses or logits out; every row reads itself alone."""

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""

    def loss(self, packed: Packed, wanted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The summed cross-entropy (nats) of `targets`, each predicted from the token at its index in `wanted`."""

    def forward(self, packed: Packed, wanted: torch.Tensor | None = None) -> torch.Tensor:
        """Logits [n, vocabulary] of every token, or only of those at the int64 indices `wanted`."""

    def recompute(self) -> None:
        """From now on a layer keeps only what enters it: less memory, one more forward pass, the same numbers."""

    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Copies weights under Hugging Face's names. Raises KeyError or RuntimeError where they do not fit."""

    def give(self) -> dict[str, torch.Tensor]:
        """The weights under Hugging Face's names: what `take` takes."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Everything that can be trained."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The same with their names."""

    def requires_grad_(self, requires_grad: bool = True) -> object:
        """Freezes or frees every parameter."""

    def train(self, mode: bool = True) -> object:
        """Turns dropout on."""

    def eval(self) -> object:
        """Turns dropout off."""


class Attached(Protocol):
    """An adapter on a model, under PEFT's names."""

    def give(self) -> dict[str, torch.Tensor]:
        """Its matrices, float32 on the CPU."""

    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Copies matrices in. Raises KeyError or RuntimeError where they do not fit."""

    def merge(self) -> None:
        """Adds its update to the weights; it stays where it is."""

    def detach(self) -> None:
        """Takes it off the model."""
