"""The newest state that the catalogue had, written down outside it: only so is a catalogue noticed that is older.

SQLite's log holds the newest commits until they are copied into the catalogue. Where the log is lost or cut SQLite
opens the state before, without a word, and to that state the files of all that came later are leftovers. So every
writer writes down counters that only grow before it releases its lock, and none removes a file that a lost change may
have made.
"""

import re
import zlib
from contextlib import suppress

from colvision.store import rows
from colvision.store.catalogue import FILE_NAME, Catalogue
from colvision.store.files import Files
from colvision.store.records import Damage
from colvision.store.rows.counters import Counters

MARK_NAME = "catalog.reached"
_LINE = re.compile(rb"(\d{20}) (\d{20}) [0-9a-f]{8}\n")  # of one length: it is written in place by one write


class HighWaterMark:
    """Compares the catalogue with the counters in the mark's file, and with the newest shard."""

    def __init__(self, catalogue: Catalogue, files: Files) -> None:
        self._db = catalogue
        self._files = files
        self._path = catalogue.folder / MARK_NAME

    def save(self) -> None:
        """Writes the catalogue's counters down. Only under the writer lock.

        Not flushed: the commit itself was, and a mark that a power cut sets back raises no alarm. A disk too full for
        it does not undo what was stored.
        """
        with self._db.read():
            counters = rows.counters.read(self._db)
        with suppress(OSError), self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(_encode(counters))
            file.truncate()

    def lag(self) -> int:
        """How many steps the catalogue is behind; 0 as it should be.

        The leftover of a kill has the next shard's key at most: only a lost change made a shard beyond it.
        """
        saved, largest = self._read(), self._files.largest_shard_key()  # before the catalogue, which others may change
        with self._db.read():
            counters, next_key = rows.counters.read(self._db), rows.shards.next_key(self._db)
        beyond = largest + 1 - next_key if largest > next_key else 0
        return max(0, saved.keys - counters.keys, saved.generations - counters.generations, beyond)

    def damage(self) -> list[Damage]:
        """That changes were lost, until the library is repaired and its `lost` folder removed."""
        reasons = []
        if self.lag():
            reasons.append(
                f"{FILE_NAME} is older than the files beside it: its newest changes are lost, as when its log "
                f"({FILE_NAME}-wal) was removed or damaged: put a copy of the whole library folder back; else the "
                f"next change moves what it does not know to {self._files.lost}"
            )
        if lost := self._files.lost_files():
            reasons.append(
                f"{len(lost)} files of changes that the catalogue has lost lie in {self._files.lost}: ingest what is "
                "in its files/ again, then remove it"
            )
        return [Damage("log", self._db.folder / FILE_NAME, reason) for reason in reasons]

    def _read(self) -> Counters:
        """The counters that were saved; zeros where there are none, or damaged ones."""
        try:
            line = self._path.read_bytes()
        except FileNotFoundError:
            return Counters(0, 0)
        match = _LINE.fullmatch(line)
        counters = Counters(int(match[1]), int(match[2])) if match else Counters(0, 0)
        return counters if line == _encode(counters) else Counters(0, 0)


def _encode(counters: Counters) -> bytes:
    numbers = b"%020d %020d" % counters
    return b"%s %08x\n" % (numbers, zlib.crc32(numbers))
