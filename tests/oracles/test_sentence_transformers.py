"""sentence-transformers 6 itself reads what `merge_adapters` writes for it, where it is installed; kept arrays are for
everywhere else.
"""

import json

import numpy as np
import pytest

from colvision.encoders import merge_adapters
from colvision.testing import tiny_checkpoint
from tests.helpers.families import encode, load, noise
from tests.oracles.checkpoints import checkpoint
from tests.oracles.pil_processors import processor

pytestmark = pytest.mark.slow

WRITTEN = ("colpali", "colqwen2", "colqwen2.5", "colqwen3", "colqwen3.5", "colsmol", "colmodernvbert")
WITH_VIDEOS = {"colqwen2", "colqwen2.5", "colqwen3", "colqwen3.5"}  # whose own processor needs torchvision
QUERY = "bleed the pump"


@pytest.mark.filterwarnings("default")  # those of another package's imports
@pytest.mark.parametrize("family", WRITTEN)
def test_sentence_transformers_reads_what_is_written_and_computes_the_same(tmp_path, monkeypatch, family):
    library = pytest.importorskip("sentence_transformers")
    tiny_checkpoint(tmp_path / "tiny", family)
    merge_adapters(tmp_path / "tiny", tmp_path / "out", sentence_transformers=True)
    if family in WITH_VIDEOS:
        monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", processor)
    theirs = library.MultiVectorEncoder(str(tmp_path / "out"), device="cpu")
    ours, page = load(tmp_path / "tiny"), noise(140, 84, seed=5)
    [expected] = theirs.encode_document([page.image], convert_to_numpy=True)
    np.testing.assert_allclose(encode(ours, page)[0].vectors, expected, rtol=0, atol=1e-5)
    [expected] = theirs.encode_query([QUERY], convert_to_numpy=True)
    np.testing.assert_allclose(ours.encode_queries([QUERY])[0].vectors, expected, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("default")
def test_sentence_transformers_cuts_a_long_query_where_we_do(tmp_path, monkeypatch):
    library = pytest.importorskip("sentence_transformers")
    folder = checkpoint("st-colqwen2", tmp_path / "folder")
    file = folder / "sentence_bert_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "query_length": 20}))
    monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", processor)
    theirs = library.MultiVectorEncoder(str(folder), device="cpu")
    long = " ".join([QUERY] * 20)
    [expected] = theirs.encode_query([long], convert_to_numpy=True)
    assert len(expected) == 20
    np.testing.assert_allclose(load(folder).encode_queries([long])[0].vectors, expected, rtol=0, atol=1e-5)
