"""Another process at work on a library, under another machine's name: `-m tests.helpers.other_worker LIBRARY FILE`.

It begins a document of the file, encodes the collection "archive" again, claims a job, says so, and waits to be killed.
"""

import socket
import sys
from pathlib import Path

from colvision.store import Store
from colvision.testing import ToyEncoder
from tests.helpers.stores import begin

AGAIN = ToyEncoder(seed=3)  # the encoder that it encodes again with

if __name__ == "__main__":
    socket.gethostname = lambda: "c0ffee000001"
    store = Store(Path(sys.argv[1]))
    begin(store, Path(sys.argv[2]))
    store.reencoding.open_next(store.reencoding.begin("archive", AGAIN.info))
    store.jobs.claim()
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    sys.stdin.read()
