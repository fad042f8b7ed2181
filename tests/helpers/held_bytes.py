"""How many bytes a computation holds on to: the storages that its operations have made and that are still alive."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class HeldBytes(TorchDispatchMode):
    """As a context: `now` bytes are alive of what was made inside, `most` were at one time.

    What was there before counts for nothing, a storage once, whoever holds it: a variable, a saved tensor of
    autograd, or a closure that computes again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._given: set[int] = set()
        self._made: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self._given.update(key for key in map(_key, _tensors((args, kwargs))) if key not in self._made)
        made = operation(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            key, storage = _key(tensor), tensor.untyped_storage()
            if key not in self._made and key not in self._given:
                size = storage.nbytes()
                self._made[key] = weakref.ref(storage, lambda _, key=key, size=size: self._gone(key, size))
                self.now += size
                self.most = max(self.most, self.now)
        return made

    def _gone(self, key: int, size: int) -> None:
        del self._made[key]
        self.now -= size


def _tensors(values: object) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


def _key(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata
