"""Rerankers by name: text cross-encoders and page-image rerankers through transformers, loaded completely or refused.

torch and transformers are imported when one is loaded.
"""

from colvision.encoders.rerankers.loading import load_reranker

__all__ = ["load_reranker"]
