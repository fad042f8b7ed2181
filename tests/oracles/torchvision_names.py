"""Names for what imports torchvision, of which there is no build for a CPU beside PyTorch's. Nothing calls them."""

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence

import torch


class _Nothing(type):
    """The type of classes whose every attribute is another of them."""

    def __getattr__(cls, name: str) -> type:
        return _Nothing(name, (), {})


class _Named(types.ModuleType):
    """A module in which every name is an empty class."""

    __path__: list[str] = []  # a package has one

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(name, (), {})


class _Torchvision(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        is_ours = name.partition(".")[0] == "torchvision"
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if is_ours else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Named(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """It is as it was made."""


sys.meta_path.insert(0, _Torchvision())
_LIBRARY = torch.library.Library("torchvision", "DEF")
_LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
