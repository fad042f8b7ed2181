"""Several libraries, each a partition, answer together what one library that holds all of it does, bit for bit."""

import random
from contextlib import ExitStack
from dataclasses import replace

import pytest

from colvision.errors import CollectionNotFound, DocumentNotFound, SnapshotOutdated
from colvision.maxsim import inverted_lists
from colvision.search import SearchOptions, parse_filter
from colvision.search.example_query import page_query
from colvision.search.partial import merge_answers, merge_statistics
from colvision.search.searcher import JUDGED, Searcher
from colvision.store import Store
from colvision.testing import ToyEncoder
from tests.helpers.answers import QUESTIONS, WORDS, answered, sharp_toy
from tests.helpers.stores import begin, encoded, write

DOCUMENTS = 60


class Partitioned:
    """The same documents in one library and in three; the last of those has one page alone."""

    def __init__(self, folder, encoder, stack):
        self.encoder = encoder
        self.stores = [stack.enter_context(Store(folder / name)) for name in ("whole", *"abc")]
        self.searchers = [
            Searcher(store, lambda: encoder, memory=1 << 26, others=lambda _: encoder) for store in self.stores
        ]
        drawn = random.Random(5)
        for number in range(DOCUMENTS):
            pages = [drawn.choices(WORDS, k=drawn.randint(1, 8)) for _ in range(drawn.randint(1, 4))]
            self.add(folder, f"d{number:02}.pdf", pages, 1 + number % 2, year=number)
        self.add(folder, "alone.pdf", [["pump", "AB-12"]], 3)

    def add(self, folder, name, pages, part, **metadata):
        path = write(folder, name, f"{name} {pages}")
        for store in (self.stores[0], self.stores[part]):
            pending = begin(store, path, pages=len(pages), encoder=self.encoder)
            made = [encoded(number, *words, encoder=self.encoder) for number, words in enumerate(pages, start=1)]
            store.writer.commit(pending, made, self.encoder.info)
            assert store.writer.finish(pending) == ""
            if metadata:
                store.writer.set_metadata(store.find(pending.document_id), metadata)

    def whole(self, query, options):
        if isinstance(query, str):
            return self.searchers[0].search(query, "default", options)
        return self.searchers[0].search_vectors(query, "default", options)

    def together(self, query, options):
        embedding = self.encoder.encode_queries([query])[0] if isinstance(query, str) else query
        parts = [
            (each, each.begin_part(embedding, "default", options, info=self.encoder.info))
            for each in self.searchers[1:]
        ]
        statistics = merge_statistics([part.statistics for _, part in parts])
        found = [searcher.finish_part("default", part, statistics) for searcher, part in parts]
        answer = merge_answers(found, max(options.k, JUDGED))
        return replace(answer, hits=answer.hits[: options.k], judged=answer.hits)


@pytest.fixture(scope="module", params=[ToyEncoder, sharp_toy], ids=["similarities", "probabilities"])
def libraries(request, tmp_path_factory):
    with ExitStack() as stack:
        yield Partitioned(tmp_path_factory.mktemp("parts"), request.param(), stack)


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(),
        SearchOptions(k=3, text_fusion=True),
        SearchOptions(k=150, text_fusion=False),
        SearchOptions(k=5, soft_idf=False, text_fusion=True),
        SearchOptions(text_fusion=True, where=parse_filter("year>20 and page<3")),
        SearchOptions(where=parse_filter("document=d07.pdf or year=3")),
    ],
    ids=["default", "text", "many", "plain weights", "filter", "documents"],
)
def test_the_parts_answer_as_the_whole(libraries, options):
    for query in QUESTIONS:
        whole = libraries.whole(query, options)
        together = libraries.together(query, options)
        assert answered(together) == answered(whole), query


def test_so_they_do_for_a_page_as_the_query(libraries):
    snapshot = libraries.stores[0].snapshot("default")
    row = next(iter(snapshot.documents.values()))
    page = libraries.stores[0].stored_page(row, 1)
    query = page_query(page.codes / 127, page.kind, page.grid, text="a page")
    options = SearchOptions(k=4, soft_idf=False)
    assert answered(libraries.together(query, options)) == answered(libraries.whole(query, options))


def test_what_no_part_knows_is_an_error_and_what_one_knows_is_none(libraries):
    with pytest.raises(DocumentNotFound, match="nowhere.pdf"):
        libraries.together("pump", SearchOptions(where=parse_filter("document=nowhere.pdf")))
    with pytest.raises(ValueError, match="no document has metadata 'colour'"):
        libraries.together("pump", SearchOptions(where=parse_filter("colour=red")))
    found = libraries.together("pump", SearchOptions(where=parse_filter("document=alone.pdf")))
    assert [hit.document for hit in found] == ["alone.pdf"] and found.pages == 1


def test_a_part_that_has_changed_meanwhile_is_asked_again(libraries, tmp_path):
    searcher, options = libraries.searchers[2], SearchOptions(text_fusion=True)
    query = libraries.encoder.encode_queries(["pump"])[0]
    part = searcher.begin_part(query, "default", options, info=libraries.encoder.info)
    row = libraries.stores[2].find("d01.pdf")
    libraries.stores[2].writer.rename(row, "renamed.pdf")
    try:
        if libraries.stores[2].collection("default").generation != part.generation:
            with pytest.raises(SnapshotOutdated, match="search again"):
                searcher.finish_part("default", part, part.statistics)
    finally:
        libraries.stores[2].writer.rename(libraries.stores[2].find("renamed.pdf"), "d01.pdf")
    with pytest.raises(CollectionNotFound):
        searcher.begin_part(query, "nothing", options, info=libraries.encoder.info)


def test_parts_that_have_inverted_lists_answer_as_a_whole_that_is_scanned(tmp_path, monkeypatch):
    with ExitStack() as stack:
        libraries = Partitioned(tmp_path, sharp_toy(), stack)
        monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 20)
        for store in libraries.stores[1:3]:
            store.compact()
            assert all(part.centroids is not None for part in store.snapshot("default").shards)
        for options in (SearchOptions(mode="exact"), SearchOptions(k=5, text_fusion=True, mode="exact")):
            for query in QUESTIONS:
                assert answered(libraries.together(query, options)) == answered(libraries.whole(query, options)), query
        assert libraries.together("pump", SearchOptions()).mode == "lists"
