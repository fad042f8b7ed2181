"""Pages and pictures as queries: where their vectors come from."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from colvision.embedding import Encoder, QueryEmbedding
from colvision.errors import DamagedFile
from colvision.likeness import page_query
from colvision.maxsim import dequantise
from colvision.page import Page
from colvision.pdf import FailedPage, read_pages
from colvision.search import Answer
from colvision.store import Store
from colvision.store.records import DocumentRow


def stored_query(store: Store, collection: str, row: DocumentRow, page: int) -> QueryEmbedding:
    """A stored page's codes as a query. Raises `PageNotFound`, `LibraryDamaged`."""
    stored = store.stored_page(row, page)
    info = store.collection(collection).info
    vectors = dequantise(stored.codes, info.code_range if info is not None else 1.0)
    return page_query(vectors, stored.kind, stored.grid, text=f"page {page} of {row.name}")


def image_query(encoder: Encoder, image: str | Path | Image.Image) -> QueryEmbedding:
    """A picture, or the first page of a file, encoded as a page. Raises `InputError`."""
    page = Page(image.convert("RGB"), source="a picture") if isinstance(image, Image.Image) else _first_page(image)
    [embedding] = encoder.encode_pages([page])
    return page_query(embedding.vectors, embedding.kind, embedding.grid, text=page.source)


def without_page(answer: Answer, document_id: str, page: int, k: int) -> Answer:
    """The first `k` hits that are not this page."""
    others = [hit for hit in answer.hits if (hit.document_id, hit.page) != (document_id, page)][:k]
    return replace(answer, hits=tuple(replace(hit, rank=rank) for rank, hit in enumerate(others, start=1)))


def _first_page(path: str | Path) -> Page:
    [page] = read_pages(path, numbers=[1])
    if isinstance(page, FailedPage):
        raise DamagedFile(f"{Path(path).name} cannot be asked with: {page.reason}")
    return replace(page, source=Path(path).name)
