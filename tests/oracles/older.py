"""colpali-engine 0.3.10 on transformers 4.51: what the published adapters of these families were made for."""

from pathlib import Path

from colpali_engine.models import (
    ColIdefics3,
    ColIdefics3Processor,
    ColPali,
    ColPaliProcessor,
    ColQwen2,
    ColQwen2_5,
    ColQwen2_5_Processor,
    ColQwen2Processor,
)
from transformers import (
    AutoConfig,
    GemmaTokenizerFast,
    Idefics3ImageProcessor,
    PreTrainedTokenizerFast,
    Qwen2TokenizerFast,
    Qwen2VLImageProcessor,
    SiglipImageProcessor,
)


def colpali(folder: Path) -> tuple[object, object]:
    tokens = GemmaTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="<pad>", bos_token="<bos>", eos_token="<eos>"
    )
    pictures = SiglipImageProcessor.from_pretrained(folder)
    pictures.image_seq_length = 64
    return ColPali(AutoConfig.from_pretrained(folder)), ColPaliProcessor(pictures, tokens)


def colqwen2(folder: Path) -> tuple[object, object]:
    return ColQwen2(AutoConfig.from_pretrained(folder)), ColQwen2Processor(*_qwen_parts(folder))


def colqwen2_5(folder: Path) -> tuple[object, object]:
    return ColQwen2_5(AutoConfig.from_pretrained(folder)), ColQwen2_5_Processor(*_qwen_parts(folder))


def colsmol(folder: Path) -> tuple[object, object]:
    tokens = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        pad_token="<|endoftext|>",
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
    )
    pictures = Idefics3ImageProcessor.from_pretrained(folder)
    processor = ColIdefics3Processor(pictures, tokens, image_seq_len=16)
    return ColIdefics3(AutoConfig.from_pretrained(folder)), processor


def _qwen_parts(folder: Path) -> tuple[object, object]:
    tokens = Qwen2TokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token="<|endoftext|>")
    return Qwen2VLImageProcessor.from_pretrained(folder), tokens


PACKAGE = "colpali-engine"
CASES = {"colpali": colpali, "colqwen2": colqwen2, "colqwen2.5": colqwen2_5, "colsmol": colsmol}
