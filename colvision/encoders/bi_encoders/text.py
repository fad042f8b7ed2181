"""A bi-encoder of texts: a page is the vector of its text, or one of each passage of a text too long for one.

An empty text has a vector like any other, and short questions are more like it than like a page of print (for
all-MiniLM-L6-v2 "the" by .52, where no page of 302 has more than .18). So a page without text is the opposite of that
vector: what is a little like nothing at all stays below the pages that say something.

For folders of sentence-transformers with one vector a text, by transformers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from colvision.core.embedding import PageEmbedding, QueryEmbedding
from colvision.core.encoder import CheckpointRef, EncoderInfo, textless
from colvision.core.health import Note
from colvision.core.page import Page
from colvision.encoders.batching import sorted_batches, windows
from colvision.encoders.bi_encoders.global_vectors import query_text, unit, whole_page, whole_query
from colvision.encoders.bi_encoders.info import check_dim, check_options, encoder_info, quantisation_range
from colvision.encoders.bi_encoders.text_folder import TextFolder
from colvision.encoders.bi_encoders.text_model import Passage, TextModel
from colvision.encoders.finding import Finding
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.options import EncoderOptions
from colvision.encoders.text.page_text import PageText

_BATCH_TOKENS = {"cpu": 4096, "cuda": 65536, "mps": 8192}
_WINDOW_BATCHES = 4  # among which passages are sorted by length, so that little is padding
_WINDOW_PAGES = 128  # at most, however short: what is encoded is told, and stored, as it comes
_REVISION = "2"  # raised when the same files give other vectors than before: part of the fingerprint


class TextBiEncoder:
    """An `Encoder` of pages by their text. A page without text is the opposite of what an empty one is."""

    reads_text = True

    def __init__(self, model: TextModel, options: EncoderOptions, known: EncoderInfo | None = None) -> None:
        self._model = model
        self._repository = model.folder.repository
        self._options = options
        self._known = known
        self._budget = _BATCH_TOKENS.get(model.model.device.type, _BATCH_TOKENS["cpu"])
        self.dim = check_dim(self._repository.name, model.full_dim, options.dim or model.folder.dim)

    @classmethod
    def load(cls, folder: TextFolder, options: EncoderOptions, known: EncoderInfo | None = None) -> TextBiEncoder:
        """Raises EncoderNotFound, WeightsMismatch, and ValueError for an option that says nothing to a text encoder."""
        check_options(options, "a bi-encoder of texts", refused=("max_patches", "adapter", "quantise", "attention"))
        if options.query_prefix is not None:
            folder = replace(folder, query_prompt=options.query_prefix)
        if options.page_prompt is not None:
            folder = replace(folder, page_prompt=options.page_prompt)
        device, *_ = options.torch_devices()
        return cls(TextModel(folder, device, options.torch_dtype(device)), options, known)

    @cached_property
    def info(self) -> EncoderInfo:
        """The first time, the text of three small generated pages is encoded to measure `quantisation_range`."""
        made = self._fingerprint()
        reference = CheckpointRef(
            self._repository.source,
            query_prefix=self._options.query_prefix,
            page_prompt=self._options.page_prompt,
            dim=self._options.dim,
        )
        measured = quantisation_range(self.encode_pages, made, self._known)
        return encoder_info(reference, self._repository.name, (made, self.dim), self._model.model, measured)

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        """One embedding a page, in order: vectors of kind `GLOBAL`, one a passage of its text."""
        prompt = self._model.folder.page_prompt
        read = (self._model.passages(_text(page), prompt, self._model.page_length) for page in pages)
        whole = _WINDOW_BATCHES * self._budget
        for window in windows(read, lambda page: max(_tokens(page), whole // _WINDOW_PAGES), whole):
            passages = [passage for page in window for passage in page]
            vectors = self._vectors(passages, prompt)
            vectors[[not passage.text for passage in passages]] *= -1
            ends = np.cumsum([len(page) for page in window])
            yield from map(whole_page, np.split(vectors, ends[:-1]))

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        """One vector a query. Of one that is longer than the model reads its first words, which its token names.

        Raises ValueError for a text without a letter or digit.
        """
        prompt, longest = self._model.folder.query_prompt, self._model.query_length
        passages = [self._model.passages(query_text(text), prompt, longest)[0] for text in texts]
        vectors = self._vectors(passages, prompt)
        return [whole_query(*each) for each in zip(texts, (p.text for p in passages), vectors, strict=True)]

    def unreadable(self, page: Page) -> tuple[Note, ...]:
        """That a page has no text, as far as anybody has read it."""
        return textless(page)

    def describe_page(self) -> str:
        """How many vectors a page becomes, before there is one."""
        return f"one vector for every {self._model.page_length} tokens of a page's text, which is one for most pages"

    def self_check(self) -> Iterator[Finding]:
        """What `colvision doctor` reports of it beyond what its vectors show."""
        folder = self._model.folder
        yield Finding("query prompt", None, repr(folder.query_prompt))
        yield Finding("page prompt", None, repr(folder.page_prompt))
        yield Finding("pooling", None, f"{' and '.join(folder.pooling.modes)} of the tokens' vectors")
        yield Finding("longest passage", None, f"{self._model.page_length} tokens; a longer text has several vectors")

    def _vectors(self, passages: Sequence[Passage], prompt: str) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        made = np.empty((len(passages), self.dim), dtype=np.float32)
        for places in sorted_batches([len(passage.ids) for passage in passages], self._budget):
            made[places] = unit(self._model.vectors([passages[place] for place in places], prompt), self.dim)
        return made

    def _fingerprint(self) -> str:
        folder = self._model.folder
        cut = () if self.dim == self._model.full_dim else (f"{self.dim} components",)
        settings = ("text bi-encoder", _REVISION, folder.query_prompt, str(self._model.page_length), *folder.settings)
        return fingerprint([folder.folder, *folder.dense_folders], (*settings, *cut))


def _text(page: Page) -> str:
    """As it was laid out, where there is such a text, else the words whose places are known."""
    return page.text if page.text.strip() else PageText.of(page).text


def _tokens(passages: Sequence[Passage]) -> int:
    return sum(len(passage.ids) for passage in passages)
