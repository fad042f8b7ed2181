"""What the handles of one open library share: its store, its encoder, loaded when it is needed, and its searcher."""

import threading
from pathlib import Path

from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.reranker import Reranker
from colvision.encoders.options import EncoderOptions
from colvision.encoders.rerankers import load_reranker
from colvision.encoders.spec import EncoderSpec
from colvision.errors import EncoderMismatch, EncoderNotFound, WeightsMismatch
from colvision.ingest import COMMIT_BYTES, IngestOptions
from colvision.pdf import RendererChoice
from colvision.search.device import SearchDevice
from colvision.search.page_search import SEARCH_BYTES
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
        search_device: SearchDevice | None = None,
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
        self.search_device = search_device
        self.searcher = Searcher(
            store,
            lambda: self.encoder,
            memory=max_memory or SEARCH_BYTES,
            others=self.other_encoder,
            device=search_device,
        )
        self._encoder = encoder
        self._rerankers: dict[str, Reranker] = {}
        self._others: dict[str, Encoder] = {}  # by fingerprint
        own = encoder.options if isinstance(encoder, EncoderSpec) else EncoderOptions()
        self._where = EncoderOptions(device=own.device, dtype=own.dtype)  # encoders compute, those of checkpoints
        self._loading = threading.Lock()
        self._loading_others = threading.Lock()  # of its own: meanwhile searches by the library's encoder go on

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

    def other_encoder(self, info: EncoderInfo) -> Encoder:
        """A further encoder of a collection, loaded once, from where it was loaded when it was added.

        Raises `EncoderError`, `MissingExtra`.
        """
        with self._loading_others:
            own = self._encoder  # may be loaded by another thread at this moment
            known = self._others.get(info.fingerprint)
            if known is None and not isinstance(own, EncoderSpec) and own.info.fingerprint == info.fingerprint:
                known = own
            self._others[info.fingerprint] = encoder = known or self._load_other(info)
            return encoder

    def _load_other(self, info: EncoderInfo) -> Encoder:
        if not info.options:
            raise EncoderNotFound(
                f"{info.name} (fingerprint {info.fingerprint[:12]}) was made by a program, which alone can load it: "
                "give it to add_encoder of the collection"
            )
        where = self._where if info.loaded_from is not None else EncoderOptions()
        try:
            encoder = EncoderSpec(options=where).load(info)
        except (EncoderNotFound, WeightsMismatch) as error:
            if info.loaded_from is None:
                raise
            raise type(error)(
                f"{info.name} (fingerprint {info.fingerprint[:12]}) was loaded from {info.loaded_from.name}, and no "
                f"longer can be: {error.__cause__ or error}. Say where it is: `colvision add-encoder NAME "
                f"{info.loaded_from.options('FOLDER')}`, with the name that it has there"
            ) from error
        if encoder.info.fingerprint != info.fingerprint:
            raise EncoderMismatch(
                f"{info.name} is another one now (fingerprint {encoder.info.fingerprint[:12]}, not "
                f"{info.fingerprint[:12]}): put its files of then back, or remove it and add it again"
            )
        return encoder

    def use_other(self, encoder: Encoder) -> None:
        """Whoever needs a further encoder with its fingerprint gets this one."""
        with self._loading_others:
            self._others[encoder.info.fingerprint] = encoder

    @property
    def is_encoder_loaded(self) -> bool:
        return not isinstance(self._encoder, EncoderSpec)

    def encoder_info(self) -> EncoderInfo | str:
        """What the library is open with; its name while it is not loaded."""
        encoder = self._encoder  # may be loaded by another thread at this moment
        return encoder.expected(self._filled_by()) if isinstance(encoder, EncoderSpec) else encoder.info

    def _filled_by(self) -> EncoderInfo | None:
        return next((row.info for row in self.store.collections() if row.info is not None), None)
