"""The application with the toy encoder: `python -m tests.helpers.toy_app LIBRARY PORT [--sample] [--rerank]`.

COLVISION_TOKEN is its token; TOY_SETTINGS is JSON of other settings, such as its address behind a proxy, and TOY_QUOTA
of other limits than the usual ones.
"""

import json
import os
import sys
from pathlib import Path

from colvision.app.server import listen, serve_library
from colvision.app.services.library import LibraryService
from colvision.app.settings import Quota, Settings

from colvision.library import open_library
from colvision.signals import exit_when_terminated
from colvision.testing import ToyEncoder
from tests.helpers.toy_reranker import LeastInk

WORKER = (sys.executable, "-m", "tests.helpers.toy_worker")

if __name__ == "__main__":
    settings = Settings(
        Path(sys.argv[1]),
        port=int(sys.argv[2]),
        token=os.environ.get("COLVISION_TOKEN", ""),
        quota=Quota(**json.loads(os.environ.get("TOY_QUOTA", "{}"))),
        worker=WORKER,
        **json.loads(os.environ.get("TOY_SETTINGS", "{}")),
    )
    with (
        exit_when_terminated(),
        open_library(settings.library, encoder=ToyEncoder()) as library,
        listen(settings.host, settings.port) as listening,
    ):
        reranker = LeastInk() if "--rerank" in sys.argv else None
        serve_library(LibraryService(library, settings, reranker), listening, sample="--sample" in sys.argv)
