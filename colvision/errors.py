"""Errors raised on purpose. Everything else that escapes is a bug of ours.

ColvisionError
├── InputError                 a file that cannot be turned into pages
│   ├── UnsupportedFile        not a PDF or an image we read
│   ├── EncryptedFile          needs a password
│   ├── DamagedFile            truncated, empty, without pages
│   └── LimitExceeded          larger than a limit of `colvision.pdf.Limits`
├── EncoderError
│   ├── EncoderNotFound        no such name, folder or checkpoint
│   ├── WeightsMismatch        a weight is missing, unexpected or of another shape
│   └── EncoderMismatch        a collection was filled by another encoder
├── LibraryError
│   ├── LibraryLocked          another process is writing
│   ├── LibraryReadOnly        the folder cannot be written
│   ├── DiskError              the disk fails
│   │   └── DiskFull           there is no room left on it, or less than is kept free
│   ├── LibraryFormat          not a library, or one of another format version
│   ├── LibraryDamaged         a shard or the catalogue does not match its checksum
│   ├── CollectionNotFound
│   ├── FurtherEncoderNotFound no further encoder of this name in a collection
│   ├── DocumentNotFound
│   ├── DocumentAmbiguous      a name that fits more than one document
│   ├── QueueFull              as many jobs wait as were allowed
│   ├── JobCancelled           the job that brings a file was cancelled
│   ├── PageNotFound
│   ├── SnapshotOutdated       a partition has changed while a question was answered
│   ├── PartitionUnavailable   no replica of a partition of a cluster answers
│   ├── ClusterBusy            as many questions wait as a cluster takes at once
│   └── NotInCluster           what one library can do and a cluster cannot
└── MissingExtra               an optional package is not installed
Wrong arguments stay `ValueError`.
"""

from pathlib import Path


class ColvisionError(Exception):
    """Base of every error raised on purpose; the message says what, and what to do next."""


class InputError(ColvisionError):
    """A file that cannot be turned into pages."""


class UnsupportedFile(InputError):
    """Not a PDF or an image format we read."""


class EncryptedFile(InputError):
    """The file needs a password."""


class DamagedFile(InputError):
    """The file is truncated, empty or has no pages."""


class LimitExceeded(InputError):
    """The file is larger than a limit of `colvision.pdf.Limits`."""


class EncoderError(ColvisionError):
    """An encoder cannot be loaded or used."""


class EncoderNotFound(EncoderError):
    """No encoder of this name, folder or checkpoint."""


class WeightsMismatch(EncoderError):
    """A weight is missing, unexpected or of another shape."""


class EncoderMismatch(EncoderError):
    """A collection was filled by another encoder."""


class LibraryError(ColvisionError):
    """A library on disk cannot do what was asked."""


class LibraryLocked(LibraryError):
    """Another process is writing to the library."""


class LibraryReadOnly(LibraryError):
    """The library cannot be written."""


class DiskError(LibraryError):
    """The disk of a library fails."""


class DiskFull(DiskError):
    """The disk of a library has no room left, or less than is kept free."""


class LibraryFormat(LibraryError):
    """The folder is not a library, or one of another format version."""


class LibraryDamaged(LibraryError):
    """Stored bytes do not match their checksum; `path` is their file, where it is one of several."""

    def __init__(self, message: str, *, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class CollectionNotFound(LibraryError):
    """No collection of this name."""


class FurtherEncoderNotFound(LibraryError):
    """The collection has no further encoder of this name."""


class DocumentNotFound(LibraryError):
    """No document of this name or id."""


class DocumentAmbiguous(LibraryError):
    """A name that fits more than one document; ids always work."""


class QueueFull(LibraryError):
    """As many jobs wait or run, `waiting`, as the caller allowed."""

    def __init__(self, message: str, *, waiting: int) -> None:
        super().__init__(message)
        self.waiting = waiting


class JobCancelled(LibraryError):
    """The job that brings a file was cancelled, perhaps with the collection that it was for."""


class PageNotFound(LibraryError):
    """The document has no such page, or the page failed."""


class SnapshotOutdated(LibraryError):
    """A partition has changed between the two halves of a question, which is to be asked again."""


class PartitionUnavailable(LibraryError):
    """No replica of a partition of a cluster has answered in time; the message names it."""


class ClusterBusy(LibraryError):
    """As many questions are being answered as a cluster takes at once, and none was done in time."""


class NotInCluster(LibraryError):
    """One library can do it, and a cluster cannot."""

    @classmethod
    def of(cls, what: str, instead: str) -> "NotInCluster":
        return cls(f"{what} in a cluster: {instead}")


class MissingExtra(ColvisionError):
    """An optional package is not installed; the message says how to install it."""
