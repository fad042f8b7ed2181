"""From an encoded query to ranked pages. Opens no model and no file: the snapshot holds the stored codes."""

from colvision.search.hits import Answer, Hit
from colvision.search.options import SearchOptions, Terms
from colvision.search.planner import search_pages

__all__ = ["Answer", "Hit", "SearchOptions", "Terms", "search_pages"]
