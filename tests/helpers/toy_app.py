"""The application over a library with the toy encoder: `python -m tests.helpers.toy_app LIBRARY PORT [--sample]`."""

import sys
from pathlib import Path

from colvision.app.server import listen, serve_library
from colvision.app.services.library import LibraryService
from colvision.app.settings import Settings

from colvision.library import open_library
from colvision.signals import exit_when_terminated
from colvision.testing import ToyEncoder

WORKER = (sys.executable, "-m", "tests.helpers.toy_worker")

if __name__ == "__main__":
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    settings = Settings(folder, port=port, worker=WORKER)
    with (
        exit_when_terminated(),
        open_library(folder, encoder=ToyEncoder()) as library,
        listen(settings.host, port) as listening,
    ):
        serve_library(LibraryService(library, settings), listening, sample="--sample" in sys.argv)
