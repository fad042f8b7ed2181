"""The SQL that reads and writes what the catalogue holds, a module for each table. Callers hold the transaction."""

from colvision.store.rows import centroids, collections, counters, documents, judgements, pages, shards, words

__all__ = ["centroids", "collections", "counters", "documents", "judgements", "pages", "shards", "words"]
