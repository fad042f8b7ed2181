"""The server for agents with the toy encoder: `python -m tests.helpers.toy_mcp LIBRARY`.

`--http` and `--port N` serve HTTP, with COLVISION_TOKEN as its token; `--write FOLDER` lets agents add files of it.
"""

import argparse
import os
from pathlib import Path

from colvision.app.mcp import serve_library
from colvision.app.settings import Settings

from colvision.library import open_library
from colvision.signals import exit_when_terminated
from colvision.testing import ToyEncoder
from tests.helpers.toy_app import WORKER

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("--http", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    settings = Settings(asked.library, port=asked.port, token=os.environ.get("COLVISION_TOKEN", ""), worker=WORKER)
    write = asked.write is not None
    with exit_when_terminated(), open_library(asked.library, encoder=ToyEncoder(), read_only=not write) as library:
        serve_library(library, settings, http=asked.http, write=write, files=asked.write)
