"""What can be put right without an encoder: word lists, entries, the whole pages of damaged shards, page pictures."""

import zlib
from collections.abc import Mapping

from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.files import Files
from colvision.store.merge import Merging
from colvision.store.turn import Turn


class Repair:
    """The steps of a repair; each is whole in itself."""

    def __init__(self, turn: Turn, catalogue: Catalogue, files: Files, merging: Merging) -> None:
        self._turn = turn
        self._db = catalogue
        self._files = files
        self._merging = merging

    def catalogue(self) -> None:
        """Makes SQLite's own lists again, which helps where they and not the rows are damaged."""
        with self._turn.taken(), self._db.write():
            self._db.execute("REINDEX")

    def text(self) -> None:
        """Makes the lists that text is found by again, from the text."""
        with self._turn.taken(), self._db.write():
            rows.rebuild_text(self._db)

    def entries(self) -> None:
        """Forgets the entries of pages that have changed: those pages are to be stored again."""
        with self._turn.taken(), self._db.write():
            for key, *_ in [*rows.broken_pages(self._db), *rows.broken_texts(self._db)]:
                rows.forget_page(self._db, key)
            rows.mark_short(self._db)
            for collection in rows.collections(self._db):
                rows.next_generation(self._db, collection.key)

    def shards(self) -> None:
        """Copies what is whole of the quarantined shards; what is not is to be stored again."""
        with self._turn.taken():
            with self._db.read():
                damaged = rows.shards(self._db, "damage <> ''")
            for row in damaged:
                self._merging.salvage(row)
            with self._db.write():
                rows.mark_short(self._db)
            self._turn.sweep()

    def pictures(self, sha256: str, drawn: Mapping[int, bytes]) -> None:
        """Puts page pictures (by number) of a file back."""
        with self._turn.taken():
            self._files.write_pictures(sha256, drawn)
            with self._db.write():
                for row in rows.documents(self._db, "sha256 = ?", [sha256]):
                    for number, data in drawn.items():
                        rows.set_picture(self._db, row.key, number, zlib.crc32(data))
