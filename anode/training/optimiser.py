"""Adam with a limit on the norm of the gradient."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from anode.training.recipe import Pace


class Adam:
    """Adam (Kingma and Ba 1412.6980) on gradients of limited norm.

    The gradient g, scaled down to a norm of at most ``gradient_clip``, plus ``weight_decay`` times
    the weights, moves averages m of g and v of g^2; a step is -rate m / (sqrt(v) + 1e-8), both
    corrected for their start at 0. ``torch.optim.Adam(fused=True)`` computes the same, but
    its first use in a process imports torch's compiler for two seconds.

    Args:
        parameters: weights to move.
        weight_decay: L2 penalty in the gradient.
        gradient_clip: largest norm of the gradient over all parameters; None for no limit.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        weight_decay: float,
        gradient_clip: float | None,
    ) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        self._weight_decay, self._gradient_clip = weight_decay, gradient_clip
        self._first = [torch.zeros_like(p.detach()) for p in self._parameters]
        self._second = [torch.zeros_like(p.detach()) for p in self._parameters]
        # torch's kernel takes both, steps and clipping, in float32 whatever the weights are.
        self._steps = [torch.zeros((), device=p.device) for p in self._parameters]

    def step(self, pace: Pace) -> None:
        """Move the parameters along their gradients, and reset these to None."""
        moved = [i for i, p in enumerate(self._parameters) if p.grad is not None]
        parameters = [self._parameters[i] for i in moved]
        gradients = [p.grad for p in parameters if p.grad is not None]
        steps = [self._steps[i] for i in moved]
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            [p.detach() for p in parameters],
            gradients,
            [self._first[i] for i in moved],
            [self._second[i] for i in moved],
            [],
            steps,
            lr=pace.rate,
            beta1=pace.momentum,
            beta2=0.999,
            weight_decay=self._weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
            grad_scale=self._excess(gradients),
        )
        for parameter in parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Averages m and v and numbers of steps, for ``load_state_dict``."""
        return {"first": self._first, "second": self._second, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict``."""
        for name, own in self.state_dict().items():
            for target, value in zip(own, state[name], strict=True):
                target.copy_(value)

    def _excess(self, gradients: list[torch.Tensor]) -> torch.Tensor | None:
        """Divisor of the gradient: its norm over the largest allowed, at least 1."""
        if self._gradient_clip is None:
            return None
        norms = torch.stack([torch.linalg.vector_norm(g) for g in gradients])
        return (torch.linalg.vector_norm(norms) / self._gradient_clip).clamp_(min=1.0).float()
