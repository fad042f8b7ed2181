"""The worker with the toy encoder: `python -m tests.helpers.toy_worker LIBRARY PROCESS`.

TOY_SECONDS: how long a page takes.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator

from colvision.app.worker import exit_with_parent, lower_priority, work

from colvision.core.embedding import PageEmbedding
from colvision.core.page import Page
from colvision.library import open_library
from colvision.signals import exit_when_terminated
from colvision.testing import ToyEncoder


class SlowEncoder(ToyEncoder):
    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        for embedding in super().encode_pages(pages):
            time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
            yield embedding


if __name__ == "__main__":
    exit_with_parent(int(sys.argv[2]))
    lower_priority()
    with exit_when_terminated(), open_library(sys.argv[1], encoder=SlowEncoder()) as library:
        work(library, parent=int(sys.argv[2]))
