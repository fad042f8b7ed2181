"""From a query to ranked pages: `searcher` encodes it, `batching` shares passes, `rerank` is the last stage."""

from colvision.search.execute import search_many, search_pages
from colvision.search.filter_parser import parse_filter
from colvision.search.filters import Filter
from colvision.search.options import Mode, QueryRequest, SearchOptions
from colvision.search.results import Answer, Hit, Reranking

__all__ = [
    "Answer",
    "Filter",
    "Hit",
    "Mode",
    "QueryRequest",
    "Reranking",
    "SearchOptions",
    "parse_filter",
    "search_many",
    "search_pages",
]
