"""From a question to ranked pages: `asking` encodes it and shares passes, the rest compares it with stored codes."""

from colvision.search.filters import Filter
from colvision.search.hits import Answer, Hit
from colvision.search.options import Mode, Request, SearchOptions
from colvision.search.planner import search_many, search_pages
from colvision.search.where import parse_filter

__all__ = [
    "Answer",
    "Filter",
    "Hit",
    "Mode",
    "Request",
    "SearchOptions",
    "parse_filter",
    "search_many",
    "search_pages",
]
