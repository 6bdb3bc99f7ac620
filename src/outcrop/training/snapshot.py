"""A run's state at one moment, in memory of its own: what a checkpoint holds. Knows no files."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class BestState:
    """The trained parameters as they were after `step`, on the CPU: never changed, so that many may share them."""

    step: int
    values: torch.Tensor  # [all trained parameters]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a run needs to go on to the bit. `random`: the states that dropout draws from, by device."""

    history: Tensors
    optimizer: Tensors
    random: Tensors
    best: BestState | None

    @staticmethod
    def of(history: Tensors, optimizer: Tensors, best: BestState | None) -> "Snapshot":
        """The state now: copies, so that the training may go on."""
        random = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        copied = {name: tensor.detach().to("cpu", copy=True) for name, tensor in optimizer.items()}
        return Snapshot(history=history, optimizer=copied, random=random, best=best)

    def restore_random_state(self) -> None:
        """What is drawn from now on is what was drawn after the snapshot."""
        torch.set_rng_state(self.random["cpu"])
        if torch.cuda.is_available() and "cuda" in self.random:
            torch.cuda.set_rng_state(self.random["cuda"])

    def parts(self) -> dict[str, Tensors]:
        """The snapshot as flat groups of tensors: the state itself, and the best one where there is one."""
        state = {
            f"{group}.{name}": tensor
            for group in ("history", "optimizer", "random")
            for name, tensor in getattr(self, group).items()
        }
        if self.best is None:
            return {"state": state}
        return {"state": state, "best": {"step": torch.tensor(self.best.step), "values": self.best.values}}

    @staticmethod
    def from_parts(parts: Mapping[str, Tensors]) -> "Snapshot":
        """What `parts` answered. Raises KeyError where something is missing."""
        groups: dict[str, Tensors] = {"history": {}, "optimizer": {}, "random": {}}
        for path, tensor in parts["state"].items():
            group, name = path.split(".", 1)
            groups[group][name] = tensor
        kept = parts.get("best")
        best = None if kept is None else BestState(step=int(kept["step"]), values=kept["values"])
        return Snapshot(**groups, best=best)
