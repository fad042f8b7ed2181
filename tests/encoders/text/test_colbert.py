"""What a ColBERT makes of pages and queries: the contract of encoders, passages, places, words."""

import numpy as np
import pytest
from PIL import Image
from transformers import AutoTokenizer

from colvision.core.embedding import VectorKind
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.doctor import examine
from colvision.testing import check_encoder, tiny_checkpoint
from colvision.testing.text_checkpoints import TEXT_FAMILIES
from tests.helpers.text_pages import holds, printed_page, word_box

pytestmark = pytest.mark.slow

PAPER = Image.new("L", (85, 110), 255)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    made = {}

    def get(family):
        if family not in made:
            folder = tiny_checkpoint(tmp_path_factory.mktemp("text") / family, family)
            made[family] = load_encoder(folder, device="cpu", dtype="float32")
        return made[family]

    return get


def encode(encoder, *pages):
    return list(encoder.encode_pages(pages))


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_every_layout_keeps_the_contract_of_an_encoder(encoders, family):
    check_encoder(encoders(family))


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_a_word_of_a_query_wins_in_the_box_of_the_same_word(encoders, family):
    page = printed_page("check the oil before use", "then bleed the hydraulic pump", "water valve first")
    [embedding] = encode(encoders(family), page)
    [query] = encoders(family).encode_queries(["the hydraulic valve"])  # what comes first has no blank before it
    for word, tokens in query.tokens_of_words()[1:]:
        for token in tokens:
            winner = int(np.argmax(embedding.vectors @ query.vectors[token]))
            assert holds(word_box(page, word), embedding.grid.bounds(winner), slack=0.02)


def test_every_token_of_a_printed_word_has_a_place_and_markers_have_none(encoders):
    page = printed_page("check the oil")
    [embedding] = encode(encoders("colbert"), page)
    assert set(embedding.kind) == {VectorKind.TEXT}
    placed = np.unique(embedding.grid.cells)
    assert placed.tolist() == [-1, 2, 3, 4]  # behind [CLS] and [unused1], before [SEP]
    assert len(embedding.vectors) == 6


def test_a_page_that_fits_is_one_passage_and_a_longer_one_loses_no_word(encoders):
    encoder = encoders("colbert")
    words = ["oil", "pump", "valve", "water", "pressure", "filter"] * 40
    [embedding] = encode(encoder, Page(PAPER, text=" ".join(words)))
    passages, rest = divmod(len(embedding.vectors) - len(words), 3)  # [CLS], the marker and [SEP] of each
    assert (passages, rest) == (4, 0)
    [first] = encode(encoder, Page(PAPER, text=" ".join(words[:60])))
    np.testing.assert_allclose(embedding.vectors[: len(first.vectors)], first.vectors, atol=1e-6)


def test_a_page_without_text_has_a_vector_and_says_what_to_do(encoders):
    encoder = encoders("colbert")
    empty = Page(PAPER)
    [embedding] = encode(encoder, empty)
    assert len(embedding.vectors) == 3
    assert (embedding.grid.cells == -1).all()
    [note] = encoder.unreadable(empty)
    assert note.kind == "textless"
    assert "colvision ocr" in note.text
    assert not encoder.unreadable(Page(PAPER, text="oil"))


def test_what_is_skipped_has_no_vector_on_a_page_and_one_in_a_query(encoders):
    encoder = encoders("colbert")
    plain, marked = encode(encoder, Page(PAPER, text="oil pump"), Page(PAPER, text="oil, pump!"))
    assert len(plain.vectors) == len(marked.vectors)
    [query] = encoder.encode_queries(["oil, pump!"])
    assert {",", "!"} <= set(query.tokens)


def test_a_query_is_filled_up_with_tokens_that_count_and_belong_to_no_word(encoders):
    [query] = encoders("colbert").encode_queries(["bleed pumps"])
    assert query.tokens[:6] == ("[CLS]", "[unused0]", "bleed", "pump", "s", "[SEP]")
    assert query.tokens[6:] == 10 * ("[MASK]",)
    assert query.word.tolist()[:6] == [-1, -1, 0, 1, 1, -1]
    assert query.is_query.sum() == 3
    assert (query.weights == 1).all()


def test_a_query_that_is_not_filled_up_has_its_own_tokens_and_the_marker(encoders):
    [query] = encoders("pylate").encode_queries(["bleed pump"])
    assert query.words == ("bleed", "pump")
    assert query.tokens[:2] == ("[CLS]", "[Q]")
    assert query.tokens[-1] == "[SEP]"


def test_of_a_long_query_the_first_words_are_asked(encoders):
    [query] = encoders("colbert").encode_queries(["oil pump valve water " * 10])
    assert len(query.tokens) == 16
    assert query.words == ("oil", "pump", "valve", "water") * 3 + ("oil",)


def test_markers_are_single_tokens_though_the_tokenizer_alone_cuts_them_up(encoders):
    encoder = encoders("colbert")
    folder = encoder.checkpoint.folder
    assert AutoTokenizer.from_pretrained(folder).tokenize("[unused0] oil")[0] == "["
    assert encoder.model.tokenizer.tokenize("[unused0] oil") == ["[unused0]", "oil"]


def test_the_doctor_finds_a_changed_weight_and_a_marker_that_is_cut_up(tmp_path):
    encoder = load_encoder(tiny_checkpoint(tmp_path / "tiny", "colbert"), device="cpu", dtype="float32")
    assert examine(encoder).passed
    encoder.model.projections[0].linear.weight.data[0, 0] += 1
    encoder.model.tokenizer = AutoTokenizer.from_pretrained(encoder.checkpoint.folder)
    failed = {each.name: each.message for each in examine(encoder).findings if each.passed is False}
    assert "1 of 38 are not those of the files: projections.0.linear.weight" in failed["weights"]
    assert "the marker is one token" in failed["query prompt"]


def test_the_fingerprint_is_that_of_files_and_settings_and_precision_is_no_part_of_it(tmp_path):
    def fingerprint(folder, **options):
        return load_encoder(folder, device="cpu", **options).info.fingerprint

    one, other = (tiny_checkpoint(tmp_path / name, "multivector") for name in ("one", "other"))
    first = fingerprint(one, dtype="float32")
    assert first == fingerprint(other, dtype="bfloat16")
    file = other / "sentence_bert_config.json"
    file.write_text(file.read_text().replace('"length": 12', '"length": 13'))
    assert fingerprint(other) != first
    assert fingerprint(tiny_checkpoint(tmp_path / "third", "multivector", seed=1)) != first


def test_bfloat16_is_near(tmp_path):
    folder = tiny_checkpoint(tmp_path / "tiny", "pylate")
    page = printed_page("bleed the hydraulic pump")
    [exact], [rounded] = (
        encode(load_encoder(folder, device="cpu", dtype=dtype), page) for dtype in ("float32", "bfloat16")
    )
    assert np.sum(exact.vectors * rounded.vectors, axis=1).min() > 0.99
