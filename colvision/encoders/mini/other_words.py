"""Other words that are looked for besides a query's own: English ones for German."""

from functools import cache
from pathlib import Path

# What a page's probability of another word counts beside that of the word itself: chosen on half of the questions of
# `benchmarks/meaning.py`, where 0.8 is within .01 of it and 1 is worse by .05 (docs/mini.md).
LIKENESS = 0.6
_FILE = Path(__file__).with_name("other_words.txt")  # made, and its sources named, by training/other_words.py


def other_words(word: str) -> tuple[str, ...]:
    """A few words for a folded one, the best first; none for words that are not listed."""
    return _listed().get(word, ())


@cache
def _listed() -> dict[str, tuple[str, ...]]:
    """Lines `word other ...`; those that begin with # say where they are from."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return {word: tuple(others) for word, *others in (line.split() for line in lines if not line.startswith("#"))}
