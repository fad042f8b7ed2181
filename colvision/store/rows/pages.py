"""Rows of pages, and their text."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from colvision.core.health import Note, UnreadPage, notes_text, parse_notes
from colvision.core.page import PdfGeometry, PrintedWord
from colvision.core.text import MIN_LETTERS, is_text, page_form
from colvision.errors import LibraryDamaged, PageNotFound
from colvision.store.catalogue import Catalogue, Value
from colvision.store.records import DocumentRow, NewPage, PageRow, PageText
from colvision.store.rows import words
from colvision.store.rows.statements import insert, now, update, value_of
from colvision.store.schema import PAGES
from colvision.store.table import text_checksum

_SELECT = PAGES.select()
_JOIN_TEXT = "LEFT JOIN page_text ON page_text.rowid = pages.key"
_AMONG = "document IN (SELECT value FROM json_each(?))"  # of any number of documents, in one statement
_JOIN_WORDS = "LEFT JOIN page_words ON page_words.key = pages.key"
_IS_TEXT_INTACT = "(pages.text IS text_checksum(CAST(page_text.text AS BLOB)))"
_ARE_WORDS_INTACT = "(pages.words IS text_checksum(page_words.words))"
_FEW_CHARACTERS = 4 * MIN_LETTERS  # with blanks and signs: what is longer has letters enough


def numbers(db: Catalogue, key: int) -> set[int]:
    """The pages of a document that are stored."""
    return {row[0] for row in db.all("SELECT number FROM pages WHERE document = ? AND reason IS NULL", [key])}


def known(db: Catalogue, key: int) -> set[int]:
    """The pages of a document that are stored, and those that could not be read."""
    return {row[0] for row in db.all("SELECT number FROM pages WHERE document = ?", [key])}


def failed(db: Catalogue, keys: Sequence[int]) -> dict[int, list[UnreadPage]]:
    """{document: its pages that could not be read}, of those among `keys` that have any."""
    sql = f"SELECT document, number, reason, tried FROM pages WHERE {_AMONG} AND reason IS NOT NULL"
    found: dict[int, list[UnreadPage]] = defaultdict(list)
    for key, *page in sorted(db.all(sql, [json.dumps(keys)]), key=lambda row: row[:2]):
        found[key].append(UnreadPage(*page))
    return found


def noted(db: Catalogue, keys: Sequence[int]) -> dict[int, list[tuple[int, Note]]]:
    """{document: (number, note) of what could not be read on its pages}; damaged entries are left out."""
    sql = f"SELECT document, number, notes FROM pages WHERE {_AMONG} AND notes <> '[]' AND {PAGES.is_intact_sql}"
    found: dict[int, list[tuple[int, Note]]] = defaultdict(list)
    for key, number, text in sorted(db.all(sql, [json.dumps(keys)])):
        found[key] += [(number, note) for note in parse_notes(text)]
    return found


def find(db: Catalogue, row: DocumentRow, number: int) -> PageRow:
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


def add(db: Catalogue, new: NewPage, text: PageText) -> None:
    """Adds a stored page and its text."""
    geometry = json.dumps([*new.geometry.crop, new.geometry.rotation]) if new.geometry else None
    values = new._asdict() | {"geometry": geometry, "notes": notes_text(new.notes)}
    picture = values.pop("image_checksum")
    columns, packed = _text_columns(text)
    key = insert(db, PAGES, **values, **columns, picture=picture)
    _add_text(db, key, text.text, packed)


def set_text(db: Catalogue, key: int, text: PageText) -> None:
    """Gives a stored page another text, which OCR has read."""
    columns, packed = _text_columns(text)
    _delete_text(db, "key = ?", [key])
    set_ocr_note(db, key, None)
    update(db, PAGES, key, **columns)
    _add_text(db, key, text.text, packed)


def set_ocr_note(db: Catalogue, key: int, note: Note | None) -> None:
    """Of a page's notes on OCR there is this one or none."""
    for (stored,) in db.all("SELECT notes FROM pages WHERE key = ?", [key]):
        notes = [each for each in parse_notes(stored) if each.kind != "ocr"]
        update(db, PAGES, key, notes=notes_text([*notes, note] if note else notes))


def _text_columns(text: PageText) -> tuple[dict[str, Value], bytes | None]:
    """What the page's row says of its text, and the packed words."""
    packed = words.pack(text.words) if text.words else None
    columns: dict[str, Value] = {
        "text": text_checksum(text.text),
        "words": text_checksum(packed),
        "reader": text.reader,
    }
    return columns, packed


def _add_text(db: Catalogue, key: int, text: str, packed: bytes | None) -> None:
    if text:
        db.execute("INSERT INTO page_text (rowid, text, words) VALUES (?, ?, ?)", [key, text, page_form(text)])
    if packed is not None:
        words.add(db, key, packed)


def _delete_text(db: Catalogue, where: str, values: Sequence[Value]) -> None:
    """That of the pages for which the SQL condition holds."""
    db.execute(f"DELETE FROM page_text WHERE rowid IN (SELECT key FROM pages WHERE {where})", values)
    db.execute(f"DELETE FROM page_words WHERE key IN (SELECT key FROM pages WHERE {where})", values)


def add_failed(db: Catalogue, key: int, reasons: Iterable[tuple[int, str]]) -> None:
    """Adds the pages of a document, (number, reason), that could not be read."""
    for number, reason in reasons:
        insert(db, PAGES, document=key, number=number, reason=reason, tried=now())


def text(db: Catalogue, row: PageRow) -> str:
    """The page's text layer, "" where it has none. Raises `LibraryDamaged` when it is not what was stored."""
    found = db.all(f"SELECT page_text.text, {_IS_TEXT_INTACT} FROM pages {_JOIN_TEXT} WHERE pages.key = ?", [row.key])
    stored, is_intact = found[0] if found else (None, False)
    if not is_intact:
        raise LibraryDamaged(f"the text of page {row.number} is damaged: run `colvision verify --repair`")
    return stored or ""


def page_words(db: Catalogue, row: PageRow) -> tuple[PrintedWord, ...]:
    """The page's words, none where nobody knows where they stand. Raises `LibraryDamaged` as `text` does."""
    sql = f"SELECT page_words.words, {_ARE_WORDS_INTACT} FROM pages {_JOIN_WORDS} WHERE pages.key = ?"
    found = db.all(sql, [row.key])
    packed, is_intact = found[0] if found else (None, False)
    if not is_intact:
        raise LibraryDamaged(f"the words of page {row.number} are damaged: run `colvision verify --repair`")
    return words.unpack(packed) if packed else ()


def read_by_ocr(db: Catalogue, sha256: str, number: int) -> PageText | None:
    """What OCR has read on a page of a file, in whatever document it is, and is not damaged."""
    sql = f"""
        SELECT page_text.text, page_words.words, pages.reader FROM pages {_JOIN_TEXT} {_JOIN_WORDS}
        JOIN documents ON documents.key = pages.document
        WHERE documents.sha256 = ? AND pages.number = ? AND pages.reader <> ''
        AND {PAGES.is_intact_sql} AND {_IS_TEXT_INTACT} AND {_ARE_WORDS_INTACT} ORDER BY pages.key DESC LIMIT 1"""
    for text, packed, reader in db.all(sql, [sha256, number]):
        return PageText(text or "", words.unpack(packed) if packed else (), reader)
    return None


def without_text(db: Catalogue, key: int, *, again: bool = False) -> list[int]:
    """The stored pages of a document with less text than a page has that nobody has read, or, `again`, that OCR has."""
    read = " OR reader <> ''" if again else ""
    sql = f"""
        SELECT pages.number, pages.reader, page_text.text FROM pages {_JOIN_TEXT}
        WHERE pages.document = ? AND reason IS NULL
        AND (reader = '' AND length(coalesce(page_text.text, '')) < {_FEW_CHARACTERS}{read}) ORDER BY pages.number"""
    return [number for number, reader, text in db.all(sql, [key]) if reader or not is_text(text or "")]


def of_file(db: Catalogue, sha256: str, number: int) -> list[tuple[int, int]]:
    """(key, that of the collection) of a stored page, in every document of the file."""
    sql = """
        SELECT pages.key, documents.collection FROM pages JOIN documents ON documents.key = pages.document
        WHERE documents.sha256 = ? AND pages.number = ? AND pages.reason IS NULL"""
    return [(key, collection) for key, collection in db.all(sql, [sha256, number])]


def damaged_texts(db: Catalogue) -> list[tuple[int, int, int]]:
    """(page key, key of the document, number) of the pages whose text or words have changed since they were written."""
    sql = f"""
        SELECT pages.key, pages.document, pages.number FROM pages {_JOIN_TEXT} {_JOIN_WORDS}
        WHERE NOT ({_IS_TEXT_INTACT} AND {_ARE_WORDS_INTACT})"""
    return [(key, document, number) for key, document, number in db.all(sql)]


def delete_quarantined(db: Catalogue, key: int) -> None:
    """Deletes the pages of a document that lie in quarantined shards: they can be stored again."""
    delete_where(db, "document = ? AND shard IN (SELECT key FROM shards WHERE damage <> '')", [key])


def delete_failed(db: Catalogue, key: int, numbers: Sequence[int]) -> None:
    """Deletes those of these pages of a document that could not be read: they were tried again."""
    among = "number IN (SELECT value FROM json_each(?))"
    delete_where(db, f"document = ? AND reason IS NOT NULL AND {among}", [key, json.dumps(numbers)])


def delete_all_failed(db: Catalogue, key: int) -> None:
    """Deletes all pages of a document that could not be read: they are to be tried again."""
    delete_where(db, "document = ? AND reason IS NOT NULL", [key])


def delete_where(db: Catalogue, where: str, values: Sequence[Value]) -> None:
    """Deletes pages for which the SQL condition holds, their text, and the shards that this leaves without a page."""
    shards = [row[0] for row in db.all(f"SELECT DISTINCT shard FROM pages WHERE {where} AND shard IS NOT NULL", values)]
    _delete_text(db, where, values)
    db.execute(f"DELETE FROM pages WHERE {where}", values)
    for shard in shards:
        db.execute("DELETE FROM shards WHERE key = ? AND NOT EXISTS (SELECT 1 FROM pages WHERE shard = ?)", [shard] * 2)


def has_text(db: Catalogue, key: int) -> bool:
    """Whether any page of a document has text."""
    sql = "SELECT 1 FROM pages JOIN page_text ON page_text.rowid = pages.key WHERE pages.document = ? LIMIT 1"
    return bool(db.all(sql, [key]))


def image_checksums(db: Catalogue) -> list[tuple[str, int, int | None, int]]:
    """(sha256 of the file, page, crc32 of its page image, key of the document) of every stored page.

    Companion collections have no page images of their own.
    """
    sql = """
        SELECT documents.sha256, pages.number, pages.picture, documents.key FROM pages
        JOIN documents ON documents.key = pages.document WHERE pages.reason IS NULL
        AND documents.collection NOT IN (SELECT key FROM collections WHERE accompanies IS NOT NULL)
        ORDER BY documents.sha256, pages.number"""
    return [(sha256, number, checksum, key) for sha256, number, checksum, key in db.all(sql)]


def set_image_checksum(db: Catalogue, key: int, number: int, checksum: int) -> None:
    """Stores the crc32 of the page image of a document, which was written again."""
    for (page_key,) in db.all("SELECT key FROM pages WHERE document = ? AND number = ?", [key, number]):
        update(db, PAGES, page_key, picture=checksum)


def damaged(db: Catalogue) -> list[tuple[int, int, int]]:
    """(page key, key of the document, number) of the pages whose row has changed since it was written."""
    sql = f"SELECT key, document, number FROM pages WHERE NOT {PAGES.is_intact_sql}"
    return [(key, document, number) for key, document, number in db.all(sql)]


def delete(db: Catalogue, key: int) -> None:
    """Deletes one page: it can be stored again."""
    delete_where(db, "key = ?", [key])


def purge_text(db: Catalogue) -> None:
    """Takes the words of deleted pages out of the text's word lists, where FTS5 leaves them until it merges these.

    Merging all lists takes about a second for 10,000 pages; SQLite 3.42 can do without, but then an older one cannot
    read them any more.
    """
    db.execute("INSERT INTO page_text (page_text) VALUES ('optimize')")


def check_text(db: Catalogue) -> None:
    """Raises `LibraryDamaged` when the lists that text is found by do not fit the text."""
    db.execute("INSERT INTO page_text (page_text) VALUES ('integrity-check')")


def rebuild_text(db: Catalogue) -> None:
    """Builds the lists that text is found by again, from the text (sqlite.org/fts5.html, "the content table")."""
    db.execute("UPDATE page_text_content SET c1 = page_form(CAST(c0 AS BLOB))")
    db.execute("INSERT INTO page_text (page_text) VALUES ('rebuild')")
