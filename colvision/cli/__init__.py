"""The `colvision` command: thin. Results go to stdout, everything else to stderr; 0 done, 1 failed, 2 wrong usage."""

from colvision.cli.main import main

__all__ = ["main"]
