"""A text model with a projection on top: texts in, the vectors of their tokens out, as the checkpoint was trained.

Equal to sentence-transformers' `MultiVectorEncoder` on the same files (`tests/oracles/colbert.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from colvision.encoders.text.layouts import ColbertLayout
from colvision.encoders.text.projection import Projection
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from colvision.core.embedding import Bools, Floats

Task = Literal["query", "document"]
Span = tuple[int, int]  # from, to: characters

_UNBOUNDED = 8192  # tokens of a passage, where neither the checkpoint nor its model has a longest
_COUNTED_PADDING = {"roberta", "xlm-roberta", "camembert", "mpnet"}  # positions begin after the pad token's id


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A text as the model reads it, t tokens: `ids`, which of them it `attends` to, which vectors `counts`.

    `spans` are their characters in the text without its prompt; negative in the prompt, and empty of what is in no
    text. `is_cut`: the text goes on.
    """

    ids: tuple[int, ...]
    attends: Bools
    counts: Bools
    spans: tuple[Span, ...]
    is_cut: bool = False


class ColbertModel(nn.Module):
    """`backbone`'s last hidden states through `projections`, of unit length."""

    def __init__(
        self,
        backbone: PreTrainedModel,
        projections: Sequence[Projection],
        tokenizer: PreTrainedTokenizerFast,
        layout: ColbertLayout,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projections = nn.ModuleList(projections)
        self.tokenizer = tokenizer
        self.layout = layout
        register_markers(tokenizer, layout.markers)
        self._behind = self._count_behind()
        self._around = len(self._encode(layout.document_prompt)[0])
        self.skipped_words, skipped = _token_ids(tokenizer, layout.skipped)
        self._skipped = {task: skipped if task in layout.skipped_in else frozenset() for task in ("query", "document")}
        self._mask_id = self._find_mask_id()
        self.query_length = self._longest(layout.query_length)
        self.document_length = self._longest(layout.document_length)
        self._check()

    @property
    def device(self) -> torch.device:
        device: torch.device = self.backbone.device
        return device

    @property
    def dim(self) -> int:
        last = self.projections[-1] if len(self.projections) else None
        return int(last.linear.out_features if isinstance(last, Projection) else self.backbone.config.hidden_size)

    @property
    def capacity(self) -> int:
        """The most tokens of a passage besides its prompt and what the tokenizer puts around."""
        return self.document_length - self._around

    def query(self, text: str) -> Tokens:
        """A query behind its prompt, filled up, or cut, as the checkpoint says."""
        expansion = self.layout.expansion
        limit = self.query_length
        if expansion is not None:
            floor = self.layout.query_length
            limit = expansion.length if expansion.is_fixed else self._longest(floor and max(floor, expansion.length))
        tokens = self._tokens(text, "query", limit)
        if expansion is None or len(tokens.ids) >= expansion.length:
            return tokens
        added = expansion.length - len(tokens.ids)
        before = added if expansion.is_fixed and self.tokenizer.padding_side == "left" else 0

        def fill(values: Bools, value: bool) -> Bools:
            return np.pad(values, (before, added - before), constant_values=value)

        return Tokens(
            before * (self._mask_id,) + tokens.ids + (added - before) * (self._mask_id,),
            fill(tokens.attends, expansion.attends),
            fill(tokens.counts, self._mask_id not in self._skipped["query"]),
            before * ((0, 0),) + tokens.spans + (added - before) * ((0, 0),),
            tokens.is_cut,
        )

    def document(self, text: str) -> Tokens:
        """A passage behind its prompt. One vector counts at least."""
        tokens = self._tokens(text, "document", self.document_length)
        if not tokens.counts.any():
            tokens.counts[0] = True
        return tokens

    def count(self, text: str) -> int:
        """Tokens of a passage besides its prompt and what the tokenizer puts around."""
        return len(self._encode(self.layout.document_prompt + text)[0]) - self._around

    @torch.inference_mode()
    def vectors(self, batch: Sequence[Tokens]) -> list[Floats]:
        """Those of each text that count, (n, dim) float32 of unit length."""
        longest = max(len(each.ids) for each in batch)
        ids = torch.full((len(batch), longest), int(self.tokenizer.pad_token_id or 0))
        mask = torch.zeros_like(ids)
        for row, each in enumerate(batch):
            ids[row, : len(each.ids)] = torch.tensor(each.ids)
            mask[row, : len(each.ids)] = torch.from_numpy(each.attends)
        unit = self(ids.to(self.device), mask.to(self.device)).cpu().numpy()  # (b, s, dim)
        return [rows[: len(each.ids)][each.counts] for rows, each in zip(unit, batch, strict=True)]

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(b, s) token ids and what is attended to -> (b, s, dim) float32. What is added is summed in float32."""
        states: Tensor = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        for projection in self.projections:
            states = projection(states)
        return nn.functional.normalize(states, dim=-1)

    def _tokens(self, text: str, task: Task, limit: int) -> Tokens:
        prompt = self.layout.query_prompt if task == "query" else self.layout.document_prompt
        ids, spans = self._encode(prompt + text)
        is_cut = len(ids) > limit
        if is_cut:  # from the end of the text: what the tokenizer puts behind it stays
            kept = [*range(limit - self._behind), *range(len(ids) - self._behind, len(ids))]
            ids, spans = [ids[place] for place in kept], [spans[place] for place in kept]
        ids = ids or [self._mask_id]  # of no text, and no prompt
        spans = spans or [(0, 0)]
        counts = np.array([each not in self._skipped[task] for each in ids], dtype=np.bool_)
        if task == "document" and self.layout.kept:
            counts &= np.isin(ids, self.layout.kept)
        own = tuple((0, 0) if start == end else (start - len(prompt), end - len(prompt)) for start, end in spans)
        return Tokens(tuple(ids), np.ones(len(ids), np.bool_), counts, own, is_cut)

    def _encode(self, text: str) -> tuple[list[int], list[Span]]:
        """Never cut or padded by the tokenizer: threads share it, and such settings are its own."""
        found = self.tokenizer(text, return_offsets_mapping=True, verbose=False)
        return list(found["input_ids"]), [(start, end) for start, end in found["offset_mapping"]]

    def _count_behind(self) -> int:
        """How many tokens the tokenizer puts behind a text."""
        mask = self.tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
        return next((place for place, special in enumerate(reversed(mask)) if not special), 0)

    def _longest(self, stated: int | None) -> int:
        """A stated length, or that of the tokenizer; no more than the model has positions for."""
        config = self.backbone.config
        positions = int(getattr(config, "max_position_embeddings", -1) or -1)
        if config.model_type in _COUNTED_PADDING:
            positions -= int(config.pad_token_id) + 1
        longest = stated or min(self.layout.max_length or int(self.tokenizer.model_max_length), 10**9)
        longest = min(longest, positions) if positions > 0 else longest
        return longest if longest < 10**9 else _UNBOUNDED

    def _find_mask_id(self) -> int:
        """What fills up a query: the token that is named, the mask, or the end of a text for a decoder."""
        expansion = self.layout.expansion
        if expansion is not None and expansion.token is not None:
            [found] = _token_ids(self.tokenizer, [expansion.token])[1] or [None]
        else:
            mask, end = self.tokenizer.mask_token_id, self.tokenizer.eos_token_id
            found = end if mask is None else mask
        if found is None and expansion is not None:
            raise EncoderNotFound(
                f"queries are filled up with {expansion.token or 'a mask token'!r}, which the tokenizer has not: "
                "take all files from one checkpoint"
            )
        return int(found or 0)

    def _check(self) -> None:
        vocabulary = int(self.backbone.config.vocab_size)
        if len(self.tokenizer) > vocabulary:
            raise WeightsMismatch(
                f"the tokenizer has {len(self.tokenizer)} tokens, the model {vocabulary}: take all files from one "
                "checkpoint"
            )
        if self.capacity < 1:
            raise EncoderNotFound(
                f"a passage may have {self.document_length} tokens, which its prompt {self.layout.document_prompt!r} "
                "fills: take all files from one checkpoint"
            )


def register_markers(tokenizer: PreTrainedTokenizerFast, markers: Sequence[str]) -> None:
    """Makes one token of each marker, or of its first word, that the vocabulary has and the tokenizer would cut up.

    A marker was put among the token ids in training: `[unused0]` in a text is otherwise `[`, `unused`, `0`, `]`.
    """
    from transformers import AddedToken

    known = {*tokenizer.get_vocab(), *tokenizer.added_tokens_encoder}
    new = []
    for marker in markers:
        found = next((each for each in (marker, *marker.split()[:1]) if each in known), None)
        if found is not None and tokenizer.tokenize(found) != [found]:
            new.append(AddedToken(found, normalized=False, special=True))
    if new:
        tokenizer.add_special_tokens({"additional_special_tokens": new})


def _token_ids(tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> tuple[tuple[str, ...], frozenset[int]]:
    """The words that are one token, and their ids."""
    found = {word: tokenizer.convert_tokens_to_ids(word) for word in words}
    known = {
        word: each
        for word, each in found.items()
        if each is not None and (each != tokenizer.unk_token_id or word == tokenizer.unk_token)
    }
    return tuple(known), frozenset(known.values())
