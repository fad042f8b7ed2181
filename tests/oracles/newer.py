"""colpali-engine 0.3.18 on the transformers of this project: the families that came later.

It imports torchvision, of which there is no build for a CPU beside PyTorch's: names that nothing calls stand in for it.
"""

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from pathlib import Path

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

from colpali_engine.models import ColModernVBertProcessor, ColQwen3Processor  # noqa: E402
from colpali_engine.models.modernvbert.colmodernvbert.modeling_colmodernvbert import ColModernVBert  # noqa: E402
from colpali_engine.models.qwen3.colqwen3.modeling_colqwen3 import ColQwen3  # noqa: E402
from colpali_engine.models.qwen3_5.colqwen3_5.modeling_colqwen3_5 import ColQwen3_5  # noqa: E402
from transformers import AutoConfig, AutoTokenizer, Idefics3ImageProcessorPil, Qwen2VLImageProcessorPil  # noqa: E402


def colqwen3(folder: Path) -> tuple[object, object]:
    return ColQwen3(AutoConfig.from_pretrained(folder)), _qwen_processor(folder)


def colqwen3_5(folder: Path) -> tuple[object, object]:
    return ColQwen3_5(AutoConfig.from_pretrained(folder)), _qwen_processor(folder)


def colmodernvbert(folder: Path) -> tuple[object, object]:
    tokens = AutoTokenizer.from_pretrained(folder)
    pictures = Idefics3ImageProcessorPil.from_pretrained(folder)
    processor = ColModernVBertProcessor(pictures, tokens, image_seq_len=16)
    return ColModernVBert(AutoConfig.from_pretrained(folder)), processor


class _QwenProcessor(ColQwen3Processor):
    """Without the part for videos, which needs more of torchvision than names."""

    def check_argument_for_proper_class(self, argument_name: str, argument: object) -> type:
        return type(argument)


def _qwen_processor(folder: Path) -> object:
    tokens = AutoTokenizer.from_pretrained(folder)
    return _QwenProcessor(Qwen2VLImageProcessorPil.from_pretrained(folder), tokens, video_processor=object())


PACKAGE = "colpali-engine"
CASES = {"colqwen3": colqwen3, "colqwen3.5": colqwen3_5, "colmodernvbert": colmodernvbert}
