"""The check of the page's scripts, `python -m tests.frontend`, and what it takes: see `__main__`."""
