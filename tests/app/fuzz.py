"""Requests of every kind that the schema allows, and of many that it does not, by schemathesis, to the REST API.

    python -m tests.app.fuzz [EXAMPLES]    of each route; 300 take minutes

None may be answered by a server error, or in a way that the schema does not state.
"""

import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path

import uvicorn
from colvision.app.api import create_api
from colvision.app.security import Guard
from colvision.app.server import listen
from colvision.app.services.library import LibraryService
from colvision.app.settings import Settings

from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document

IS_INSTALLED = find_spec("schemathesis") is not None
_NOT_HELD = (  # by what they send alone these checks cannot know
    "positive_data_acceptance",  # what is a PDF, or an image that is kept
    "ensure_resource_availability",  # a job that is queued has no document yet
)


def fuzz(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The run of schemathesis with these options, against an application of its own in `folder`."""
    with open_library(folder / "library", encoder=ToyEncoder()) as library, listen("127.0.0.1", 0) as listening:
        library.ingest(save_document(folder / "pump.tiff", [["bleed", "valve"]]))
        app = Guard(create_api(LibraryService(library, Settings(library.path))))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            return subprocess.run(
                [
                    *(sys.executable, "-m", "schemathesis.cli", "run"),
                    f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1/openapi.json",
                    *("--checks", "all", "--exclude-checks", ",".join(_NOT_HELD)),
                    *(
                        "--request-timeout",
                        "120",
                        "--warnings",
                        "off",
                        "--no-color",
                        "--generation-database",
                        "none",
                        "--seed",
                        "1",
                    ),
                    *options,
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                cwd=folder,
            )
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        ended = fuzz(Path(folder), "--continue-on-failure", "--max-examples", (sys.argv + ["100"])[1])
    sys.stdout.write(ended.stdout)
    raise SystemExit(ended.returncode)
