"""A process that has a further encoder read a library: `-m tests.helpers.add_encoder_process LIBRARY STEP [FILE]`.

STEP "1" adds the encoder and prints after each page how many the catalogue holds, and the report at the end. "before"
and "amid" ingest FILE and kill the process when the further encoder is about to read it, or has read a page of it.
"""

import json
import os
import signal
import sys
from pathlib import Path

from colvision.library import Library
from colvision.store import Store
from colvision.testing import ToyEncoder

OTHER = ToyEncoder(seed=3, dim=24)


def main(path: str, step: str, *files: str) -> None:
    with Library(Store(Path(path)), ToyEncoder()) as library:
        library._session.use_other(OTHER)
        if step == "1":

            def acknowledge(_):
                sys.stdout.write(f"{library.encoders()[0].pages}\n")
                sys.stdout.flush()

            sys.stdout.write(json.dumps(library.add_encoder("other", OTHER, progress=acknowledge).to_dict()) + "\n")
            return

        def kill(progress):
            if "(other)" in progress.document and (step == "before" or progress.page >= 1):
                os.kill(os.getpid(), signal.SIGKILL)

        library.ingest(list(files), progress=kill)


if __name__ == "__main__":
    main(*sys.argv[1:])
