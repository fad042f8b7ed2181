"""A process of its own for every file: `reader` uses one, `client` starts and ends it, `worker` runs in it.

They speak `protocol`.
"""
