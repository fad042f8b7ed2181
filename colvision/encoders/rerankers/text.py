"""Rerankers that read a page's text: classifiers of a query and a text, and language models that answer in a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from torch import Tensor

from colvision.core.reranker import Candidate
from colvision.encoders.options import EncoderOptions
from colvision.encoders.rerankers.folder import RerankerFolder
from colvision.encoders.rerankers.head import HeadJudge
from colvision.encoders.rerankers.inputs import ChatInputs, PairInputs, TextInputs, Tokens, pad
from colvision.encoders.rerankers.model import (
    ACTIVATIONS,
    AnswerJudge,
    ClassifierJudge,
    Judge,
    judge_in_batches,
    load_model,
)
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.processing import load_tokenizer
from colvision.errors import EncoderNotFound

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerFast

_UNTOLD = "Sigmoid"  # what sentence-transformers does to the score of one label where no file says


class TextReranker:
    """A page longer than the model reads has the score of its best window: see `inputs`."""

    reads: Literal["text"] = "text"

    def __init__(self, name: str, inputs: TextInputs, judge: Judge, *, activation: str, pad: tuple[int, str]) -> None:
        self.name = name
        self._inputs = inputs
        self._judge = judge
        self._activation = ACTIVATIONS[activation]
        self._pad_id, self._side = pad

    def score(self, query: str, pages: Sequence[Candidate]) -> list[float]:
        """One score a page, as `CrossEncoder.predict` of sentence-transformers gives it to a text that it need not cut.

        Raises ValueError for a query that leaves no room for a text.
        """
        windows = [self._inputs.windows(query, page.text) for page in pages]
        flat = [window for of_page in windows for window in of_page]
        logits = judge_in_batches(self._judge, flat, lambda tokens: len(tokens["input_ids"]), self._batch)
        ends = np.cumsum([len(of_page) for of_page in windows]).tolist()
        best = [logits[end - len(of_page) : end].max() for of_page, end in zip(windows, ends, strict=True)]
        return [float(self._activation(logit)) for logit in best]

    def _batch(self, tokens: Sequence[Tokens]) -> dict[str, Tensor]:
        return pad(tokens, pad_id=self._pad_id, side=self._side)


def load_classifier(checkpoint: Checkpoint, folder: RerankerFolder, options: EncoderOptions) -> TextReranker:
    """A classifier, its head in the model or beside it. Raises WeightsMismatch, EncoderNotFound."""
    if folder.answers is not None:
        raise EncoderNotFound(
            f"checkpoint {checkpoint.name!r} is a classifier with a LogitScore of a language model: take all files "
            "from one checkpoint"
        )
    tokenizer = _tokenizer(checkpoint)
    model = load_model(checkpoint, options)
    judge: Judge
    if folder.head:
        judge = HeadJudge(model, folder, checkpoint.name)
        tokenizer.padding_side = "right"  # the first token stands first
    else:
        judge = ClassifierJudge(model, checkpoint.name)
    pad_id = tokenizer.pad_token_id if model.config.pad_token_id is None else model.config.pad_token_id
    model.config.pad_token_id = pad_id  # by which classifiers over language models find the last token
    inputs = _inputs(tokenizer, model.config, folder)
    activation = folder.activation or _UNTOLD
    return TextReranker(
        checkpoint.name, inputs, judge, activation=activation, pad=(pad_id or 0, tokenizer.padding_side)
    )


def load_answering(checkpoint: Checkpoint, folder: RerankerFolder, options: EncoderOptions) -> TextReranker:
    """A language model with the words of `folder.answers`. Raises WeightsMismatch, EncoderNotFound."""
    assert folder.answers is not None
    tokenizer = _tokenizer(checkpoint)
    model = load_model(checkpoint, options)
    judge = AnswerJudge(model, folder.answers, checkpoint.name)
    inputs = _inputs(tokenizer, model.config, folder)
    activation = folder.activation or _UNTOLD
    return TextReranker(
        checkpoint.name, inputs, judge, activation=activation, pad=(tokenizer.pad_token_id or 0, "left")
    )


def _tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerFast:
    if checkpoint.adapter is not None:
        raise EncoderNotFound(
            f"{checkpoint.name!r} holds an adapter for a text reranker, which is not read: merge it into its base first"
        )
    return load_tokenizer(checkpoint.folder)


def _inputs(
    tokenizer: PreTrainedTokenizerFast, config: PretrainedConfig, folder: RerankerFolder
) -> PairInputs | ChatInputs:
    """As a chat where the files say so, or, where none says, the tokenizer has a template: as sentence-transformers."""
    positions = getattr(config, "max_position_embeddings", -1)
    most = tokenizer.model_max_length if positions == -1 else min(tokenizer.model_max_length, positions)
    max_length = folder.max_length or int(most)
    is_chat = tokenizer.chat_template is not None if folder.is_chat is None else folder.is_chat
    if is_chat:
        is_flat = folder.is_flat is not False
        return ChatInputs(tokenizer, max_length, folder.template, folder.prompt, is_flat)
    return PairInputs(tokenizer, max_length, folder.prompt)
