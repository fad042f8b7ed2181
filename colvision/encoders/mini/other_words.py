"""Other words that are looked for besides a query's own: of much the same meaning, and English ones for German."""

from functools import cache
from pathlib import Path

from colvision.encoders.mini.forms import forms_of

# What a page's probability of another word counts beside that of the word itself: chosen on half of the questions of
# `benchmarks/meaning.py`, and where the dev set loses nothing (docs/mini.md).
LIKENESS = 0.6
_FILE = Path(__file__).with_name("other_words.txt")  # made, and its sources named, by training/other_words.py


def other_words(word: str) -> tuple[str, ...]:
    """A few words for a folded one, or for another form of it, the best first; none for words that are not listed."""
    listed = _listed()
    return next((listed[form] for form in (word, *forms_of(word)) if form in listed), ())


@cache
def _listed() -> dict[str, tuple[str, ...]]:
    """Lines `word other ...`; those that begin with # say where they are from."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return {word: tuple(others) for word, *others in (line.split() for line in lines if not line.startswith("#"))}
