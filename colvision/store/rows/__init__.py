"""The SQL that reads and writes what the catalogue holds, a module for each table. Callers hold the transaction."""

from colvision.store.rows import collections, counters, documents, judgements, pages, shards, words

__all__ = ["collections", "counters", "documents", "judgements", "pages", "shards", "words"]
