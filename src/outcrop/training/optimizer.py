"""AdamW over one flat buffer, with the gradient's norm clipped. Knows nothing of what the numbers mean."""

import math
from collections.abc import Iterable

import torch

CLIP_NORM = 1.0
BETAS = (0.9, 0.999)
EPSILON = 1e-8
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
        # Step count, and the running means of gradients and of their squares.
        self._steps = torch.zeros((), device=self.values.device)
        self._means, self._squares = torch.zeros_like(self.values), torch.zeros_like(self.values)

    def step(self, learning_rate: float) -> None:
        """One step along the gradients, which are then zero again."""
        gradient = self.values.grad
        assert gradient is not None
        norm = torch.linalg.vector_norm(gradient)
        gradient.mul_((CLIP_NORM / norm).clamp(max=1.0))  # decided where the gradient is: nobody waits for a card
        self._update(gradient, learning_rate)
        gradient.zero_()

    @torch.no_grad()
    def _update(self, gradient: torch.Tensor, learning_rate: float) -> None:
        """What torch.optim.AdamW(fused=True) calls; the class itself would load torch's compiler, for a second."""
        self._steps.add_(1)
        torch._fused_adamw_(
            [self.values],
            [gradient],
            [self._means],
            [self._squares],
            [],
            [self._steps],
            lr=learning_rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=WEIGHT_DECAY,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, torch.Tensor]:
        """All that a step changes, under names of this class's own: views, to be copied before the next step."""
        return {
            "values": self.values.detach(),
            "step": self._steps,
            "exp_avg": self._means,
            "exp_avg_sq": self._squares,
        }

    @torch.no_grad()
    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Goes on from what `state` answered, to the bit. Raises RuntimeError where it is another model's."""
        self.put(state["values"])
        self._steps.copy_(state["step"])
        self._means.copy_(state["exp_avg"])
        self._squares.copy_(state["exp_avg_sq"])

    @torch.no_grad()
    def put(self, values: torch.Tensor) -> None:
        """Sets the parameters. Raises RuntimeError where there are more or fewer."""
        if values.shape != self.values.shape:
            raise RuntimeError(f"{values.numel()} parameters do not fit {self.values.numel()}")
        self.values.copy_(values)

    def finite(self) -> bool:
        """Whether every parameter still is a number: their extremes tell, and no copy of them all is made."""
        lowest, highest = torch.aminmax(self.values.detach())  # one that is no number is both
        return math.isfinite(lowest.item()) and math.isfinite(highest.item())
