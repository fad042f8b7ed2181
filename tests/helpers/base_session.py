"""What a user does, from a document to its heatmap, then by the app.

`python -m tests.helpers.base_session ENCODER FOLDER`; ENCODER is toy or mini. Prints what was found, as JSON.
"""

import json
import sys
from pathlib import Path

from colvision.app.api import create_api
from colvision.app.page import mount_page
from colvision.app.security import Guard
from colvision.app.services.library import LibraryService
from colvision.app.settings import Settings
from starlette.testclient import TestClient

import colvision
from colvision.testing import ToyEncoder, save_document

HOME = "http://127.0.0.1:7860"
WORD = "valve"


def by_python(library: colvision.Library, folder: Path) -> dict[str, object]:
    document = save_document(folder / "pump.pdf", [["bleed", WORD], ["spare", "parts"]])
    stored = library.ingest(document)
    hits = library.search(WORD, k=1)
    library.explain(hits[0]).heatmap().save(folder / "why.png")
    return {
        "stored": stored.pages,
        "page": hits[0].page,
        "encoder": library.status().encoder,
        "intact": library.verify().is_intact,
    }


def by_the_app(library: colvision.Library) -> dict[str, object]:
    service = LibraryService(library, Settings(library.path))
    client = TestClient(Guard(mount_page(create_api(service), service)), base_url=HOME)
    found = client.get("/api/v1/search", params={"q": WORD})
    why = client.get("/api/v1/explain", params={"q": WORD, "page_of": "pump.pdf", "page": 1})
    return {"shown": client.get("/").status_code, "found": found.json()["hits"][0]["page"], "why": why.status_code}


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    encoder = ToyEncoder() if sys.argv[1] == "toy" else None
    with colvision.open_library(folder / "library", encoder=encoder) as library:
        print(json.dumps(by_python(library, folder) | by_the_app(library)))  # noqa: T201 -- read by the test
    print(sorted({"torch", "transformers", "peft", "numba", "scipy"} & set(sys.modules)))  # noqa: T201
