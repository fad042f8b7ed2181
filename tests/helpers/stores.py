"""Stores for tests: documents of words, printed on pages, read by a small encoder."""

from datetime import UTC, datetime
from pathlib import Path

from colvision.core.page import Page, PdfGeometry
from colvision.pdf import Limits
from colvision.store.files import encode_jpeg
from colvision.store.identity import SourceFile
from colvision.store.records import DocumentRow, PageText
from colvision.store.writer import EncodedPage
from colvision.testing import ToyEncoder, text_page
from colvision.testing.toy import PAGE_SHAPE

TOY = ToyEncoder()
TOO_SMALL = Limits(image_pixels=4_000_000)  # for the large page of `save_with_a_large_page`
GEOMETRY = PdfGeometry((0.0, 0.0, 612.0, 792.0), 90)
PUMP = (
    "bleed the pump and close the valve",
    "the motor is noisy",
    "spare parts of the pump pump pump",
    "wiring diagram",
)
FAN = ("blade angle of the fan", "the valve", "fuse of the motor")


def document_row(key, name, path="", **metadata):
    """The row of a ready document of four pages, which came from a path, or as an upload."""
    return DocumentRow(
        key=key, id=f"id{key}", collection=1, collection_name="default", name=name, source=path or name,
        upload=not path, sha256="0" * 64, extension="pdf", bytes=1, pages=4, renderer="pdfium", state="ready",
        reason="", visible=True, replaces=None, worker="", added=datetime.now(UTC).isoformat(), metadata=metadata,
        notes=(), stored=4, failed=0, is_intact=True,
    )  # fmt: skip


def source_file(name, *, collection="default", source=None, upload=False, replace=False):
    return SourceFile(collection, name, source or f"/manuals/{name}", upload, replace)


def write(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content)
    return folder / name


def save_with_a_large_page(path: Path) -> Path:
    """Pages with the words one, two and three; the second fails under `TOO_SMALL` limits, and is read under others."""
    first, second, third = (text_page([word], shape=PAGE_SHAPE) for word in ("one", "two", "three"))
    larger = second.resize((2 * second.width, 2 * second.height))
    first.save(path, save_all=True, append_images=[larger, third], compression="tiff_lzw")
    return path


def encoded(number, *words, encoder=TOY):
    image = text_page(words)
    embedding = next(iter(encoder.encode_pages([Page(image)])))
    return EncodedPage(number, embedding, encode_jpeg(image), *Page(image).shape, GEOMETRY, PageText(" ".join(words)))


def begin(store, path, *, pages=2, encoder=TOY, **options):
    return store.pending.begin(path, source_file(path.name, **options), encoder.info, pages=pages, renderer="toy 1")


def add(store, path, *words, encoder=TOY, **options):
    """A complete document with one page a word; returns its row."""
    pending = begin(store, path, pages=len(words), encoder=encoder, **options)
    pages = [encoded(number, word, encoder=encoder) for number, word in enumerate(words, start=1)]
    store.writer.commit(pending, [page for page in pages if page.number in pending.missing], encoder.info)
    assert store.writer.finish(pending) == ""
    return store.find(pending.document_id)


def visible_pages(store, collection="default"):
    """{(document name, page number)} that a search goes through."""
    snapshot = store.snapshot(collection)
    found = [
        (snapshot.documents[int(document)].name, int(page))
        for part in snapshot.shards
        for document, page, live in zip(part.document, part.page, part.live, strict=True)
        if live
    ]
    assert len(found) == len(set(found)) == snapshot.pages
    return set(found)


def on_disk(store):
    """The names of all files but the catalogue and the lock."""
    names = (path.relative_to(store.path) for path in store.path.rglob("*") if path.is_file())
    return {str(name) for name in names if name.parts[0] in ("shards", "files", "pages")}


def text_scores(store, text, *, collection="default"):
    """{(document, page): score} of the pages that hold a word of the text."""
    found = store.text_scores(collection, text)
    documents, numbers = found.first(len(found.page_keys))
    names = {row.key: row.name for row in store.documents(collection)}
    scores = found.of(documents, numbers).tolist()
    return {(names[d], n): s for d, n, s in zip(documents.tolist(), numbers.tolist(), scores, strict=True)}
