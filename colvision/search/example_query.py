"""Pages and pictures as queries: where their vectors come from."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.errors import DamagedFile
from colvision.maxsim import dequantise
from colvision.pdf import FailedPage, read_pages
from colvision.search.example_query import joined, page_query
from colvision.search.results import Answer
from colvision.store import Store
from colvision.store.records import DocumentRow

_SHEET = 1275, 1650  # (width, height) in pixels: US Letter at 150 dpi
_LEAST_ASPECT, _GREATEST_ASPECT = 1.0, 1.5  # height / width: A4 has 1.41, Letter 1.29; others are parts of pages


def stored_query(store: Store, collection: str, row: DocumentRow, page: int) -> QueryEmbedding:
    """A stored page's codes as a query. Raises `PageNotFound`, `LibraryDamaged`."""
    stored = store.stored_page(row, page)
    info = store.collection(collection).info
    vectors = dequantise(stored.codes, info.quantisation_range if info is not None else 1.0)
    return page_query(vectors, stored.kind, stored.grid, text=f"page {page} of {row.name}")


def image_query(encoder: Encoder, image: str | Path | Image.Image) -> QueryEmbedding:
    """A picture, or the first page of a file, encoded as a page. Raises `InputError`.

    Nobody says how large a picture was on its page, so it asks as if it were a whole page and as if it were half as
    high and wide, in equal parts; a PDF knows its size. See `docs/search.md` for what that finds.
    """
    page = Page(image, source="a picture") if isinstance(image, Image.Image) else _first_page(image)
    sheets = [page] if page.geometry is not None else [replace(page, image=sheet) for sheet in _sheets(page.image)]
    queries = [
        page_query(embedding.vectors, embedding.kind, embedding.grid, text=page.source)
        for embedding in encoder.encode_pages(sheets)
    ]
    return joined(queries, text=page.source)


def _sheets(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The picture as a page, and at half its size on a blank one."""
    is_like_a_page = _LEAST_ASPECT <= image.height / image.width <= _GREATEST_ASPECT
    whole = image.convert("RGB") if is_like_a_page else _laid_on(_SHEET, image, 1.0)
    return whole, _laid_on(whole.size, image, 0.5)


def _laid_on(sheet: tuple[int, int], image: Image.Image, share: float) -> Image.Image:
    """White paper with the picture at the top left, at this share of the size at which it would fit."""
    scale = share * min(sheet[0] / image.width, sheet[1] / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    paper = Image.new("RGB", sheet, "white")
    paper.paste(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), (0, 0))
    return paper


def without_page(answer: Answer, document_id: str, page: int, k: int) -> Answer:
    """The first `k` hits that are not this page."""
    others = [hit for hit in answer.hits if (hit.document_id, hit.page) != (document_id, page)][:k]
    return replace(answer, hits=tuple(replace(hit, rank=rank) for rank, hit in enumerate(others, start=1)))


def _first_page(path: str | Path) -> Page:
    [page] = read_pages(path, numbers=[1])
    if isinstance(page, FailedPage):
        raise DamagedFile(f"{Path(path).name} cannot be asked with: {page.reason}")
    return replace(page, source=Path(path).name)
