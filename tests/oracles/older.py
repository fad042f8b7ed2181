"""colpali-engine 0.3.10 on transformers 4.51: ColQwen2 and 2.5, with the words that the published adapters know."""

from pathlib import Path

from colpali_engine.models import (
    ColQwen2,
    ColQwen2_5,
    ColQwen2_5_Processor,
    ColQwen2Processor,
)
from transformers import (
    AutoConfig,
    Qwen2TokenizerFast,
    Qwen2VLImageProcessor,
)


def colqwen2(folder: Path) -> tuple[object, object]:
    return ColQwen2(AutoConfig.from_pretrained(folder)), ColQwen2Processor(*_qwen_parts(folder))


def colqwen2_5(folder: Path) -> tuple[object, object]:
    return ColQwen2_5(AutoConfig.from_pretrained(folder)), ColQwen2_5_Processor(*_qwen_parts(folder))


def _qwen_parts(folder: Path) -> tuple[object, object]:
    tokens = Qwen2TokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token="<|endoftext|>")
    return Qwen2VLImageProcessor.from_pretrained(folder), tokens


PACKAGE = "colpali-engine"
CASES = {"colqwen2": colqwen2, "colqwen2.5": colqwen2_5}
