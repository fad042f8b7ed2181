"""Backbones in 8 or 4 bits: less memory for a little exactness. The projection to page vectors stays as it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from colvision.encoders.options import Quantise
from colvision.errors import MissingExtra

PROJECTIONS = ("embedding_proj_layer", "multi_vector_head.proj")  # where the families keep it
_LARGEST = 127  # int8 without its lowest value, which has no opposite


def quantisation_arguments(quantise: Quantise | None, device: torch.device, dtype: torch.dtype) -> Mapping[str, object]:
    """Further arguments of `from_pretrained`: none where the weights are quantised later, or not at all.

    Raises `MissingExtra` without bitsandbytes, ValueError for a device that it does not know.
    """
    if quantise is None or (quantise, device.type) == ("int8", "cpu"):
        return {}
    if device.type != "cuda":
        raise ValueError(
            f"quantise={quantise!r} is not for {device.type}: int8 is for CUDA devices and CPUs, 4bit for CUDA devices"
        )
    for package in ("bitsandbytes", "accelerate"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(
                f"quantise={quantise!r} on {device.type} needs {package}, which is not installed: "
                "pip install 'colvision[quantise]'"
            )
    from transformers import BitsAndBytesConfig

    bits = {"load_in_8bit": True} if quantise == "int8" else {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    config = BitsAndBytesConfig(**bits, bnb_4bit_compute_dtype=dtype, llm_int8_skip_modules=list(PROJECTIONS))
    return {"quantization_config": config, "device_map": {"": device}}


def to_int8(model: nn.Module) -> None:
    """Puts `Int8Linear` in the place of every linear layer but the projection and those of adapters."""
    for name, part in list(model.named_modules()):
        if type(part) is nn.Linear and ".lora_" not in name and not name.startswith(PROJECTIONS):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, Int8Linear(part))


def quantised_weights(model: nn.Module) -> Iterator[str]:
    """The names of the weights that are no longer those of the files."""
    for name, part in model.named_modules():
        weight = None if isinstance(part, Int8Linear) else getattr(part, "weight", None)
        if isinstance(part, Int8Linear) or getattr(weight, "dtype", None) in (torch.int8, torch.uint8):
            yield f"{name}.weight"


class Int8Linear(nn.Module):
    """A linear layer with weights as int8, one scale a row; its input gets one scale a token as it comes.

    So a token's result does not depend on its neighbours. A product of int8 is exact, and rounding is all that is lost.
    """

    codes: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = _scale(weight)  # (out, 1)
        self.dtype = linear.weight.dtype
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.register_buffer("codes", (weight / scale).round_().to(torch.int8))  # (out, in)
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    @property
    def weight(self) -> Tensor:
        """As it would be multiplied with: some models ask for its dtype, adapters for its shape."""
        return (self.codes * self.scale).to(self.dtype)

    def forward(self, states: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        rows = states.reshape(-1, self.in_features).float()
        scale = _scale(rows)  # (rows, 1)
        codes = (rows / scale).round_().to(torch.int8)
        product = _products(codes, self.codes).mul_(scale).mul_(self.scale.T)
        if self.bias is not None:
            product += self.bias
        return product.to(states.dtype).reshape(*states.shape[:-1], self.out_features)


def _scale(rows: Tensor) -> Tensor:
    return rows.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny * _LARGEST) / _LARGEST


def _products(codes: Tensor, weights: Tensor) -> Tensor:
    """(rows, in) and (out, in) int8 -> (rows, out) float32: exact, or as exact as float32 adds whole numbers."""
    if has_int8_matmul():
        return torch._int_mm(codes, weights.T).float()
    return codes.float() @ weights.float().T


@cache
def has_int8_matmul() -> bool:
    """Whether torch multiplies int8 matrices of any shape on this processor, exactly.

    `torch._int_mm` is a private name and was once for CUDA alone, where it refuses small shapes; without VNNI oneDNN
    adds pairs of products in 16 bits, which saturate. Tried once, with a page of vectors and with a single row, the
    first of the largest codes.
    """
    for rows, columns, dim in ((21, 3, 128), (1, 2, 3)):
        left = (np.arange(rows * dim, dtype=np.int64) * 7 % 255 - 127).astype(np.int8).reshape(rows, dim)
        right = (np.arange(columns * dim, dtype=np.int64) % 255 - 127).astype(np.int8).reshape(columns, dim)
        left[0] = right[0] = _LARGEST
        try:
            product = torch._int_mm(torch.from_numpy(left), torch.from_numpy(right).T)
        except (AttributeError, RuntimeError):
            return False
        if not np.array_equal(product.numpy(), left.astype(np.int32) @ right.astype(np.int32).T):
            return False
    return True
