"""Why a page matched: what each query token found there, and the page with it drawn in."""

from colvision.explain.attribution import Explanation, Region, TokenMatch, explain_page, score_page

__all__ = ["Explanation", "Region", "TokenMatch", "explain_page", "score_page"]
