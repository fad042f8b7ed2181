"""sentence-transformers 6 itself reads what is exported, where it is installed; kept arrays are for everywhere else."""

import numpy as np
import pytest

from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.export import export_encoder
from colvision.testing import tiny_checkpoint
from tests.helpers.families import encode, load, noise
from tests.oracles.pil_processors import processor

pytestmark = pytest.mark.slow

EXPORTED = ("colpali", "colqwen2", "colqwen2.5", "colqwen3", "colqwen3.5", "colsmol", "colmodernvbert")
WITH_VIDEOS = {"colqwen2", "colqwen2.5", "colqwen3", "colqwen3.5"}  # whose own processor needs torchvision
QUERY = "bleed the pump"


@pytest.mark.filterwarnings("default")  # those of another package's imports
@pytest.mark.parametrize("family", EXPORTED)
def test_sentence_transformers_reads_an_export_and_computes_the_same(tmp_path, monkeypatch, family):
    library = pytest.importorskip("sentence_transformers")
    tiny_checkpoint(tmp_path / "tiny", family)
    export_encoder(tmp_path / "tiny", tmp_path / "out", EncoderOptions())
    if family in WITH_VIDEOS:
        monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", processor)
    theirs = library.MultiVectorEncoder(str(tmp_path / "out"), device="cpu")
    ours, page = load(tmp_path / "tiny"), noise(140, 84, seed=5)
    [expected] = theirs.encode_document([page.image], convert_to_numpy=True)
    np.testing.assert_allclose(encode(ours, page)[0].vectors, expected, rtol=0, atol=1e-5)
    [expected] = theirs.encode_query([QUERY], convert_to_numpy=True)
    np.testing.assert_allclose(ours.encode_queries([QUERY])[0].vectors, expected, rtol=0, atol=1e-5)
