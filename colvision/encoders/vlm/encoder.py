"""What all encoders through transformers share: loading, batches, and padded tensors turned into flat vectors."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import torch
import transformers

from colvision.core.embedding import PageEmbedding, QueryEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.core.page import Page
from colvision.encoders.batching import batches, sorted_batches, windows
from colvision.encoders.bi_encoders.global_vectors import whole_query
from colvision.encoders.finding import Finding
from colvision.encoders.quantisation_range import measure_quantisation_range
from colvision.encoders.vlm.family import Family, PageBatch, PreparedPage
from colvision.encoders.vlm.loaded_checkpoint import LoadedCheckpoint
from colvision.encoders.vlm.prompted import tokenise_query
from colvision.encoders.vlm.replicas import Launched, ReplicaPool
from colvision.encoders.vlm.resolution import page_size
from colvision.encoders.vlm.self_check import check_model
from colvision.errors import EncoderError
from colvision.parallel import usable_cores

if TYPE_CHECKING:
    from PIL import Image

_BATCH_TOKENS = {"cpu": 2048, "cuda": 16384, "mps": 4096}  # a CPU gains nothing from more than a few pages at once
_WINDOW_BATCHES = {"cpu": 1, "cuda": 4, "mps": 2}  # among which pages are sorted: a CPU's pages come one by one
_PREPARING_THREADS = 8  # at most: a page takes 20 ms of one, so that 400 pages a second are ready
_DRAWING_PROCESSES = 4  # at most a device: a page takes 25 ms of one, so that 160 pages a second are drawn


class VlmEncoder:
    """An `Encoder` of any family. A page's prompt tokens stay in its multi-vector, without a place on the page.

    `others`: devices beside that of `family`, of the same kind, which get a replica each when there are pages enough.
    """

    def __init__(
        self,
        family: Family,
        checkpoint: LoadedCheckpoint,
        others: Sequence[torch.device] = (),
        known: EncoderInfo | None = None,
    ) -> None:
        self.family = family
        self._known = known
        self.checkpoint = checkpoint
        self._others = others
        self._replicas = [family]
        self._loading = threading.Lock()
        self._budget = _BATCH_TOKENS[family.model.device.type]  # tokens; less once the device's memory ran out
        self._window = _WINDOW_BATCHES[family.model.device.type] * self._budget

    @cached_property
    def info(self) -> EncoderInfo:
        """When it is first needed, three small generated pages are encoded to measure `quantisation_range`.

        Unless that is known: a query on the command line would wait for it every time.
        """
        versions = {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "attention": self.family.model.config._attn_implementation,
            "dtype": " in ".join(
                filter(None, (self.checkpoint.options.quantise, _dtype_name(self.family.model.dtype)))
            ),
        }
        fingerprint = self.checkpoint.fingerprint(self.family)
        return EncoderInfo(
            self.checkpoint.name,
            fingerprint,
            self.family.dim,
            self._quantisation_range(fingerprint),
            versions=versions,
            loaded_from=self.checkpoint.reference,
            former=self.checkpoint.former_fingerprints(self.family),
        )

    @property
    def drawing_processes(self) -> int:
        """Half of the cores, which the model needs itself where it has no device of its own."""
        if self.family.model.device.type == "cpu":
            return 1
        return max(1, min(_DRAWING_PROCESSES * (1 + len(self._others)), usable_cores() // 2))

    def _quantisation_range(self, fingerprint: str) -> float:
        if self._known is not None and self._known.fingerprint == fingerprint:
            return self._known.quantisation_range
        return measure_quantisation_range(self.encode_pages)

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        """One embedding a page, in order.

        Pages are read here, prepared in threads of their own as soon as they are, and computed in others: one window
        of pages is held, and as many more as give every device a batch. Within a window, pages of nearly the same
        size share a batch.
        """
        with _preparing_threads() as preparing:
            waiting = (self._prepare(page.image, preparing) for page in pages)
            all_windows = windows(waiting, lambda page: page.patches, self._window)
            first = next(all_windows, [])
            replicas = self._replicas_for(first)
            ahead = math.ceil(len(replicas) * self._budget / self._window)
            running: deque[_Window] = deque()
            with ReplicaPool(replicas, self._launch) as pool:
                for window in chain([first], all_windows):
                    running.append(self._start(window, pool))
                    if len(running) > ahead:
                        yield from _in_order(running.popleft())
                while running:
                    yield from _in_order(running.popleft())

    def _prepare(self, image: Image.Image, preparing: ThreadPoolExecutor) -> _WaitingPage:
        patches = self.family.count_patches(*self.family.fitted_size(*image.size))
        return _WaitingPage(patches, preparing.submit(lambda: self.family.prepare(self.family.fit(image))))

    def _replicas_for(self, pages: Sequence[_WaitingPage]) -> Sequence[Family]:
        """All for more than a batch; loaded before any works, since loading changes defaults that threads share."""
        if sum(page.patches for page in pages) <= self._budget:
            return [self.family]
        with self._loading:
            for device in self._others[len(self._replicas) - 1 :]:
                self._replicas.append(self.checkpoint.load(device, self.family.model.dtype))
        return self._replicas

    def _start(self, pages: Sequence[_WaitingPage], pool: ReplicaPool) -> _Window:
        batches_of_places = sorted_batches([page.patches for page in pages], self._budget)
        return [(places, pool.submit([pages[place].prepared for place in places])) for places in batches_of_places]

    def _launch(self, family: Family, pages: Sequence[PreparedPage], batch: PageBatch) -> Launched:
        """Out of memory, the batch is halved, and those after it are smaller, too."""
        try:
            return [(batch, family.begin(batch.inputs))]
        except torch.cuda.OutOfMemoryError as error:
            if len(pages) == 1:
                raise EncoderError(
                    f"{self.checkpoint.name} ran out of the device's memory on a single page of "
                    f"{pages[0].patches} patches: load it with a smaller max_patches"
                ) from error
        middle = len(pages) // 2
        self._budget = max(1, min(self._budget, max(page.patches for page in pages) * len(pages) // 2))
        if family.model.device.type == "cuda":
            torch.cuda.empty_cache()
        halves = (pages[:middle], pages[middle:])
        return [part for half in halves for part in self._launch(family, half, family.batch(half))]

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        """One embedding a text, in order; prefix and augmentation tokens count in the score, as in training.

        Raises ValueError for a text without a letter or digit.
        """
        embeddings = []
        tokenised = (tokenise_query(self.family, text) for text in texts)
        for batch in batches(tokenised, lambda query: len(query.ids), self._budget):
            inputs = self.family.query_inputs(*self.family.pad([query.ids for query in batch]))
            for query, vectors in zip(batch, self.family.query_vectors(inputs), strict=True):
                if self.family.pools_last_token:
                    embeddings.append(whole_query(query.prompted.query, query.prompted.asked, vectors[0]))
                    continue
                counts = self.family.scored.query(torch.tensor(query.ids)).tolist()
                spans = [span for span, has_vector in zip(query.spans, counts, strict=True) if has_vector]
                weight = self.family.query_weight(len(vectors))
                embeddings.append(query.prompted.embedding(vectors, spans, weight=weight))
        return embeddings

    def describe_page(self) -> str:
        """How many vectors a page becomes, before there is one."""
        return f"{page_size(self.family)}; {self.checkpoint.patch_limit(self.family)}"

    def self_check(self) -> Iterator[Finding]:
        """What `colvision doctor` reports of this encoder beyond what its vectors show."""
        return check_model(self.family, self.checkpoint, self.info.versions)


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@contextmanager
def _preparing_threads() -> Iterator[ThreadPoolExecutor]:
    """Pillow and the tokenizer leave Python free; what was not begun when the block ends never will be."""
    threads = ThreadPoolExecutor(min(_PREPARING_THREADS, usable_cores()), thread_name_prefix="preparing")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


class _WaitingPage(NamedTuple):
    """A page in the hands of a thread that prepares it, and the image tokens that it will have."""

    patches: int
    prepared: Future[PreparedPage]


_Window = list[tuple[list[int], "Future[list[PageEmbedding]]"]]  # batches: places in the window, and their embeddings


def _in_order(window: _Window) -> list[PageEmbedding]:
    pages = [placed for places, encoded in window for placed in zip(places, encoded.result(), strict=True)]
    return [embedding for _, embedding in sorted(pages, key=lambda placed: placed[0])]
