"""How far the catalogue had come, noted outside it: only so does a catalogue that was set back show.

SQLite's log holds the newest commits until they are copied into the catalogue. Where the log is lost or cut SQLite
opens the state before, without a word, and to that state the files of all that came later are leftovers. So every turn
of a writer ends with a note of numbers that only grow, and none removes a file that a lost change may have made.
"""

import re
import zlib
from contextlib import suppress

from colvision.store import rows
from colvision.store.catalogue import FILE_NAME, Catalogue
from colvision.store.files import Files
from colvision.store.records import Damage
from colvision.store.rows.keys import Growth

NOTE_NAME = "catalog.reached"
_NOTE = re.compile(rb"(\d{20}) (\d{20}) [0-9a-f]{8}\n")  # of one length: it is written in place by one write


class HighWaterMark:
    """Compares the catalogue with what was noted, and with the newest shard."""

    def __init__(self, catalogue: Catalogue, files: Files) -> None:
        self._db = catalogue
        self._files = files
        self._path = catalogue.folder / NOTE_NAME

    def save(self) -> None:
        """Notes how far the catalogue has come; only the writer may.

        Not flushed: the commit itself was, and a note that a power cut takes back raises no alarm. Nor does a disk too
        full for it undo what was stored.
        """
        with self._db.read():
            grown = rows.growth(self._db)
        with suppress(OSError), self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(_line(grown))
            file.truncate()

    def lag(self) -> int:
        """How far the catalogue is behind; 0 as it should be.

        What a kill leaves has the number of the next shard at most: only a lost change made one beyond it.
        """
        saved, newest = self._saved(), self._files.newest_shard()  # before the catalogue, which others take further
        with self._db.read():
            grown, free = rows.growth(self._db), rows.next_shard(self._db)
        beyond = newest + 1 - free if newest > free else 0
        return max(0, saved.keys - grown.keys, saved.generations - grown.generations, beyond)

    def damage(self) -> list[Damage]:
        """What was lost, until the library is put right or what was set aside is removed."""
        found = []
        if self.lag():
            found.append(
                f"{FILE_NAME} is older than the files beside it: its newest changes are lost, as when its log "
                f"({FILE_NAME}-wal) was removed or damaged: put a copy of the whole library folder back; else the "
                f"next change moves what it does not know to {self._files.lost}"
            )
        if aside := self._files.set_aside_files():
            found.append(
                f"{len(aside)} files of changes that the catalogue has lost lie in {self._files.lost}: ingest what is "
                "in its files/ again, then remove it"
            )
        return [Damage("log", self._db.folder / FILE_NAME, reason) for reason in found]

    def _saved(self) -> Growth:
        """Zeros for a note that is not there, or not whole."""
        try:
            line = self._path.read_bytes()
        except FileNotFoundError:
            return Growth(0, 0)
        found = _NOTE.fullmatch(line)
        noted = Growth(int(found[1]), int(found[2])) if found else Growth(0, 0)
        return noted if line == _line(noted) else Growth(0, 0)


def _line(grown: Growth) -> bytes:
    numbers = b"%020d %020d" % grown
    return b"%s %08x\n" % (numbers, zlib.crc32(numbers))
