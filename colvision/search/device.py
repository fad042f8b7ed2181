"""What a search keeps on a GPU: codes and sign bits of shards, as far as its memory goes.

A shard is copied when a search first reads it, checked as it is for the processor, and stays as long as snapshots hold
it: what compaction or a deleted collection drops is dropped here. Which of its pages are live is asked of the snapshot.
"""

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

from colvision.errors import LibraryDamaged
from colvision.maxsim.on_device import WORK_BYTES, DevicePages, ExactDevice
from colvision.store.shards import Shard

Kind = Literal["codes", "bits"]
_SHARE = 2  # one part in so many of what is free, where nobody says how much


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A search device: `bytes` of at most `memory` are taken (None: no bound), by codes or sign bits of `shards`.

    `left_out` shards did not fit, wholly or in part, which would have taken `bytes_left_out`: the processor compares
    them.
    """

    name: str
    memory: int | None
    bytes: int
    shards: int
    left_out: int
    bytes_left_out: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def warnings(self) -> Iterator[str]:
        if self.left_out:
            yield (
                f"{self.left_out} of {self.left_out + self.shards} shards ({self.bytes_left_out >> 20:,} MB) do not "
                f"fit on {self.name}, of which searches may use {(self.memory or 0) >> 20:,} MB: the processor "
                "compares them"
            )


class SearchDevice:
    """Safe to share between threads. `memory` bounds the bytes on the device; None: half of what is free there when
    the first page is copied.

    Raises `ValueError` for a device that this machine lacks or that rounds, `MissingExtra` without torch.
    """

    def __init__(self, name: str, memory: int | None = None) -> None:
        if memory is not None and (not isinstance(memory, int) or memory < 1):
            raise ValueError(f"device_memory is {memory!r}; give a number of bytes, such as 8 << 30")
        self._device = ExactDevice(name)
        self._memory = memory
        self._lock = threading.Lock()
        self._stored: WeakKeyDictionary[Shard, dict[Kind, DevicePages]] = WeakKeyDictionary()
        self._left_out: WeakKeyDictionary[Shard, dict[Kind, int]] = WeakKeyDictionary()

    def find(self, shard: Shard, kind: Kind) -> DevicePages | None:
        """The shard's codes or bits on the device, copied there if they fit; None where the processor compares them.

        So it does with a damaged shard, of which it reads no more than it must.
        """
        with self._lock:
            kinds = self._stored.setdefault(shard, {})
            if kind not in kinds:
                try:
                    kinds[kind] = self._copy(shard, kind)
                except LibraryDamaged:
                    return None
                except MemoryError:
                    self._left_out.setdefault(shard, {})[kind] = _size(shard, kind)
                    return None
                self._left_out.get(shard, {}).pop(kind, None)
            return kinds[kind]

    def status(self) -> DeviceStatus:
        with self._lock:
            left_out = [sum(kinds.values()) for kinds in self._left_out.values() if kinds]
            shards = sum(bool(kinds) and not self._left_out.get(shard) for shard, kinds in self._stored.items())
            return DeviceStatus(self._device.name, self._memory, self._bytes(), shards, len(left_out), sum(left_out))

    def _copy(self, shard: Shard, kind: Kind) -> DevicePages:
        """Raises `LibraryDamaged`, `MemoryError`."""
        if self._memory is None and (free := self._device.free_bytes()) is not None:
            self._memory = free // _SHARE
        if self._memory is not None and self._bytes() + _size(shard, kind) + WORK_BYTES > self._memory:
            raise MemoryError
        if kind == "codes":
            shard.check()
            return DevicePages.of_codes(shard.codes, shard.starts, self._device)
        assert shard.bits is not None, "only shards with sign bits are compared by them"
        return DevicePages.of_bits(shard.bits, shard.starts, self._device)

    def _bytes(self) -> int:
        return sum(stored.nbytes for kinds in self._stored.values() for stored in kinds.values())


def _size(shard: Shard, kind: Kind) -> int:
    return shard.codes.nbytes if kind == "codes" else shard.codes.nbytes // 8
