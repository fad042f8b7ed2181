"""Bi-encoders: models with one vector a page and one a query. torch is imported by what loads them."""
