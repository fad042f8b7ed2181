"""What the reviewed files of `expected/` are about: one page, one question, one filter, of small numbers."""

import numpy as np

from colvision.core.embedding import PatchGrid
from colvision.core.encoder import EncoderInfo
from colvision.core.first_stage import PageScope
from colvision.engines.engine import ExportedPage

INFO = EncoderInfo("example", "e" * 64, dim=8, quantisation_range=0.5)
PAGE = ExportedPage(
    id="01234567-89ab-cdef-fedc-ba9876543210",
    document_id="0123456789abcdef",
    document="pump.pdf",
    folder="press",
    page=3,
    facts=("machine=pump", "year=2021"),
    encoder=INFO.fingerprint,
    codes=np.arange(-16, 16, dtype=np.int8).reshape(4, 8),
    grid=PatchGrid.full(2, 2),
)
QUERY = np.array([[1, 0, 0, 0, 0, 0, 0, -1], [0.5] * 8], np.float32)
SCOPE = PageScope(("0123456789abcdef", "00000000000000ff"), (2, 3))
FOUND = {"document_id": PAGE.document_id, "page": PAGE.page, "encoder": PAGE.encoder}  # what every engine answers
