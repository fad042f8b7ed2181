"""`check_encoder` passes an encoder that keeps every promise, and names each one that is broken."""

import dataclasses
import re
import subprocess
import sys
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from colvision.core.embedding import PageEmbedding, PatchGrid, VectorKind
from colvision.errors import EncoderMismatch
from colvision.testing import ToyEncoder, check_encoder
from colvision.testing.contract import CHECKS, Trial
from tests.helpers import ROOT


class Altered:
    """The toy encoder with room for a fault."""

    def __init__(self):
        self.toy = ToyEncoder()
        self.calls = count()

    @property
    def info(self):
        return self.toy.info

    def encode_pages(self, pages):
        for number, page in enumerate(pages):
            [embedding] = self.toy.encode_pages([page])
            yield self.altered_page(embedding, page, number)

    def encode_queries(self, texts):
        return [self.altered_query(query, texts) for query in self.toy.encode_queries(texts)]

    def altered_page(self, embedding, page, number):
        return embedding

    def altered_query(self, query, texts):
        return query


def moved(embedding, by):
    """Every vector a little, and still of unit length."""
    vectors = embedding.vectors + np.float32(by) * np.eye(embedding.vectors.shape[1], dtype=np.float32)[0]
    return dataclasses.replace(embedding, vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


class ShortFingerprint(Altered):
    @property
    def info(self):
        return dataclasses.replace(self.toy.info, fingerprint="1")


class Nameless(Altered):
    @property
    def info(self):
        return dataclasses.replace(self.toy.info, name="")


class AnotherEachTime(Altered):
    @property
    def info(self):
        return dataclasses.replace(self.toy.info, versions={"toy": str(next(self.calls))})


class List(Altered):
    def encode_pages(self, pages):
        return list(super().encode_pages(pages))


class InventsAPage(Altered):
    def encode_pages(self, pages):
        yield from super().encode_pages(pages)
        yield from self.toy.encode_pages(Trial(self.toy, 0).pages[:1])


class ReadsAllFirst(Altered):
    def encode_pages(self, pages):
        yield from super().encode_pages(list(pages))


class AnotherDim(Altered):
    @property
    def info(self):
        return dataclasses.replace(self.toy.info, dim=32)


class NotOfUnitLength(Altered):
    def altered_page(self, embedding, page, number):
        return dataclasses.replace(embedding, vectors=embedding.vectors * np.float32(1.005))


class Float64Queries(Altered):
    def altered_query(self, query, texts):
        return dataclasses.replace(query, vectors=query.vectors.astype(np.float64))


class MinusTwo(Altered):
    def altered_page(self, embedding, page, number):
        cells = embedding.grid.cells
        return dataclasses.replace(embedding, grid=PatchGrid(np.where(cells < 0, np.int32(-2), cells)))


class Tuples(Altered):
    def altered_page(self, embedding, page, number):
        return SimpleNamespace(vectors=embedding.vectors, grid=embedding.grid, kind=embedding.kind)


class DropsTheLastPage(Altered):
    def encode_pages(self, pages):
        yield from super().encode_pages(list(pages)[:-1])


class OutOfOrder(Altered):
    def encode_pages(self, pages):
        yield from list(super().encode_pages(pages))[::-1]


class MovedByItsNeighbours(Altered):
    def altered_page(self, embedding, page, number):
        return moved(embedding, 1e-4 * number)


class Random(Altered):
    def altered_page(self, embedding, page, number):
        return moved(embedding, 1e-5 * next(self.calls))


class RandomQueries(Altered):
    def altered_query(self, query, texts):
        return moved(query, 1e-5 * next(self.calls))


class DropsBlankCells(Altered):
    def altered_page(self, embedding, page, number):
        inked = page.image.convert("L").getextrema()[0] < 128
        kept = len(embedding.vectors) if inked else 0
        return PageEmbedding.from_patches(embedding.vectors[:kept], PatchGrid.full(1, kept))


class NoSlivers(Altered):
    def altered_page(self, embedding, page, number):
        if min(page.shape) < 16:
            raise ValueError(f"a page of {page.shape} is too small")
        return embedding


class AllAlike(Altered):
    def altered_page(self, embedding, page, number):
        return moved(embedding, 1e4)


class ReversesGrey(Altered):
    def altered_page(self, embedding, page, number):
        return moved(embedding, 0.1) if page.image.mode == "L" else embedding


class NarrowRange(Altered):
    @property
    def info(self):
        return dataclasses.replace(self.toy.info, quantisation_range=0.2)


class StripsTheText(Altered):
    def altered_query(self, query, texts):
        return dataclasses.replace(query, text=query.text.upper())


class LosesWords(Altered):
    def altered_query(self, query, texts):
        return dataclasses.replace(query, words=("bleed", *query.words[1:-1], "fan"))


class MarksNoToken(Altered):
    def altered_query(self, query, texts):
        return dataclasses.replace(query, is_query=np.zeros(len(query.tokens), dtype=np.bool_))


class MarksTheLastTokenAlone(Altered):
    def altered_query(self, query, texts):
        is_query = np.arange(len(query.tokens)) >= 1
        return dataclasses.replace(query, is_query=is_query, word=np.where(is_query, query.word, 0))


class NegativeWeights(Altered):
    def altered_query(self, query, texts):
        return dataclasses.replace(query, weights=-query.weights)


class ForeignTokens(Altered):
    def altered_query(self, query, texts):
        return dataclasses.replace(query, tokens=tuple(f"##{token[1:]}" for token in query.tokens))


class Padded(Altered):
    def altered_query(self, query, texts):
        return moved(query, 1e-3 * max(map(len, texts)))


class CountsBlanks(Altered):
    def altered_query(self, query, texts):
        return moved(query, 1e-3 * query.text.count(" "))


class FirstComesFirst(Altered):
    def encode_queries(self, texts):
        return super().encode_queries(texts)[::-1]


class LatinAlone(Altered):
    def altered_query(self, query, texts):
        return dataclasses.replace(query, is_query=query.is_query & query.text.isascii())


class TakesPunctuation(Altered):
    def encode_queries(self, texts):
        return super().encode_queries([text if text.strip() else "blank" for text in texts])


class TakesQuestionMarks(Altered):
    def encode_queries(self, texts):
        return super().encode_queries([text.replace("?!", "what") for text in texts])


class SaysNothing(Altered):
    def encode_queries(self, texts):
        try:
            return super().encode_queries(texts)
        except ValueError:
            raise ValueError("max() arg is an empty sequence") from None


class Transposed(Altered):
    def altered_page(self, embedding, page, number):
        cells = embedding.grid.cells
        return dataclasses.replace(embedding, grid=PatchGrid(cells.reshape(cells.shape[::-1]).T.copy()))


class AnotherAfterAQuery(Altered):
    def altered_query(self, query, texts):
        next(self.calls)
        return query

    @property
    def info(self):
        return dataclasses.replace(self.toy.info, fingerprint=f"the toy encoder after {self.calls!r} queries")


class NoLargePages(Altered):
    def altered_page(self, embedding, page, number):
        if max(page.shape) > 1000:
            raise ValueError(f"a page of {page.shape} is too large")
        return embedding


FAULTS = [
    (ShortFingerprint, "_info_is_sane", "'1' is too short to tell encoders apart"),
    (Nameless, "_info_is_sane", "info.name is empty"),
    (AnotherEachTime, "_info_is_sane", "another one each time it is asked for"),
    (List, "_iterables_in_iterators_out", "gives a list, not an iterator"),
    (InventsAPage, "_iterables_in_iterators_out", "where there is no page"),
    (ReadsAllFirst, "_first_page_comes_out_before_the_input_ends", "over 200 pages before it gives one: yield"),
    (AnotherDim, "_vectors_are_unit_float32_of_the_declared_dim", "a page have 16 components, info.dim is 32"),
    (NotOfUnitLength, "_vectors_are_unit_float32_of_the_declared_dim", "a vector of a page is 5.0e-03 off 1"),
    (Float64Queries, "_vectors_are_unit_float32_of_the_declared_dim", "float64; expected .* float32"),
    (Tuples, "_vectors_are_unit_float32_of_the_declared_dim", "gives what is no PageEmbedding"),
    (MinusTwo, "_cells_without_a_vector_are_minus_one", "holds -2; a cell without a vector is -1"),
    (DropsTheLastPage, "_neither_company_nor_order_changes_a_page", "3 embeddings for 4 pages"),
    (OutOfOrder, "_neither_company_nor_order_changes_a_page", "a page alone is not what it is beside others"),
    (
        MovedByItsNeighbours,
        "_neither_company_nor_order_changes_a_page",
        "another order come out otherwise: a comp",
    ),
    (Random, "_same_input_gives_the_same_bytes", "the same page twice"),
    (RandomQueries, "_same_input_gives_the_same_bytes", "the same query twice"),
    (DropsBlankCells, "_blank_pages_and_pages_of_any_shape_are_taken", "at least one vector, even a blank one"),
    (NoSlivers, "_blank_pages_and_pages_of_any_shape_are_taken", r"\(4000, 3\) is too small"),
    (AllAlike, "_pages_differ", "two unlike pages have the same vectors: cosine 1.0000"),
    (ReversesGrey, "_grey_page_is_the_one_in_colour", r"a grey page \(mode L\) is not what it is in RGB"),
    (NarrowRange, "_codes_hold_the_components", "are beyond info.quantisation_range 0.200"),
    (StripsTheText, "_query_tokens_belong_to_its_words", "'BLEED THE HYDRAULIC PUMP'; expected 'bleed"),
    (LosesWords, "_query_tokens_belong_to_its_words", "'fan'"),
    (MarksNoToken, "_query_tokens_belong_to_its_words", r"belong to the words \[\] of 4"),
    (MarksTheLastTokenAlone, "_query_tokens_belong_to_its_words", r"belong to the words \[1, 2, 3\] of 4"),
    (NegativeWeights, "_query_tokens_belong_to_its_words", "the weights are"),
    (ForeignTokens, "_query_tokens_belong_to_its_words", "token '##leed' is no part of its word 'bleed'"),
    (Padded, "_neither_company_nor_blanks_change_a_query", "query 'pump' alone is not what it is beside others"),
    (CountsBlanks, "_neither_company_nor_blanks_change_a_query", "white space around words changes a query"),
    (FirstComesFirst, "_neither_company_nor_blanks_change_a_query", "alone is not what it is"),
    (LatinAlone, "_queries_of_any_script_and_length_have_words", "query 'Überdruckventil öffnen' has no word"),
    (TakesPunctuation, "_query_without_a_word_is_refused", "'' has no letter or digit, and is not refused"),
    (TakesQuestionMarks, "_query_without_a_word_is_refused", r"'\?!' has no letter or digit"),
    (SaysNothing, "_query_without_a_word_is_refused", "does not name it a query: max"),
    (Transposed, "_doctor_finds_nothing", "`colvision doctor` finds: planted patches: [01] of 4"),
    (AnotherAfterAQuery, "_library_round_trip", "was filled by toy-0"),
    (NoLargePages, "_library_round_trip", "is too large"),
]
BY_NAME = {check.__name__: check for check in CHECKS}


def test_an_encoder_that_keeps_every_promise_passes():
    check_encoder(ToyEncoder(ahead=3))
    check_encoder(Altered())


class OneVectorAPage(Altered):
    """As a bi-encoder: the mean of all patches, which has no place on the page."""

    def altered_page(self, embedding, page, number):
        mean = embedding.vectors.mean(axis=0, keepdims=True)
        kind = np.array([VectorKind.GLOBAL], dtype=np.uint8)
        no_patch = PatchGrid(np.full((1, 1), -1, dtype=np.int32))
        return PageEmbedding(mean / np.linalg.norm(mean), no_patch, kind)


def test_an_encoder_without_patches_passes():
    check_encoder(OneVectorAPage())


@pytest.mark.parametrize(("encoder", "check", "said"), FAULTS, ids=[fault.__name__ for fault, *_ in FAULTS])
def test_a_broken_promise_is_named(encoder, check, said):
    with pytest.raises((AssertionError, ValueError, EncoderMismatch), match=said):
        BY_NAME[check](Trial(encoder(), 1e-5))


def test_every_promise_has_a_fault_that_breaks_it():
    assert {check for _, check, _ in FAULTS} == set(BY_NAME)


def test_all_broken_promises_are_told_at_once_and_each_but_once():
    class Two(NotOfUnitLength, NegativeWeights):
        pass

    with pytest.raises(AssertionError) as caught:
        check_encoder(Two())
    first, *broken = str(caught.value).splitlines()
    assert first == "toy-0 does not keep the contract of an encoder:"
    assert broken[0] == "- the length of a vector of a page is 5.0e-03 off 1"
    assert any("the weights are" in line for line in broken)
    assert len(broken) == len(set(broken))


def test_lower_precision_passes_with_a_tolerance_of_its_own():
    check_encoder(MovedByItsNeighbours(), tolerance=1e-3)


def test_what_is_no_encoder_is_told_what_it_needs():
    with pytest.raises(AssertionError, match="object is no colvision.Encoder: info, encode_pages, encode_queries"):
        check_encoder(object())


def test_the_encoder_of_the_docs_keeps_the_contract():
    section = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8").partition("## Writing an encoder")[2]
    [example] = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    names = {}
    exec(compile(example, "docs/encoders.md", "exec"), names)
    names["test_shades_keeps_the_contract"]()


def test_it_is_light_to_import():
    heavy = "{'torch', 'transformers', 'scipy', 'pytest', 'peft'}"
    code = f"import sys, colvision.testing; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
