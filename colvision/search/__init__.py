"""From an encoded query to ranked pages. Opens no model and no file: the snapshot holds the stored codes."""

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
