"""Ingests a file in a process of its own, to be killed: `-m tests.helpers.ingest_process LIBRARY FILE COMMIT_PAGES`.

After each page it prints how many pages the catalogue holds: these were acknowledged, no kill may take them back.
"""

import sys
from pathlib import Path

from colvision.ingest import Callbacks, IngestOptions, ingest_files
from colvision.store import Store
from colvision.testing import ToyEncoder


def main(library: str, file: str, commit_pages: str) -> None:
    with Store(Path(library)) as store:

        def acknowledge(_):
            rows = store.documents("default")
            sys.stdout.write(f"{rows[0].stored if rows else 0}\n")
            sys.stdout.flush()

        options = IngestOptions(commit_pages=int(commit_pages))
        report = ingest_files(
            store, ToyEncoder(ahead=1), [Path(file)], options=options, callbacks=Callbacks(progress=acknowledge)
        )
        sys.stdout.write(f"{report}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
