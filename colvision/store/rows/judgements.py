"""Rows of judgements: what readers have said of pages."""

from colvision.store.catalogue import Catalogue, Row


def select(db: Catalogue) -> list[Row]:
    """(text, document, page, verdict) of all, those of one question together."""
    return db.all("SELECT text, document, page, verdict FROM judgements ORDER BY text, document, page")


def verdict(db: Catalogue, text: str, document: str, page: int) -> str:
    """Empty for a page that was not judged."""
    sql = "SELECT verdict FROM judgements WHERE text = ? AND document = ? AND page = ?"
    found = db.all(sql, [text, document, page])
    return str(found[0][0]) if found else ""


def count(db: Catalogue) -> int:
    return int(db.one("SELECT count(*) FROM judgements")[0])


def put(db: Catalogue, text: str, document: str, page: int, verdict: str, *, replaces: bool = True) -> None:
    """Of a document that there is; another verdict on the same page stays, unless this one `replaces` it."""
    sql = (
        f"INSERT OR {'REPLACE' if replaces else 'IGNORE'} INTO judgements (text, document, page, verdict) "
        "SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM documents WHERE id = ?)"
    )
    db.execute(sql, [text, document, page, verdict, document])


def delete(db: Catalogue, text: str, document: str, page: int) -> None:
    db.execute("DELETE FROM judgements WHERE text = ? AND document = ? AND page = ?", [text, document, page])


def delete_orphans(db: Catalogue) -> None:
    """Those of documents that were deleted, or replaced by another version."""
    db.execute("DELETE FROM judgements WHERE document NOT IN (SELECT id FROM documents)")
