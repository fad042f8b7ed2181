"""Pages and their text, as rows."""

import json
from collections.abc import Iterable, Sequence

from colvision.errors import LibraryDamaged, PageNotFound
from colvision.page import PdfGeometry
from colvision.store.catalogue import Catalogue, Value
from colvision.store.records import DocumentRow, NewPage, PageRow
from colvision.store.schema import SEALS, row_seal

_PAGE = f"""
SELECT reason, key, number, height, width, geometry, shard, row, seal = {SEALS["pages"]} FROM pages
WHERE document = ? AND number = ?"""


def numbers(db: Catalogue, key: int) -> set[int]:
    """The pages of a document that are stored or known to fail."""
    return {row[0] for row in db.all("SELECT number FROM pages WHERE document = ?", [key])}


def failed_pages(db: Catalogue, key: int) -> list[tuple[int, str]]:
    """(number, reason) of the pages that could not be read."""
    sql = "SELECT number, reason FROM pages WHERE document = ? AND reason IS NOT NULL ORDER BY number"
    return [(number, reason) for number, reason in db.all(sql, [key])]


def page(db: Catalogue, row: DocumentRow, number: int) -> PageRow:
    """Raises `PageNotFound`, saying whether the page does not exist, failed, or is not read yet; `LibraryDamaged`."""
    found = db.all(_PAGE, [row.key, number])
    if found and not found[0][-1]:
        raise LibraryDamaged(
            f"the catalogue's entry of page {number} of {row.name!r} is damaged: run `colvision verify --repair`"
        )
    if found and found[0][0] is None:
        _, key, number, height, width, geometry, shard, place, _ = found[0]
        return PageRow(key, number, height, width, _geometry(geometry), shard, place)
    if found:
        raise PageNotFound(f"page {number} of {row.name!r} could not be read: {found[0][0]}")
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
    seal = row_seal(new.document, new.number, None, new.height, new.width, geometry)
    sql = """
        INSERT INTO pages (document, number, height, width, geometry, shard, row, seal)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
    values = [new.document, new.number, new.height, new.width, geometry, new.shard, new.row, seal]
    key = db.insert(sql, values)
    if text:
        db.execute("INSERT INTO page_text (rowid, text) VALUES (?, ?)", [key, text])


def add_failed_pages(db: Catalogue, key: int, failed: Iterable[tuple[int, str]]) -> None:
    for number, reason in failed:
        seal = row_seal(key, number, reason, None, None, None)
        sql = "INSERT INTO pages (document, number, reason, seal) VALUES (?, ?, ?, ?)"
        db.execute(sql, [key, number, reason, seal])


def page_text(db: Catalogue, row: PageRow) -> str:
    """The page's text layer, "" where it has none."""
    found = db.all("SELECT text FROM page_text WHERE rowid = ?", [row.key])
    return str(found[0][0]) if found else ""


def forget_damaged_pages(db: Catalogue, key: int) -> None:
    """Removes the pages of a document that lie in quarantined shards: they can be stored again."""
    forget_pages(db, "document = ? AND shard IN (SELECT key FROM shards WHERE damage <> '')", [key])


def forget_failed_pages(db: Catalogue, key: int) -> None:
    """Removes the pages of a document that could not be read: they can be tried again."""
    forget_pages(db, "document = ? AND reason IS NOT NULL", [key])


def forget_pages(db: Catalogue, where: str, values: Sequence[Value]) -> None:
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


def purge_text(db: Catalogue) -> None:
    """Takes the words of removed pages out of the text's word lists, which FTS5 leaves there until it merges them.

    Merging all lists takes about a second for 10,000 pages; SQLite 3.42 can do without, but then an older one cannot
    read them any more.
    """
    db.execute("INSERT INTO page_text (page_text) VALUES ('optimize')")
