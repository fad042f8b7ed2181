"""From a query to ranked pages: `searcher` encodes it, `batching` shares passes, the rest compares."""

from colvision.search.execute import search_many, search_pages
from colvision.search.filter_parser import parse_filter
from colvision.search.filters import Filter
from colvision.search.options import Mode, QueryRequest, SearchOptions
from colvision.search.results import Answer, Hit

__all__ = [
    "Answer",
    "Filter",
    "Hit",
    "Mode",
    "QueryRequest",
    "SearchOptions",
    "parse_filter",
    "search_many",
    "search_pages",
]
