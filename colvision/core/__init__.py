"""The values that pass between the parts of the house: pages, embeddings, queries. No I/O, no models."""
