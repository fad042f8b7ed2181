"""Encoders of a page's text through transformers: a ColBERT checkpoint becomes a `ColbertEncoder`."""
