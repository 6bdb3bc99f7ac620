"""AdamW over one flat buffer, with the gradient's norm clipped. Knows nothing of what the numbers mean."""

from collections.abc import Iterable

import torch

CLIP_NORM = 1.0
BETAS = (0.9, 0.999)
# None, as the trainers that people compare with have it: an adapter starts at no change, and decay pulls it back there.
WEIGHT_DECAY = 0.0


class Optimizer:
    """Moves the parameters into one buffer, and their gradients into another: a step is then a handful of calls."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        held = list(parameters)
        self.values = torch.cat([parameter.detach().reshape(-1) for parameter in held]).requires_grad_()
        self.values.grad = torch.zeros_like(self.values)
        start = 0
        for parameter in held:
            end = start + parameter.numel()
            parameter.data = self.values.detach()[start:end].view(parameter.shape)
            parameter.grad = self.values.grad[start:end].view(parameter.shape)
            start = end
        self._adamw = torch.optim.AdamW([self.values], betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True)

    def step(self, learning_rate: float) -> None:
        """One step along the gradients, which are then zero again."""
        gradient = self.values.grad
        assert gradient is not None
        norm = torch.linalg.vector_norm(gradient)
        gradient.mul_((CLIP_NORM / norm).clamp(max=1.0))  # decided where the gradient is: nobody waits for a card
        self._adamw.param_groups[0]["lr"] = learning_rate
        self._adamw.step()
        gradient.zero_()

    def state(self) -> dict[str, torch.Tensor]:
        """All that a step changes, under names of this class's own: views, to be copied before the next step."""
        return {"values": self.values.detach(), **self._adamw.state[self.values]}

    @torch.no_grad()
    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Goes on from what `state` answered, to the bit. Raises RuntimeError where it is another model's."""
        self.put(state["values"])
        self._adamw.state[self.values] = {
            name: tensor.to(self.values.device, copy=True) for name, tensor in state.items() if name != "values"
        }

    @torch.no_grad()
    def put(self, values: torch.Tensor) -> None:
        """Sets the parameters. Raises RuntimeError where there are more or fewer."""
        if values.shape != self.values.shape:
            raise RuntimeError(f"{values.numel()} parameters do not fit {self.values.numel()}")
        self.values.copy_(values)

    def finite(self) -> bool:
        """Whether every parameter still is a number."""
        return bool(torch.isfinite(self.values).all())
