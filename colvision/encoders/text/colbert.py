"""Late interaction over a page's text: an `Encoder` whose page vectors are those of the text's tokens.

A token that stands in a printed word takes up cells of the page's grid, so that maps, boxes and explanations are drawn
as for patches. Its kind is `TEXT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import transformers

from colvision.core.embedding import Floats, PageEmbedding, QueryEmbedding, VectorKind
from colvision.core.encoder import EncoderInfo, textless
from colvision.core.health import Note
from colvision.core.page import Page
from colvision.encoders.batching import sorted_batches, windows
from colvision.encoders.finding import Finding
from colvision.encoders.quantisation_range import measure_quantisation_range
from colvision.encoders.query_tokens import PromptedQuery
from colvision.encoders.text.checkpoint import TextCheckpoint
from colvision.encoders.text.model import ColbertModel, Tokens
from colvision.encoders.text.page_text import PageText, Span, cut_into_passages
from colvision.encoders.text.placing import place_tokens
from colvision.encoders.text.self_check import check_model

_BATCH_TOKENS = {"cpu": 2048, "cuda": 32768, "mps": 8192}
_WINDOW_BATCHES = 4  # among which passages are sorted by length, so that little is padding
_WINDOW_PAGES = 64  # at most, however short: a page comes out before many more are read


class ColbertEncoder:
    """An `Encoder` of a page's text: a ColBERT checkpoint of any layout. It sees nothing of the page's image.

    A page that is longer than the model reads is several passages, whose vectors lie end to end.
    """

    reads_text = True

    def __init__(self, checkpoint: TextCheckpoint, model: ColbertModel, known: EncoderInfo | None = None) -> None:
        self.checkpoint = checkpoint
        self.model = model
        self._known = known
        self._budget = _BATCH_TOKENS[model.device.type]

    @cached_property
    def info(self) -> EncoderInfo:
        """When it is first needed, the text of three small generated pages is encoded to measure
        `quantisation_range`, unless that is known.
        """
        fingerprint = self.checkpoint.fingerprint()
        is_known = self._known is not None and self._known.fingerprint == fingerprint
        known_range = self._known.quantisation_range if self._known is not None and is_known else None
        return EncoderInfo(
            self.checkpoint.name,
            fingerprint,
            self.model.dim,
            measure_quantisation_range(self.encode_pages) if known_range is None else known_range,
            versions={
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "attention": str(self.model.backbone.config._attn_implementation),
                "dtype": str(self.model.backbone.dtype).removeprefix("torch."),
            },
            loaded_from=self.checkpoint.reference,
        )

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        """One embedding a page, in order. Passages of about the same length share a batch."""
        window = _WINDOW_BATCHES * self._budget
        read = (self._read(page) for page in pages)
        for group in windows(read, lambda page: max(page.tokens, window // _WINDOW_PAGES), window):
            vectors = iter(self._vectors([passage for page in group for _, passage in page.passages]))
            for page in group:
                yield page.embedding([next(vectors) for _ in page.passages])

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        """One embedding a text, in order; markers and what fills a query up count in the score, as in training.

        Of a query that is longer than the model reads, its first words. Raises ValueError for a text without a letter
        or digit.
        """
        read = [self._tokenise(text) for text in texts]
        vectors = self._vectors([tokens for _, tokens in read])
        return [self._query(*each, found) for each, found in zip(read, vectors, strict=True)]

    def unreadable(self, page: Page) -> tuple[Note, ...]:
        """That a page has no text, as far as anybody has read it."""
        return textless(page)

    def describe_page(self) -> str:
        """How many vectors a page becomes, before there is one."""
        skipped = f" but {len(self.model.skipped_words)} marks" if self.model.skipped_words else ""
        return (
            f"one vector for each token of a page's text{skipped}, some hundreds for a page of print; read in passages "
            f"of up to {self.model.document_length:,} tokens"
        )

    def self_check(self) -> Iterator[Finding]:
        """What `colvision doctor` reports of this encoder beyond what its vectors show."""
        return check_model(self.model, self.checkpoint)

    def _read(self, page: Page) -> _ReadPage:
        text = PageText.of(page)
        spans = cut_into_passages(
            text.spans, lambda span: self.model.count(text.text[slice(*span)]), self.model.capacity
        )
        passages = [(start, self.model.document(text.text[start:end])) for start, end in spans]
        return _ReadPage(text, tuple(passages) or ((0, self.model.document("")),))

    def _vectors(self, passages: Sequence[Tokens]) -> list[Floats]:
        made: dict[int, Floats] = {}
        for places in sorted_batches([len(passage.ids) for passage in passages], self._budget):
            made.update(zip(places, self.model.vectors([passages[place] for place in places]), strict=True))
        return [made[place] for place in range(len(passages))]

    def _tokenise(self, text: str) -> tuple[PromptedQuery, Tokens]:
        prompt = self.model.layout.query_prompt
        prompted = PromptedQuery.of(text, prefix=prompt, suffix="")
        tokens = self.model.query(prompted.text[prompted.start :])
        if tokens.is_cut:
            read = max(1, *(end for _, end in tokens.spans))
            prompted = PromptedQuery.of(text, prefix=prompt, suffix="", length=read)
        return prompted, tokens

    def _query(self, prompted: PromptedQuery, tokens: Tokens, vectors: Floats) -> QueryEmbedding:
        counted = np.flatnonzero(tokens.counts)
        spans = [(start + prompted.start, end + prompted.start) for start, end in tokens.spans]
        weight = 1 / len(counted) if self.model.layout.mean else 1.0
        embedding = prompted.embedding(vectors, [spans[place] for place in counted], weight=weight)
        names = self.model.tokenizer.convert_ids_to_tokens([tokens.ids[place] for place in counted])
        return replace(
            embedding, tokens=tuple(token or name for token, name in zip(embedding.tokens, names, strict=True))
        )


@dataclass(frozen=True, slots=True)
class _ReadPage:
    """A page's text and its passages: where each begins in the text, and its tokens."""

    text: PageText
    passages: tuple[tuple[int, Tokens], ...]

    @property
    def tokens(self) -> int:
        return sum(len(passage.ids) for _, passage in self.passages)

    def embedding(self, vectors: Sequence[Floats]) -> PageEmbedding:
        """(n, dim) of each passage -> the page, with the cells of its words."""
        spans: list[Span] = [
            (start + begin, start + end)
            for start, passage in self.passages
            for (begin, end), counts in zip(passage.spans, passage.counts, strict=True)
            if counts
        ]
        return PageEmbedding(
            np.concatenate(vectors),
            place_tokens([self.text.share(span) for span in spans]),
            np.full(len(spans), VectorKind.TEXT, np.uint8),
        )
