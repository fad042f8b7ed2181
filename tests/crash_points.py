"""Kills a process at every file that it opens, renames or removes in a library; prints how many such moments there are.

The process replaces a document of two pages and says what was acknowledged. After each kill the library must hold the
old version or the new one, whole; and going on must end in the new one, with no file left over.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from toy import ToyEncoder, text_page

from colvision.page import Page
from colvision.store import Store
from colvision.store.files import picture
from colvision.store.identity import Offer
from colvision.store.writer import EncodedPage

TOY = ToyEncoder()
STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")
OLD, NEW = ["bleed", "valve"], ["spare", "parts"]


def encoded(number: int, word: str) -> EncodedPage:
    image = text_page([word])
    (embedding,) = TOY.encode_pages([Page(image)])
    return EncodedPage(number, embedding, picture(image), *Page(image).shape, None, word)


def fill(store: Store, file: Path, words: list[str], acknowledge: Callable[[str], None]) -> None:
    offer = Offer("default", "a.pdf", "/a.pdf", upload=False, replace=False)
    draft = store.drafts.same(file, offer, TOY.info)
    if draft is not None:
        return
    draft = store.drafts.begin(file, offer, TOY.info, pages=len(words), renderer="toy")
    for number in draft.missing:
        store.writer.commit(draft, [encoded(number, words[number - 1])], TOY.info)
        acknowledge("p")
    if draft.outcome != "same":
        store.writer.finish(draft)
        acknowledge("f")


def killed_at(step: int, library: Path, file: Path) -> str | None:
    """What was acknowledged before the kill at this step; None when the work was done before it came."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _arm(step, library)
        with Store(library) as store:
            fill(store, file, NEW, lambda said: os.write(writer, said.encode()) and None)
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    said = os.read(reader, 100).decode()
    os.close(reader)
    if os.WIFSIGNALED(status):
        return said
    assert status == 0, f"the writer failed: {status}"
    return None


def _arm(step: int, library: Path) -> None:
    left = step

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in STEPS and str(arguments[0]).startswith(str(library)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def texts(store: Store) -> list[str]:
    (row,) = store.documents("default")
    snapshot = store.snapshot("default")
    assert snapshot.pages == row.stored == 2
    for number in (1, 2):
        assert store.picture_path(row, number).read_bytes() == encoded(number, store.page_text(row, number)).picture
        assert store.original_path(row).exists()
    return [store.page_text(row, number) for number in (1, 2)]


def files(library: Path) -> set[str]:
    return {str(path.relative_to(library)) for folder in ("files", "pages") for path in (library / folder).rglob("*")}


def main(folder: Path) -> None:
    old, new = folder / "old.pdf", folder / "new.pdf"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    with Store(folder / "base") as store:
        fill(store, old, OLD, lambda _: None)
    with Store(folder / "expected") as store:
        fill(store, new, NEW, lambda _: None)
    for step in count(1):
        library = folder / str(step)
        shutil.copytree(folder / "base", library)
        said = killed_at(step, library, new)
        with Store(library) as store:
            assert store.verify() == [], f"step {step}"
            found = texts(store)
            is_done = said is None or "f" in said
            assert found == NEW or (found == OLD and not is_done), f"step {step}: {found} after {said}"
            fill(store, new, NEW, lambda _: None)
            assert texts(store) == NEW, f"step {step}"
            assert len(store.shards("default")) == 2
            store.writer.delete(store.find("a.pdf"))
            assert files(library) == set() and not list((library / "shards").iterdir()), f"step {step}: litter"
        shutil.rmtree(library)
        if said is None:
            sys.stdout.write(f"{step - 1}\n")
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
