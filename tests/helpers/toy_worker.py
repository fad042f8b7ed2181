"""The worker with the toy encoder: `python -m tests.helpers.toy_worker LIBRARY PROCESS`.

TOY_SECONDS: how long a page takes.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator

from app.worker import be_modest, end_with, work
from colvision.embedding import PageEmbedding
from colvision.library import open_library
from colvision.page import Page
from tests.helpers.toy import ToyEncoder


class SlowEncoder(ToyEncoder):
    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        for embedding in super().encode_pages(pages):
            time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
            yield embedding


if __name__ == "__main__":
    end_with(int(sys.argv[2]))
    be_modest()
    with open_library(sys.argv[1], encoder=SlowEncoder()) as library:
        work(library, parent=int(sys.argv[2]))
