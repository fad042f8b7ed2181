"""colpali-engine 0.3.3 on transformers 4.46: what colpali-v1.2 and v1.3 were trained with; 0.3.4 had other words."""

from pathlib import Path

from colpali_engine.models import ColPali, ColPaliProcessor
from transformers import AutoConfig, GemmaTokenizerFast, SiglipImageProcessor


def colpali(folder: Path) -> tuple[object, object]:
    tokens = GemmaTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="<pad>", bos_token="<bos>", eos_token="<eos>"
    )
    pictures = SiglipImageProcessor.from_pretrained(folder)
    pictures.image_seq_length = 64
    return ColPali(AutoConfig.from_pretrained(folder)), ColPaliProcessor(pictures, tokens)


PACKAGE = "colpali-engine"
CASES = {"colpali": colpali}
