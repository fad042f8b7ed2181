"""How an encoder is loaded: where it computes, in which precision, at which resolution, with which adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class Options:
    """None means: the best of this machine, or what the checkpoint says itself."""

    device: str | None = None
    dtype: str | None = None
    max_patches: int | None = None
    adapter: Path | None = None

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in _DTYPES:
            raise ValueError(f"dtype {self.dtype!r} is not one of {', '.join(_DTYPES)}")
        if self.max_patches is not None and self.max_patches < 1:
            raise ValueError(f"max_patches is {self.max_patches}; expected at least 1")

    def torch_device(self) -> torch.device:
        """The device asked for, or the fastest there is. Raises ValueError for one that this machine lacks."""
        import torch

        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        if self.device is None:
            return torch.device(next(kind for kind, available in there.items() if available))
        kind = self.device.partition(":")[0]
        if not there.get(kind, False):
            found = ", ".join(kind for kind, available in there.items() if available)
            raise ValueError(f"device {self.device!r} is not on this machine; torch finds {found}")
        return torch.device(self.device)

    def torch_dtype(self, device: torch.device) -> torch.dtype:
        """bfloat16 where the device computes in it, else float32, unless the caller chose."""
        import torch

        if self.dtype == "float16" and device.type == "cpu":
            raise ValueError("float16 is many times slower than float32 on a CPU: use dtype='bfloat16' or 'float32'")
        if self.dtype is not None:
            chosen = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
            return chosen[self.dtype]
        return torch.bfloat16 if _computes_bfloat16(device) else torch.float32


def _computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32; a CPU without the instructions only emulates it."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        ask = getattr(torch.cpu, "get_capabilities", None)
        capabilities: Mapping[str, object] = ask() if ask else {}  # an older torch cannot say: then float32
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False
