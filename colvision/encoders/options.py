"""How an encoder is loaded: where and how exactly it computes, and what decides its vectors beside the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import torch

Quantise = Literal["int8", "4bit"]
Attention = Literal["bidirectional", "causal"]

_DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """None means: the best of this machine, or what the checkpoint states."""

    device: str | tuple[str, ...] | None = None
    dtype: str | None = None
    max_patches: int | None = None
    adapter: Path | None = None
    quantise: Quantise | None = None
    query_prefix: str | None = None
    page_prompt: str | None = None
    attention: Attention | None = None
    dim: int | None = None

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in _DTYPES:
            raise ValueError(f"dtype {self.dtype!r} is not one of {', '.join(_DTYPES)}")
        for name, kind in (("quantise", Quantise), ("attention", Attention)):
            if getattr(self, name) not in (None, *get_args(kind)):
                expected = " or ".join(map(repr, get_args(kind)))
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected {expected}")
        for name in ("max_patches", "dim"):
            if (count := getattr(self, name)) is not None and count < 1:
                raise ValueError(f"{name} is {count}; expected at least 1")

    def torch_devices(self) -> list[torch.device]:
        """The devices given, or the fastest there is; "cuda" and None are all of the machine's GPUs.

        Raises ValueError for one that this machine lacks, and for devices of several kinds.
        """
        import torch

        available = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
        requested = tuple(self.device.split(",")) if isinstance(self.device, str) else self.device
        names = requested or (next(kind for kind, count in available.items() if count),)
        for name in names:
            kind, _, number = name.partition(":")
            if not (number or "0").isdecimal() or int(number or 0) >= available.get(kind, 0):
                found = ", ".join(f"{count} x {kind}" for kind, count in available.items() if count)
                raise ValueError(f"device {name!r} is not on this machine; torch finds {found}")
        if len({name.partition(":")[0] for name in names}) > 1:
            raise ValueError(f"devices {', '.join(names)} are of several kinds: give several of one")
        if names == ("cuda",) and available["cuda"] > 1:
            names = tuple(f"cuda:{number}" for number in range(available["cuda"]))
        return [torch.device(name) for name in names]

    def torch_dtype(self, device: torch.device) -> torch.dtype:
        """bfloat16 where the device computes in it, else float32, unless the caller chose."""
        import torch

        from colvision.encoders.precision import computes_bfloat16

        if self.dtype == "float16" and device.type == "cpu":
            raise ValueError("float16 is many times slower than float32 on a CPU: use dtype='bfloat16' or 'float32'")
        if self.dtype is not None:
            chosen = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
            return chosen[self.dtype]
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
