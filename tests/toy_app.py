"""The application over a library with the toy encoder: `python -m tests.toy_app LIBRARY PORT`."""

import sys
from pathlib import Path

from app.__main__ import free_socket, serve_service
from app.service import Service
from app.settings import Settings
from colvision.library import open_library
from tests.toy import ToyEncoder

if __name__ == "__main__":
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    worker = (sys.executable, "-m", "tests.toy_worker")
    settings = Settings(folder, port=port, worker=worker)
    with open_library(folder, encoder=ToyEncoder()) as library, free_socket(settings.host, port) as listening:
        serve_service(Service(library, settings), listening, sample="--sample" in sys.argv)
