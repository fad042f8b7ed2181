"""Pages and their text, as rows."""

import json
from collections.abc import Iterable, Sequence

from colvision.core.page import PdfGeometry
from colvision.errors import LibraryDamaged, PageNotFound
from colvision.store.catalogue import Catalogue, Value
from colvision.store.records import DocumentRow, NewPage, PageRow
from colvision.store.rows.statements import add, change, value_of
from colvision.store.schema import PAGES
from colvision.store.table import text_checksum

_SELECT = PAGES.select()
_ITS_TEXT = "LEFT JOIN page_text ON page_text.rowid = pages.key"
_IS_TEXT = "(pages.text IS text_checksum(CAST(page_text.text AS BLOB)))"


def numbers(db: Catalogue, key: int) -> set[int]:
    """The pages of a document that are stored or known to fail."""
    return {row[0] for row in db.all("SELECT number FROM pages WHERE document = ?", [key])}


def failed_pages(db: Catalogue, key: int) -> list[tuple[int, str]]:
    """(number, reason) of the pages that could not be read."""
    sql = "SELECT number, reason FROM pages WHERE document = ? AND reason IS NOT NULL ORDER BY number"
    return [(number, reason) for number, reason in db.all(sql, [key])]


def page(db: Catalogue, row: DocumentRow, number: int) -> PageRow:
    """Raises `PageNotFound`, saying whether the page does not exist, failed, or is not read yet; `LibraryDamaged`."""
    for record in db.records(f"{_SELECT} WHERE document = ? AND number = ?", [row.key, number]):
        if not record["is_intact"]:
            raise LibraryDamaged(
                f"the catalogue's entry of page {number} of {row.name!r} is damaged: run `colvision verify --repair`"
            )
        if record["reason"] is not None:
            raise PageNotFound(f"page {number} of {row.name!r} could not be read: {record['reason']}")
        return value_of(PageRow, record, geometry=_geometry(record["geometry"]))
    if 1 <= number <= row.pages:
        raise PageNotFound(f"page {number} of {row.name!r} is not read yet ({row.state}): ingest the file again")
    raise PageNotFound(f"{row.name!r} has pages 1 to {row.pages}, not {number}")


def _geometry(text: str | None) -> PdfGeometry | None:
    if text is None:
        return None
    left, bottom, right, top, rotation = json.loads(text)
    return PdfGeometry((left, bottom, right, top), int(rotation))


def add_page(db: Catalogue, new: NewPage, text: str) -> None:
    geometry = json.dumps([*new.geometry.crop, new.geometry.rotation]) if new.geometry else None
    columns = new._asdict() | {"geometry": geometry}
    key = add(db, PAGES, **columns, text=text_checksum(text))
    if text:
        db.execute("INSERT INTO page_text (rowid, text) VALUES (?, ?)", [key, text])


def add_failed_pages(db: Catalogue, key: int, failed: Iterable[tuple[int, str]]) -> None:
    for number, reason in failed:
        add(db, PAGES, document=key, number=number, reason=reason)


def page_text(db: Catalogue, row: PageRow) -> str:
    """The page's text layer, "" where it has none. Raises `LibraryDamaged` when it is not what was stored."""
    found = db.all(f"SELECT page_text.text, {_IS_TEXT} FROM pages {_ITS_TEXT} WHERE pages.key = ?", [row.key])
    text, is_intact = found[0] if found else (None, False)
    if not is_intact:
        raise LibraryDamaged(f"the text of page {row.number} is damaged: run `colvision verify --repair`")
    return text or ""


def broken_texts(db: Catalogue) -> list[tuple[int, int, int]]:
    """(page key, key of the document, number) of the pages whose text has changed since it was written."""
    sql = f"SELECT pages.key, pages.document, pages.number FROM pages {_ITS_TEXT} WHERE NOT {_IS_TEXT}"
    return [(key, document, number) for key, document, number in db.all(sql)]


def delete_damaged_pages(db: Catalogue, key: int) -> None:
    """Removes the pages of a document that lie in quarantined shards: they can be stored again."""
    delete_page_rows(db, "document = ? AND shard IN (SELECT key FROM shards WHERE damage <> '')", [key])


def delete_failed_pages(db: Catalogue, key: int) -> None:
    """Removes the pages of a document that could not be read: they can be tried again."""
    delete_page_rows(db, "document = ? AND reason IS NOT NULL", [key])


def delete_page_rows(db: Catalogue, where: str, values: Sequence[Value]) -> None:
    """Removes pages for which the SQL condition holds, their text, and the shards that this leaves without a page."""
    shards = [row[0] for row in db.all(f"SELECT DISTINCT shard FROM pages WHERE {where} AND shard IS NOT NULL", values)]
    db.execute(f"DELETE FROM page_text WHERE rowid IN (SELECT key FROM pages WHERE {where})", values)
    db.execute(f"DELETE FROM pages WHERE {where}", values)
    for shard in shards:
        db.execute("DELETE FROM shards WHERE key = ? AND NOT EXISTS (SELECT 1 FROM pages WHERE shard = ?)", [shard] * 2)


def has_text(db: Catalogue, key: int) -> bool:
    """Whether any page of a document has text."""
    sql = "SELECT 1 FROM pages JOIN page_text ON page_text.rowid = pages.key WHERE pages.document = ? LIMIT 1"
    return bool(db.all(sql, [key]))


def pictures(db: Catalogue) -> list[tuple[str, int, int | None, int]]:
    """(sha256 of the file, page, crc32 of its picture, key of the document) of every stored page."""
    sql = """
        SELECT documents.sha256, pages.number, pages.picture, documents.key FROM pages
        JOIN documents ON documents.key = pages.document WHERE pages.reason IS NULL
        ORDER BY documents.sha256, pages.number"""
    return [(sha256, number, picture, key) for sha256, number, picture, key in db.all(sql)]


def set_picture(db: Catalogue, key: int, number: int, picture: int) -> None:
    """Notes that a page of a document was drawn again."""
    for (page_key,) in db.all("SELECT key FROM pages WHERE document = ? AND number = ?", [key, number]):
        change(db, PAGES, page_key, picture=picture)


def broken_pages(db: Catalogue) -> list[tuple[int, int, int]]:
    """(page key, key of the document, number) of the entries that have changed since they were written."""
    sql = f"SELECT key, document, number FROM pages WHERE NOT {PAGES.is_intact}"
    return [(key, document, number) for key, document, number in db.all(sql)]


def delete_page_row(db: Catalogue, key: int) -> None:
    """Removes one page: it can be stored again."""
    delete_page_rows(db, "key = ?", [key])


def purge_text(db: Catalogue) -> None:
    """Takes the words of removed pages out of the text's word lists, which FTS5 leaves there until it merges them.

    Merging all lists takes about a second for 10,000 pages; SQLite 3.42 can do without, but then an older one cannot
    read them any more.
    """
    db.execute("INSERT INTO page_text (page_text) VALUES ('optimize')")


def check_text(db: Catalogue) -> None:
    """Raises `LibraryDamaged` when the lists that text is found by do not fit the text."""
    db.execute("INSERT INTO page_text (page_text) VALUES ('integrity-check')")


def rebuild_text(db: Catalogue) -> None:
    """Makes the lists that text is found by again, from the text."""
    db.execute("INSERT INTO page_text (page_text) VALUES ('rebuild')")
