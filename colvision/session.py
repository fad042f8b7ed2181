"""What the handles of one open library share: its store, its encoder, loaded when it is needed, and its searcher."""

import threading
from pathlib import Path

from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.reranker import Reranker
from colvision.encoders.rerankers import load_reranker
from colvision.encoders.spec import EncoderSpec
from colvision.ingest import COMMIT_BYTES, IngestOptions
from colvision.pdf import RendererChoice
from colvision.search.execute import SEARCH_BYTES
from colvision.search.searcher import Searcher
from colvision.store import Store
from colvision.store.disk import KEEP_FREE


class Session:
    """One open library; safe to share between threads. The options are those of `open_library`."""

    def __init__(
        self,
        store: Store,
        encoder: Encoder | EncoderSpec,
        *,
        max_memory: int | None = None,
        keep_free: int | None = None,
        renderer: RendererChoice = "pdfium",
        ocr: str | None = None,
    ) -> None:
        if max_memory is not None and (not isinstance(max_memory, int) or max_memory < 1):
            raise ValueError(f"max_memory is {max_memory!r}; give a number of bytes, such as 256 << 20")
        self.store = store
        self.ingest_options = IngestOptions(
            commit_bytes=max_memory or COMMIT_BYTES,
            keep_free=KEEP_FREE if keep_free is None else keep_free,
            renderer=renderer,
            ocr=ocr,
        )
        self.searcher = Searcher(store, lambda: self.encoder, memory=max_memory or SEARCH_BYTES)
        self._encoder = encoder
        self._rerankers: dict[str, Reranker] = {}
        self._loading = threading.Lock()

    @property
    def path(self) -> Path:
        return self.store.path

    @property
    def encoder(self) -> Encoder:
        """Raises `EncoderError`."""
        with self._loading:
            if isinstance(self._encoder, EncoderSpec):
                self._encoder = self._encoder.load(self._filled_by())
            return self._encoder

    def reranker(self, reranker: str | Path | Reranker) -> Reranker:
        """The reranker itself, or that of a name: loaded once, and kept. Raises `EncoderError`, `MissingExtra`."""
        if not isinstance(reranker, str | Path):
            return reranker
        with self._loading:
            name = str(reranker)
            if name not in self._rerankers:
                self._rerankers[name] = load_reranker(reranker)
            return self._rerankers[name]

    @property
    def is_encoder_loaded(self) -> bool:
        return not isinstance(self._encoder, EncoderSpec)

    def encoder_info(self) -> EncoderInfo | str:
        """What the library is open with; its name while it is not loaded."""
        encoder = self._encoder  # may be loaded by another thread at this moment
        return encoder.expected(self._filled_by()) if isinstance(encoder, EncoderSpec) else encoder.info

    def _filled_by(self) -> EncoderInfo | None:
        return next((row.info for row in self.store.collections() if row.info is not None), None)
