"""A partition on an object store: files first, then the manifest that names them, as a commit of a library does.

MIRROR/partition-003/objects/<sha256>    manifest.json {version, files: {path: sha256}}

Objects are named by their content, so a push that was cut off leaves objects that nothing names, and no wrong ones.
A reader that holds version n fetches what version n + 1 has besides. Objects are not removed: `docs/cluster.md`.
"""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colvision.errors import LibraryError, LibraryLocked, MissingExtra
from colvision.store.catalogue import FILE_NAME as CATALOGUE_NAME
from colvision.store.catalogue import Catalogue

_FOLDERS = ("shards", "files", "pages")
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """One state of a partition: its files by their paths, each with the sha256 of its bytes."""

    version: int
    files: dict[str, str]


class Mirror:
    """The mirror of one partition at an fsspec URL.

    Raises `MissingExtra` without fsspec, or without what speaks a URL's protocol.
    """

    def __init__(self, url: str) -> None:
        try:
            import fsspec

            self._fs: Any
            self._fs, self._path = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise MissingExtra(f"{url} cannot be spoken to ({error}): pip install 'colvision[ray]'") from error
        self._known: dict[tuple[str, int, int], str] = {}  # sha256 by path, size and time: files are immutable

    def read(self) -> Manifest:
        """The newest state; version 0 of a partition that nothing was pushed of."""
        self._fs.invalidate_cache()
        try:
            known = json.loads(self._fs.cat_file(f"{self._path}/manifest.json"))
        except FileNotFoundError:
            return Manifest(0, {})
        return Manifest(known["version"], known["files"])

    def push(self, library: Path, since: Manifest) -> Manifest:
        """Makes a library's folder, which was made from `since`, the newest state, and returns that.

        Raises `LibraryLocked` where another writer has pushed since.
        """
        copy = library / f".catalog-{secrets.token_hex(4)}"
        try:
            _copy_catalogue(library / CATALOGUE_NAME, copy)
            files = {CATALOGUE_NAME: self._put(copy)}
        finally:
            copy.unlink(missing_ok=True)
        stored = set(since.files.values())
        for path in _files(library):
            name = path.relative_to(library).as_posix()
            files[name] = self._put(path, stored)
        if self.read().version != since.version:
            raise LibraryLocked(f"{self._path} was written by another replica meanwhile: do it again")
        manifest = Manifest(since.version + 1, files)
        text = json.dumps({"version": manifest.version, "files": files}).encode()
        unfinished = f"{self._path}/manifest-{secrets.token_hex(4)}"
        self._fs.pipe_file(unfinished, text)
        self._fs.mv(unfinished, f"{self._path}/manifest.json")
        return manifest

    def pull(self, manifest: Manifest, held: Manifest, files: Path, folder: Path) -> None:
        """Makes a library of a state in a new `folder`: a catalogue of its own beside the `files` that states share.

        `held` is the state that `files` are of. What is removed goes at once: who has a shard open keeps it.
        """
        for name in held.files.keys() - manifest.files.keys():
            (files / name).unlink(missing_ok=True)
        for name, sha256 in manifest.files.items():
            if name != CATALOGUE_NAME and held.files.get(name) != sha256:
                self._get(sha256, files / name)
        folder.mkdir(parents=True)
        for each in _FOLDERS:
            (files / each).mkdir(parents=True, exist_ok=True)
            (folder / each).symlink_to(files / each, target_is_directory=True)
        if manifest.version:
            self._get(manifest.files[CATALOGUE_NAME], folder / CATALOGUE_NAME)
        else:
            Catalogue(folder, create=True, read_only=False).close()  # nothing was stored yet

    def remove_others(self, manifest: Manifest, files: Path) -> None:
        """Removes what is no part of a state, such as what a writer had stored and never sent."""
        for path in list(_files(files)):
            if path.relative_to(files).as_posix() not in manifest.files:
                path.unlink()

    def _put(self, path: Path, stored: set[str] = frozenset()) -> str:  # type: ignore[assignment]
        status = path.stat()
        stamp = path.name, status.st_size, status.st_mtime_ns
        sha256 = self._known.get(stamp) or _sha256(path)
        self._known[stamp] = sha256
        target = f"{self._path}/objects/{sha256}"
        if sha256 not in stored and not self._fs.exists(target):
            self._fs.makedirs(f"{self._path}/objects", exist_ok=True)
            self._fs.put_file(str(path), target)
        return sha256

    def _get(self, sha256: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{sha256}-{secrets.token_hex(4)}")
        self._fs.get_file(f"{self._path}/objects/{sha256}", str(unfinished))
        if _sha256(unfinished) != sha256:
            unfinished.unlink()
            raise LibraryError(f"{self._path}/objects/{sha256} is damaged: put it back from a copy")
        unfinished.replace(path)


def _copy_catalogue(source: Path, target: Path) -> None:
    """With all that is committed, and without a log beside it."""
    with closing(sqlite3.connect(source)) as catalogue, closing(sqlite3.connect(target)) as copy:
        catalogue.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _files(library: Path) -> Iterator[Path]:
    for folder in _FOLDERS:
        for path in sorted((library / folder).rglob("*")):
            if path.is_file() and not path.name.startswith((".", "incoming-")) and not path.name.endswith(".tmp"):
                yield path


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
