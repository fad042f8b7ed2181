"""The application over a library with the toy encoder: `python tests/toy_app.py LIBRARY PORT [--sample]`."""

import sys
from pathlib import Path

from toy import ToyEncoder

from app.__main__ import free_socket, serve_service
from app.service import Service
from app.settings import Settings
from colvision.library import open_library

WORKER = (sys.executable, str(Path(__file__).with_name("toy_worker.py")))

if __name__ == "__main__":
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    settings = Settings(folder, port=port, worker=WORKER)
    with open_library(folder, encoder=ToyEncoder()) as library, free_socket(settings.host, port) as listening:
        serve_service(Service(library, settings), listening, sample="--sample" in sys.argv)
