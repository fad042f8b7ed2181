"""Another process at work on a library, under another machine's name: `-m tests.helpers.other_worker LIBRARY FILE`.

It begins a document of the file, encodes the collection "archive" again and claims a job, says so, and waits to be killed.
"""

import socket
import sys
from pathlib import Path

if __name__ == "__main__":
    socket.gethostname = lambda: "c0ffee000001"

from colvision.store import Store  # noqa: E402 (after the machine is called otherwise)
from colvision.testing import ToyEncoder  # noqa: E402
from tests.helpers.stores import begin  # noqa: E402

AGAIN = ToyEncoder(seed=3)  # the encoder that it encodes again with

if __name__ == "__main__":
    store = Store(Path(sys.argv[1]))
    begin(store, Path(sys.argv[2]))
    store.reencoding.open_next(store.reencoding.begin("archive", AGAIN.info))
    store.jobs.claim()
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    sys.stdin.read()
