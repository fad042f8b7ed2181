"""Renderers inside the worker process: each has an `open_document(request)`."""
