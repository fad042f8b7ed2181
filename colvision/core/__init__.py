"""The values that pass between the packages: pages, embeddings, queries. No I/O, no models."""
