"""colpali-engine 0.3.18 on the transformers of this project: the families that came later.

It imports torchvision, of which there is no build for a CPU beside PyTorch's: names that nothing calls stand in for it.
"""

from pathlib import Path

import torchvision_names  # noqa: F401  before what imports torchvision
from colpali_engine.models import ColModernVBertProcessor, ColQwen3Processor
from colpali_engine.models.modernvbert.colmodernvbert.modeling_colmodernvbert import ColModernVBert
from colpali_engine.models.qwen3.colqwen3.modeling_colqwen3 import ColQwen3
from colpali_engine.models.qwen3_5.colqwen3_5.modeling_colqwen3_5 import ColQwen3_5
from transformers import AutoConfig, AutoTokenizer, Idefics3ImageProcessorPil, Qwen2VLImageProcessorPil


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
