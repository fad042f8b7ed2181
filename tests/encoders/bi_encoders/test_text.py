"""Folders of sentence-transformers with one vector a text: read as they say, or refused; no word of a page is lost."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from colvision.core.page import Box, PrintedWord
from colvision.encoders import load_encoder, merge_adapters
from colvision.encoders.text.page_text import cut_into_passages, word_spans
from colvision.errors import EncoderNotFound, WeightsMismatch
from tests.helpers.bi_encoders import rewrite_json, text_page
from tests.oracles.inputs import PAGE_TEXTS
from tests.oracles.test_bi_encoders import checkpoint

pytestmark = pytest.mark.slow

LONG = " ".join(f"Valve {number} opens at {number} bar." for number in range(60))


def load(folder: Path, **options: object):
    return load_encoder(folder, device="cpu", dtype="float32", **options)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    return checkpoint("dense", tmp_path_factory.mktemp("dense"))


@pytest.fixture
def folder(pristine, tmp_path) -> Path:
    """A checkpoint that a test may spoil."""
    return Path(shutil.copytree(pristine, tmp_path / "checkpoint"))


def test_a_long_text_is_read_to_its_end_in_passages_of_whole_words(folder):
    encoder = load(folder)
    passages = encoder._model.passages(LONG, "", encoder._model.page_length)
    assert " ".join(passage.text for passage in passages) == LONG
    lengths = [len(passage.ids) for passage in passages]
    assert max(lengths) <= 160 < 2 * min(lengths), "none is a rest of a few words"
    [page] = encoder.encode_pages([text_page(LONG)])
    alone = [one.vectors for one in encoder.encode_pages(text_page(passage.text) for passage in passages)]
    np.testing.assert_allclose(page.vectors, np.concatenate(alone), rtol=0, atol=1e-6)


def test_a_word_that_is_longer_than_a_passage_is_cut_and_nothing_lost():
    text = "ab " + "x" * 50 + " cd"
    spans = cut_into_passages(word_spans(text), lambda span: len(text[slice(*span)].replace(" ", "")), 20)
    passages = [text[slice(*span)] for span in spans]
    assert "".join(passages).replace(" ", "") == text.replace(" ", "")
    assert all(len(passage) <= 21 for passage in passages)


def test_a_query_that_is_too_long_is_read_to_where_it_fits_and_says_so(folder):
    [query] = load(folder).encode_queries([LONG])
    assert len(query.tokens) == 1
    assert LONG.startswith(query.tokens[0])
    assert len(query.tokens[0]) < len(LONG)


def test_vectors_are_cut_and_of_unit_length(folder):
    full, cut = load(folder), load(folder, dim=16)
    assert (full.dim, cut.info.dim) == (32, 16)
    [whole], [part] = (list(each.encode_pages([text_page(PAGE_TEXTS[0])])) for each in (full, cut))
    first = whole.vectors[0, :16]
    np.testing.assert_allclose(part.vectors[0], first / np.linalg.norm(first), rtol=0, atol=1e-6)
    assert full.info.fingerprint != cut.info.fingerprint
    with pytest.raises(ValueError, match="dim is 33; vectors of 'checkpoint' have 32 components"):
        load(folder, dim=33)


def test_whatever_decides_the_vectors_is_part_of_the_fingerprint(folder):
    made = {load(folder).info.fingerprint, load(folder, query_prefix="Q: ").info.fingerprint}
    made.add(load(folder, page_prompt="P: ").info.fingerprint)
    rewrite_json(folder / "1_Pooling" / "config.json", pooling_mode="max")
    made.add(load(folder).info.fingerprint)
    rewrite_json(folder / "sentence_bert_config.json", max_seq_length=100)
    made.add(load(folder).info.fingerprint)
    layer = folder / "2_Dense" / "model.safetensors"
    save_file({name: weight * 2 for name, weight in load_file(layer).items()}, layer)
    made.add(load(folder).info.fingerprint)
    assert len(made) == 6


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "attention"}, "its Pooling is attention"),
        ("2_Dense/config.json", {"activation_function": "mine.Gate"}, "the activation mine.Gate"),
        ("2_Dense/config.json", {"module_input_name": "token_embeddings"}, "something else than the vector of a text"),
        ("config_sentence_transformers.json", {"similarity_fn_name": "manhattan"}, "compared by manhattan"),
        ("sentence_bert_config.json", {"model_args": {"rotary": 2}}, "sets rotary in model_args"),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "for the task fill-mask"),
        ("config.json", {"model_type": "mystery"}, "does not know"),
        ("config.json", {"auto_map": {"AutoModel": "theirs--modeling.Bert"}}, "brings its own code .*never run"),
    ],
)
def test_what_is_not_done_as_it_is_written_is_refused(folder, file, values, said):
    rewrite_json(folder / file, **values)
    with pytest.raises(EncoderNotFound, match=said):
        load(folder)


def test_files_without_which_something_else_would_be_computed_are_asked_for(folder):
    (folder / "1_Pooling" / "config.json").unlink()
    with pytest.raises(EncoderNotFound, match="1_Pooling/config.json is not there: copy it"):
        load(folder)


def test_an_adapter_beside_the_weights_is_refused(folder):
    (folder / "adapter_config.json").write_text('{"r": 4}')
    with pytest.raises(EncoderNotFound, match="is an encoder of text with an adapter: merge it"):
        load(folder)


def test_words_whose_places_are_known_are_a_text(folder):
    """Of a page that OCR has read, whose text nobody laid out."""
    encoder, box = load(folder), Box(0, 0, 0.1, 0.1)
    read = replace(text_page(""), words=(PrintedWord("hydraulic", box), PrintedWord("pump", box)))
    [seen], [expected] = (list(encoder.encode_pages([page])) for page in (read, text_page("hydraulic pump")))
    np.testing.assert_array_equal(seen.vectors, expected.vectors)
    assert encoder.unreadable(read) == ()
    [note] = encoder.unreadable(text_page(" \n"))
    assert note.kind == "textless"


def test_a_step_of_another_kind_is_refused_by_name(folder):
    file = folder / "modules.json"
    steps = json.loads(file.read_text())
    steps[2]["type"] = "sentence_transformers.models.LSTM"
    file.write_text(json.dumps(steps))
    with pytest.raises(EncoderNotFound, match="its step LSTM is not known here"):
        load(folder)


def test_vectors_of_any_length_that_are_compared_by_products_are_refused(folder):
    file = folder / "modules.json"
    file.write_text(json.dumps(json.loads(file.read_text())[:-1]))
    rewrite_json(folder / "config_sentence_transformers.json", similarity_fn_name="dot")
    with pytest.raises(EncoderNotFound, match="compared by dot without unit length"):
        load(folder)


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_weights_that_do_not_fit_are_refused_by_name(folder, change):
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = "encoder.layer.1.output.dense.weight"
    weights["encoder.layer.9.extra" if change == "unexpected" else name] = weights.pop(name)
    if change == "unexpected":
        weights[name] = weights["encoder.layer.9.extra"].clone()
    else:
        del weights[name]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(WeightsMismatch, match=f"1 {change}"):
        load(folder)


def test_a_layer_without_its_weights_and_one_of_another_model_are_refused(folder):
    layer = folder / "3_Dense" / "model.safetensors"
    save_file({"linear.weight": load_file(layer)["linear.weight"][:, :-1].contiguous()}, layer)
    with pytest.raises(WeightsMismatch, match="does not fit vectors of 48 components"):
        load(folder)
    layer.unlink()
    with pytest.raises(EncoderNotFound, match="3_Dense lacks model.safetensors"):
        load(folder)


def test_options_that_do_nothing_are_refused(folder):
    with pytest.raises(ValueError, match="takes no max_patches"):
        load(folder, max_patches=100)


def test_nothing_is_merged_into_it(folder, tmp_path):
    with pytest.raises(EncoderNotFound, match="is an encoder of text: choose one of page images"):
        merge_adapters(folder, tmp_path / "out")
