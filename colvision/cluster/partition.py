"""The library of one partition, with what only a cluster asks of it."""

from colvision.core.query import ScoredQuery
from colvision.explain import Explanation
from colvision.library import Library
from colvision.pdf.searchable import SearchablePage
from colvision.search.searcher import Searcher
from colvision.searches import ExampleQuery
from colvision.store import Store
from colvision.store.fulltext import TextStatistics


class Partition(Library):
    @property
    def store(self) -> Store:
        return self._store

    @property
    def searcher(self) -> Searcher:
        return self._session.searcher

    def example(self, document_id: str, page: int) -> ExampleQuery:
        return self._example(document_id, page)

    def searchable_page(self, document_id: str, page: int) -> SearchablePage:
        return self._searchable_page(self._find(document_id), page)

    def page_numbers(self, document_id: str) -> list[int]:
        return self._store.page_numbers(self._find(document_id))

    def explain_part(
        self, query: ScoredQuery, document_id: str, page: int, *, image: bool, statistics: TextStatistics | None
    ) -> Explanation:
        return self._explain(query, self._find(document_id), page, image=image, statistics=statistics)
