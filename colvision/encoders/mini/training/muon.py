"""Muon: momentum whose direction is made orthogonal, for the convolutions' weights.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the step is scaled to the size of
AdamW's (Liu et al. 2025, "Muon is scalable for LLM training", section 2.2), so that one learning rate serves both.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from colvision.encoders.precision import computes_bfloat16

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration, from the first source
_ITERATIONS = 5
_ADAM_SIZE = 0.2  # root mean square of a typical AdamW step, over the learning rate


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; a convolution's is taken as (outputs, everything else)."""

    def __init__(self, params: Iterable[Tensor], *, lr: float, momentum: float = 0.95, weight_decay: float = 0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # no closure is run
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(state["momentum"], group["momentum"])
                direction = orthogonal(ahead.reshape(len(ahead), -1))
                scale = _ADAM_SIZE * max(direction.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(direction.reshape(weight.shape), alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """(m, n) -> about U V^T of its singular value decomposition, all singular values near 1."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    if computes_bfloat16(x.device):
        x = x.bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    direction: Tensor = (x.T if tall else x).to(matrix.dtype)
    return direction
