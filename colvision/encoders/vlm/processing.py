"""The parts of a checkpoint's processor, loaded one by one.

`from_pretrained` of a whole processor scales pages with torchvision where that is installed, and with PIL elsewhere:
the same checkpoint would have other vectors from one machine to the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from colvision.encoders.vlm.json_file import read_json
from colvision.encoders.vlm.layouts import Prompts
from colvision.encoders.vlm.module_folder import TEMPLATE_FILE
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast
    from transformers.image_processing_utils import BaseImageProcessor

    from colvision.encoders.vlm.module_folder import ModuleFolder

    ImageProcessor = TypeVar("ImageProcessor", bound=BaseImageProcessor)

_QUERY_MARK = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for the query while its prompt is read from a chat template
PROCESSOR_FILE = "processor_config.json"  # states an image processor and prompts
IMAGE_PROCESSOR_FILE = "preprocessor_config.json"
# Without these the tokenizer classes make themselves an empty vocabulary, and say nothing.
_TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("tokenizer.model",), ("vocab.txt",))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Raises EncoderNotFound for a folder without one."""
    from transformers import AutoTokenizer

    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZER_FILES):
        raise EncoderNotFound(f"{folder} lacks its tokenizer: copy tokenizer.json there from the checkpoint")
    tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def load_image_processor(
    kind: type[ImageProcessor], folder: Path, pixels: Mapping[str, int] | None = None
) -> ImageProcessor:
    """The image processor, of the class given; `pixels`: limits that stand elsewhere than in its own file.

    Raises EncoderNotFound for a folder without its settings.
    """
    try:
        image_processor: ImageProcessor = kind.from_pretrained(folder, local_files_only=True, **(pixels or {}))
    except OSError as error:
        raise missing_image_processor(folder) from error
    return image_processor


def byte_values(image_processor: BaseImageProcessor, model: PreTrainedModel) -> Tensor:
    """(3, 256): what the image processor makes of each byte of a channel, on the model's device and in its dtype."""
    levels = np.tile(np.arange(256, dtype=np.uint8), (3, 1))[:, None]  # an image (3, 1, 256)
    if image_processor.do_rescale:
        levels = image_processor.rescale(levels, image_processor.rescale_factor)
    if image_processor.do_normalize:
        levels = image_processor.normalize(levels, image_processor.image_mean, image_processor.image_std)
    return torch.from_numpy(levels[:, 0].astype(np.float32)).to(model.device, model.dtype)


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


def query_prompt(tokenizer: PreTrainedTokenizerFast, template: str, **settings: object) -> tuple[str, str]:
    """What a chat template writes before and after a query. Raises WeightsMismatch where it writes no query, or two."""
    text = _rendered(tokenizer, template, {"type": "text", "text": _QUERY_MARK}, task="query", **settings)
    if text.count(_QUERY_MARK) != 1:
        raise WeightsMismatch(f"the checkpoint's chat template writes a query as {text!r}: expected the query once")
    prefix, _, suffix = text.partition(_QUERY_MARK)
    return prefix, suffix


def module_prompts(modules: ModuleFolder, tokenizer: PreTrainedTokenizerFast, image_token: str) -> Prompts:
    """The prompts of a model of sentence-transformers: its chat template, after its prompt of each task.

    Raises EncoderNotFound without a template, WeightsMismatch for one that writes no query or no page.
    """
    template = _chat_template(modules.folder) or tokenizer.chat_template
    if not isinstance(template, str):
        raise EncoderNotFound(
            f"{modules.folder} lacks its chat template, which states the prompts: copy chat_template.jinja there from "
            "the checkpoint"
        )
    prefix, suffix = query_prompt(tokenizer, template, system=modules.prompts.get("query"), **modules.template)
    image = {"type": "image", "image": image_token}
    system = modules.prompts.get("document")
    page = _rendered(tokenizer, template, image, task="document", system=system, **modules.template)
    if page.count(image_token) != 1:
        raise WeightsMismatch(
            f"the checkpoint's chat template writes a page as {page!r}: expected {image_token} once, for its patches"
        )
    return Prompts(page, image_token, prefix, suffix, source="the chat template")


def _rendered(
    tokenizer: PreTrainedTokenizerFast,
    template: str,
    content: Mapping[str, str],
    *,
    system: object = None,
    **settings: object,
) -> str:
    messages = [{"role": "user", "content": [content]}]
    if system:  # as sentence-transformers writes a prompt into a chat
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    text: str = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, **settings)
    return text


def _chat_template(folder: Path) -> str | None:
    """The processor's template, in a file of its own or in a configuration. The tokenizer's is for texts."""
    if (folder / TEMPLATE_FILE).is_file():
        return (folder / TEMPLATE_FILE).read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json"):
        if (folder / name).is_file():
            template = read_json(folder / name).get("chat_template")
            if isinstance(template, str):
                return template
    return None


def write_image_processor(folder: Path, image_processor: BaseImageProcessor, kind: str | None) -> None:
    """Its settings, for the class `kind` of transformers; for its own where that is None."""
    image_processor.save_pretrained(folder)
    if kind is not None:
        file = folder / IMAGE_PROCESSOR_FILE
        file.write_text(json.dumps({**read_json(file), "image_processor_type": kind}, indent=2) + "\n")


def write_processor_config(folder: Path, kind: str, *, image_tokens: int | None) -> None:
    """What `AutoProcessor` needs beside tokenizer and image processor: the processor's class, and how many image tokens
    it writes for a picture, where it asks for that.
    """
    count = {} if image_tokens is None else {"image_seq_len": image_tokens}
    (folder / PROCESSOR_FILE).write_text(json.dumps({"processor_class": kind, **count}, indent=2) + "\n")
