"""Bi-encoders: models with one vector a page and one a query. torch and transformers are imported by what loads them."""
