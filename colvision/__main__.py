"""`python -m colvision`: the command, where its script is not on the path."""

from colvision.cli import main

main()
