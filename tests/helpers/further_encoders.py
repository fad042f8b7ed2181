"""A collection of the toy with a further encoder: who reads what, on a few pages of words."""

from dataclasses import replace

from colvision.core.encoder import Calibration
from colvision.library import Library
from colvision.store import Store
from colvision.testing import ToyEncoder, save_document

OTHER = ToyEncoder(seed=3, dim=24)
PAGES = {"pump.tiff": [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]], "crane.pdf": [["hook"], ["valve"]]}


class Sharp(ToyEncoder):
    """The toy with probabilities, soft idf and terms for neighbours, as mini has them."""

    def __init__(self, **options):
        super().__init__(**options)
        fingerprint = self.info.fingerprint[::-1]
        self.info = replace(self.info, fingerprint=fingerprint, calibration=Calibration(slope=20.0, midpoint=0.8))


def save_files(folder):
    return [save_document(folder / name, pages) for name, pages in PAGES.items()]


def opened(folder, encoder=None):
    return Library(Store(folder / "library"), encoder or ToyEncoder())


def places(answer):
    return [(hit.document, hit.page) for hit in answer]


def read_by_other(library, name="other"):
    """{(document, page)} that a search by the further encoder goes through."""
    store = library._store
    snapshot = store.companion_snapshot(store.snapshot("default"), name)
    return {
        (snapshot.documents[int(key)].name, int(page))
        for part in snapshot.shards
        for key, page, live in zip(part.document, part.page, part.live, strict=True)
        if live
    }


def all_pages(library):
    return {(row.name, page) for row in library.documents() for page in range(1, row.pages + 1)}
