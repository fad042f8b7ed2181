"""The parts of a checkpoint's processor, loaded one by one.

`from_pretrained` of a whole processor scales pages with torchvision where that is installed, and with PIL elsewhere:
the same checkpoint would have other vectors from one machine to the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from colvision.encoders.vlm.layouts import Prompts
from colvision.errors import EncoderNotFound

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast
    from transformers.image_processing_utils import BaseImageProcessor

    ImageProcessor = TypeVar("ImageProcessor", bound=BaseImageProcessor)

PROCESSOR_FILE = "processor_config.json"  # states an image processor and prompts
# Without these the tokenizer classes make themselves an empty vocabulary, and say nothing.
_TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("tokenizer.model",))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Raises EncoderNotFound for a folder without one."""
    from transformers import AutoTokenizer

    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZER_FILES):
        raise EncoderNotFound(f"{folder} lacks its tokenizer: copy tokenizer.json there from the checkpoint")
    tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def load_image_processor(kind: type[ImageProcessor], folder: Path) -> ImageProcessor:
    """The image processor, of the class given. Raises EncoderNotFound for a folder without its settings."""
    try:
        image_processor: ImageProcessor = kind.from_pretrained(folder, local_files_only=True)
    except OSError as error:
        raise missing_image_processor(folder) from error
    return image_processor


def missing_image_processor(folder: Path) -> EncoderNotFound:
    """The error for a folder without its image processor's settings."""
    return EncoderNotFound(
        f"{folder} lacks its image processor: copy preprocessor_config.json (or processor_config.json, where that "
        "holds it) there from the checkpoint"
    )


def read_processor_config(folder: Path) -> Mapping[str, object]:
    """The checkpoint's `processor_config.json`; empty where it has none."""
    file = folder / PROCESSOR_FILE
    content: Mapping[str, object] = json.loads(file.read_bytes()) if file.is_file() else {}
    return content


def read_prompts(folder: Path, defaults: Prompts) -> Prompts:
    """The prompts that the checkpoint states, and the defaults of its family where it states none."""
    config = read_processor_config(folder)
    page, prefix = config.get("visual_prompt_prefix"), config.get("query_prefix")
    return defaults.stated_by(
        PROCESSOR_FILE,
        page=page if isinstance(page, str) else None,
        query_prefix=prefix if isinstance(prefix, str) else None,
    )
