"""Words and their features, the same for queries and for training targets."""

import re
import unicodedata
import zlib
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from colvision.core.text import Term, query_terms

BUCKETS = 49_152  # rows of the query table; 12.6 MB as float16
_FEW_LETTERS = 6  # a symbol or two on a page of numbers are no script
_LONGEST = 40  # letters of a word that are looked at
_SHORT_CODE = 4  # letters and digits of a code that is seen as a whole with its hyphen or without it
RUN = re.compile(r"[^\W_]+")  # letters and digits without a gap
_QUOTED = re.compile(r'(?<!\S)["“”„«»][^"“”„«»]*["“”„«»](?!\w)')  # not 5" and 6", which are inches
_COMPOUND = re.compile(r"[^\W_]+(?:[._\-/][^\W_]+)+")
# Words that stand on every page say nothing about which one (English, German, French, Spanish).
FUNCTION_WORDS = frozenset(Path(__file__).with_name("function_words.txt").read_text(encoding="utf-8").split())


def foreign_script(text: str) -> str:
    """The script that most letters of a text are of (`Cyrillic`, `CJK`); "" where most are Latin, or there are few."""
    letters = filter(str.isalpha, unicodedata.normalize("NFKC", text))
    scripts = Counter(unicodedata.name(each, "UNKNOWN").split()[0] for each in letters)
    if sum(scripts.values()) < _FEW_LETTERS or 2 * scripts["LATIN"] >= sum(scripts.values()):
        return ""
    scripts.pop("LATIN", None)
    name = scripts.most_common(1)[0][0]
    return name if name == "CJK" else name.capitalize()


def fold(text: str) -> str:
    """Lower case, compatibility forms resolved (NFKC), accents taken off: the print differs, the word does not."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def words_of(text: str) -> list[str]:
    """The runs of letters and digits, folded, in order."""
    return RUN.findall(fold(text))


def compounds_of(text: str) -> list[str]:
    """Runs joined by . _ - or / without a space, such as part numbers and file names, folded, in order."""
    return _COMPOUND.findall(fold(text))


@lru_cache(maxsize=200_000)
def features(word: str) -> tuple[int, ...]:
    """Rows of the query table: hashed character n-grams (2-4, with the ends marked), both ends, whole word, length.

    The hash is CRC-32, which is the same on every machine and version.
    """
    word = word[:_LONGEST]
    marked = f"<{word}>"
    names = {marked[i : i + n] for n in (2, 3, 4) for i in range(len(marked) - n + 1)}
    names |= {f"begin {word[:n]}" for n in (1, 3, 5)} | {f"end {word[-n:]}" for n in (1, 3, 5)}
    names |= {f"word {word}", f"length {len(word)}"}
    return tuple(sorted(zlib.crc32(name.encode()) % BUCKETS for name in names))


class QueryWord(NamedTuple):
    """A word that is looked for, and the words that are seen where it is printed, for each way of printing it.

    `is_exact`: no other word may stand for it, as it is a code or was put in quotes.
    """

    text: str
    spellings: tuple[tuple[str, ...], ...]
    is_exact: bool = False

    @property
    def is_unread(self) -> bool:
        """Whether none of its letters is one that pages are read for."""
        return not any(
            char.isdecimal() or unicodedata.name(char, "").startswith("LATIN") for char in "".join(self.spellings[0])
        )


def query_words(text: str) -> list[QueryWord]:
    """The words of a query that are looked for, each once.

    Function words are, where they are part of a code (DO 3), or where there are none but them and numbers.
    """
    terms = query_terms(text)
    kept = [term for term in terms if term.is_code or term.text not in FUNCTION_WORDS]
    if all(term.text.isdecimal() for term in kept):
        kept = terms
    spans = _QUOTED.findall(unicodedata.normalize("NFKC", text))
    quoted = frozenset(term.text for span in spans for term in query_terms(span))
    return [
        QueryWord(term.text, _spellings(term), not term.text.isalpha() or term.text in quoted)
        for term in kept
        if words_of(term.text)
    ]


def _spellings(term: Term) -> tuple[tuple[str, ...], ...]:
    """E-11 is seen as "e" and "11", as "e-11" or as "e11"; E11 as one run. ½ is two numbers.

    A longer code that is printed in one run has to look like it with and without its hyphens: either alone is much like
    other codes that begin alike, as the codes of a parts list do.
    """
    runs = tuple(words_of(term.text))
    if not term.is_code:
        return (runs,)
    joined, hyphened = "".join(term.parts), "-".join(term.parts)
    whole = [(joined,), (hyphened,)] if len(joined) <= _SHORT_CODE else [(joined, hyphened)]
    return tuple(dict.fromkeys([runs, *whole]))
