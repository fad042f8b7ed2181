"""How an encoder is loaded: where it computes, in which precision and how few bits, at which resolution, adapted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import torch

Quantise = Literal["int8", "4bit"]

_DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """None means: the best of this machine, or what the checkpoint says itself."""

    device: str | tuple[str, ...] | None = None
    dtype: str | None = None
    max_patches: int | None = None
    adapter: Path | None = None
    quantise: Quantise | None = None

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in _DTYPES:
            raise ValueError(f"dtype {self.dtype!r} is not one of {', '.join(_DTYPES)}")
        if self.quantise not in (None, *get_args(Quantise)):
            raise ValueError(f"quantise is {self.quantise!r}; expected {' or '.join(map(repr, get_args(Quantise)))}")
        if self.max_patches is not None and self.max_patches < 1:
            raise ValueError(f"max_patches is {self.max_patches}; expected at least 1")

    def torch_devices(self) -> list[torch.device]:
        """The devices asked for, or the fastest there is; "cuda" and None are all of the machine's GPUs.

        Raises ValueError for one that this machine lacks, and for devices of several kinds.
        """
        import torch

        there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
        asked = tuple(self.device.split(",")) if isinstance(self.device, str) else self.device
        names = asked or (next(kind for kind, count in there.items() if count),)
        for name in names:
            kind, _, number = name.partition(":")
            if not (number or "0").isdecimal() or int(number or 0) >= there.get(kind, 0):
                found = ", ".join(f"{count} x {kind}" for kind, count in there.items() if count)
                raise ValueError(f"device {name!r} is not on this machine; torch finds {found}")
        if len({name.partition(":")[0] for name in names}) > 1:
            raise ValueError(f"devices {', '.join(names)} are of several kinds: give several of one")
        if names == ("cuda",) and there["cuda"] > 1:
            names = tuple(f"cuda:{number}" for number in range(there["cuda"]))
        return [torch.device(name) for name in names]

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
