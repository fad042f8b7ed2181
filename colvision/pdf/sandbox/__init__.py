"""A process of its own for every file: `reader` has one, `client` starts and ends it, `worker` is it, in `protocol` they speak."""
