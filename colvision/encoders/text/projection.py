"""Linear layers behind a text model, as sentence-transformers' Dense computes them: complete or refused."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from colvision.encoders.stored_weights import check_weights
from colvision.encoders.text.layouts import ProjectionLayer


class Projection(nn.Module):
    """A linear layer and an activation, with the input added to the output where the checkpoint says so."""

    def __init__(self, linear: nn.Linear, residual: nn.Module | None, activation: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.residual = residual
        self.activation = activation

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        projected: Tensor = self.activation(self.linear(vectors))
        return projected if self.residual is None else projected + self.residual(vectors)


def make_projection(layer: ProjectionLayer, weights: Mapping[str, Tensor], inputs: int) -> Projection:
    """The layer with these weights in float32, for vectors of `inputs` components. Raises WeightsMismatch."""
    weight = weights.get("linear.weight")
    outputs = 0 if weight is None else len(weight)
    needs_residual = layer.adds_input and weight is not None and outputs != inputs
    needed = {"linear.weight": (outputs, inputs), **({"residual.weight": (outputs, inputs)} if needs_residual else {})}
    allowed = {**needed, "linear.bias": (outputs,)}
    check_weights(
        f"the projection in {layer.file} does not fit vectors of {inputs} components",
        missing=needed.keys() - weights.keys(),
        unexpected=weights.keys() - allowed.keys(),
        reshaped=(name for name, each in weights.items() if name in allowed and tuple(each.shape) != allowed[name]),
    )
    linear = nn.Linear(inputs, outputs, bias="linear.bias" in weights)
    linear.load_state_dict(
        {name.removeprefix("linear."): each for name, each in weights.items() if name.startswith("linear.")}
    )
    activation: nn.Module = getattr(nn, layer.activation)()
    if not layer.adds_input:
        return Projection(linear, None, activation)
    if not needs_residual:
        return Projection(linear, nn.Identity(), activation)
    residual = nn.Linear(inputs, outputs, bias=False)
    residual.load_state_dict({"weight": weights["residual.weight"]})
    return Projection(linear, residual, activation)
