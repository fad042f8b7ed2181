"""Rerankers that look at the page: Qwen-VL models that are asked whether it answers the query, and say so in a word.

Qwen3-VL-Reranker (arXiv:2601.04720) answers yes or no, MonoQwen2-VL (`lightonai/MonoQwen2-VL-v0.1`) True or False; a
folder that sentence-transformers saved states its own question, in its chat template, and its words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from colvision.core.reranker import Candidate
from colvision.encoders.options import EncoderOptions
from colvision.encoders.repository import ADAPTER_FILE
from colvision.encoders.rerankers.folder import RerankerFolder
from colvision.encoders.rerankers.inputs import pad, plain_text, render_chat
from colvision.encoders.rerankers.model import ACTIVATIONS, AnswerJudge, judge_in_batches, load_model
from colvision.encoders.vlm.adapters import add_adapters
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts
from colvision.encoders.vlm.processing import load_image_processor, load_tokenizer, read_chat_template
from colvision.errors import EncoderNotFound

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil

IMAGE = "<|image_pad|>"
_PICTURE = f"<|vision_start|>{IMAGE}<|vision_end|>"
_QUERY = "\N{OBJECT REPLACEMENT CHARACTER}"  # where the query goes
_MOST_ELONGATED = 200  # long side / short side: the processor refuses more


class Question(NamedTuple):
    """How the models of a type are asked as they were trained: a whole chat with the image and the query once."""

    chat: str
    yes: str
    no: str
    patches: int | None = None  # the most that a page was trained with; None: what the image processor's file says


_QUESTIONS: Mapping[str, Question] = {
    "qwen3_vl": Question(  # as the authors' own code writes it, with its instruction for a search
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n<Instruct>: Given a '
        f"search query, retrieve relevant candidates that answer the query.<Query>:{_QUERY}\n<Document>:{_PICTURE}"
        "<|im_end|>\n<|im_start|>assistant\n",
        "yes",
        "no",
        1800,
    ),
    "qwen2_vl": Question(  # as the model card of MonoQwen2-VL asks
        f"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{_PICTURE}Assert the relevance "
        f"of the previous image document to the following query, answer True or False. The query is: {_QUERY}<|im_end|>"
        "\n<|im_start|>assistant\n",
        "True",
        "False",
    ),
}
# Of an adapter: those of today, and of transformers 4, which had the language model at `model.`.
_TODAY = CheckpointLayout(Prompts(IMAGE, IMAGE, "", "", source=""))
_FORMER = replace(
    _TODAY,
    renames=((r"^model\.(layers|embed_tokens|norm)\.", r"model.language_model.\1."), (r"^visual\.", "model.visual.")),
)


class _Picture(NamedTuple):
    """A question about a page: `ids` with an image token for each patch, `pixels` (squares, values) and their grid."""

    ids: list[int]
    pixels: Tensor
    grid: Tensor  # (1, 3): times, rows and columns of squares


class PictureReranker:
    """The score is what the model's words make of it: see `AnswerJudge`."""

    reads: Literal["image"] = "image"

    def __init__(
        self, name: str, judge: AnswerJudge, processor: PictureProcessor, question: Chat, *, activation: str
    ) -> None:
        self.name = name
        self._judge = judge
        self._processor = processor
        self._question = question
        self._activation = ACTIVATIONS[activation]

    def score(self, query: str, pages: Sequence[Candidate]) -> list[float]:
        """One score a page. Raises ValueError for a page without its image."""
        before, after = self._question.parts(query)
        pictures = [self._picture(page, before, after) for page in pages]
        logits = judge_in_batches(self._judge, pictures, lambda picture: len(picture.ids), self._batch)
        return [float(self._activation(logit)) for logit in logits]

    def _picture(self, page: Candidate, before: list[int], after: list[int]) -> _Picture:
        if page.image is None:
            raise ValueError(f"{self.name} looks at pages: give their images")
        pixels, grid = self._processor.pixels(page.image)
        return _Picture(before + [self._question.image_id] * self._processor.patches(grid) + after, pixels, grid)

    def _batch(self, pictures: Sequence[_Picture]) -> dict[str, Tensor]:
        tokens = [{"input_ids": each.ids, "attention_mask": [1] * len(each.ids)} for each in pictures]
        inputs = pad(tokens, pad_id=self._question.pad_id, side="left")
        inputs["mm_token_type_ids"] = (inputs["input_ids"] == self._question.image_id).int()
        inputs["pixel_values"] = torch.cat([each.pixels for each in pictures]).to(self._judge.model.dtype)
        inputs["image_grid_thw"] = torch.cat([each.grid for each in pictures])
        return inputs


class Chat:
    """The chat that a query and a page are put in: `text` with the image's token and the query's mark once."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, text: str) -> None:
        if text.count(IMAGE) != 1 or text.count(_QUERY) != 1:
            raise EncoderNotFound(
                f"the chat template of {tokenizer.name_or_path} writes a query and a page image as {text!r}: expected "
                f"the query and {IMAGE} once"
            )
        self._tokenizer = tokenizer
        self._text = text
        self.image_id = int(tokenizer.convert_tokens_to_ids(IMAGE))
        self.pad_id = int(tokenizer.pad_token_id or 0)

    def parts(self, query: str) -> tuple[list[int], list[int]]:
        """The tokens before the patches of a page, and those after them."""
        text = self._text.replace(_QUERY, plain_text(query, self._tokenizer))
        ids = list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        place = ids.index(self.image_id)
        return ids[:place], ids[place + 1 :]


class PictureProcessor:
    """Page images as Qwen-VL takes them: squares of pixels, `merge` x `merge` of which are a patch."""

    def __init__(self, images: Qwen2VLImageProcessorPil, max_patches: int | None) -> None:
        self._images = images
        self._merge = int(images.merge_size)
        cell = (int(images.patch_size) * self._merge) ** 2  # pixels of a patch
        if max_patches is not None:
            most = min(max_patches * cell, int(images.size["longest_edge"]))
            least = min(int(images.size["shortest_edge"]), most)
            images.size = {"shortest_edge": least, "longest_edge": most}

    def pixels(self, image: Image.Image) -> tuple[Tensor, Tensor]:
        """(squares, values) and (1, 3) of a page; a sliver is stretched to what the processor takes."""
        width, height = image.size
        least = math.ceil(max(width, height) / _MOST_ELONGATED)
        if min(width, height) < least:
            image = image.resize((max(width, least), max(height, least)))
        # Said, because of rows of 1 or 3 pixels the processor would guess that they are channels.
        made = self._images([image.convert("RGB")], return_tensors="pt", input_data_format="channels_last")
        return made["pixel_values"], made["image_grid_thw"]

    def patches(self, grid: Tensor) -> int:
        return int(grid.prod()) // self._merge**2


def load_picture_reranker(checkpoint: Checkpoint, folder: RerankerFolder, options: EncoderOptions) -> PictureReranker:
    """Raises WeightsMismatch, EncoderNotFound."""
    from transformers import Qwen2VLImageProcessorPil

    question = _QUESTIONS[checkpoint.model_type]
    tokenizer = load_tokenizer(checkpoint.processor_folder())
    images = load_image_processor(Qwen2VLImageProcessorPil, checkpoint.processor_folder(), folder.pixels)
    chat = Chat(tokenizer, question.chat if folder.answers is None else _stated_chat(checkpoint, folder, tokenizer))
    model = load_model(checkpoint, options)
    if checkpoint.adapter is not None:
        add_adapters(model, [checkpoint.adapter], checkpoint, _adapter_layout(checkpoint.adapter))
        model.to(model.device)
    answers = folder.answers or (_word(tokenizer, question.yes), _word(tokenizer, question.no))
    judge = AnswerJudge(model, answers, checkpoint.name)
    limit = options.max_patches or (None if folder.pixels else question.patches)
    # What no file states is left as it is: the difference of two logits.
    activation = folder.activation or ("Identity" if folder.answers is None else "Sigmoid")
    return PictureReranker(checkpoint.name, judge, PictureProcessor(images, limit), chat, activation=activation)


def _adapter_layout(adapter: Path) -> CheckpointLayout:
    file = adapter / ADAPTER_FILE
    names = load_file(file) if file.is_file() else {}
    return _TODAY if any(".language_model." in name for name in names) else _FORMER


def _stated_chat(checkpoint: Checkpoint, folder: RerankerFolder, tokenizer: PreTrainedTokenizerFast) -> str:
    """The question as the folder's own chat template writes it."""
    template = read_chat_template(checkpoint.folder) or tokenizer.chat_template
    if not isinstance(template, str):
        raise EncoderNotFound(
            f"{checkpoint.folder} lacks its chat template, which states the question: copy chat_template.jinja there "
            "from the checkpoint"
        )
    if folder.is_flat:
        raise EncoderNotFound(
            f"checkpoint {checkpoint.name!r} has a chat template for texts alone: it cannot be shown a page image"
        )
    query, page = [{"type": "text", "text": _QUERY}], [{"type": "image", "image": IMAGE}]
    return render_chat(tokenizer, folder.prompt, query, page, chat_template=template, **folder.template)


def _word(tokenizer: PreTrainedTokenizerFast, word: str) -> int:
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise EncoderNotFound(
            f"the tokenizer in {tokenizer.name_or_path} has no token {word!r}, with which the model is to answer: take "
            "all files from one checkpoint"
        )
    return int(ids[0])
