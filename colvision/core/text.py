"""The one form in which the words of pages, queries and names are compared; what is shown stays as it was written.

Compatibility forms are resolved (NFKC: full width, ligatures, Roman numerals, units), case and accents taken off, soft
hyphens and other invisible characters left out. A simple fraction is one word, "½", however it is written. Scripts that
put no blanks between words are cut into pairs of characters, so that a word is found within its sentence.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

MIN_LETTERS = 16  # and digits of a page with text: a stamp or a page number has fewer
_INVISIBLE = re.compile(
    "\u00ad[^\\S\n]*\r?\n\\s*|[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]"
)
_FRACTIONS = {unicodedata.normalize("NFKC", char).replace("\u2044", "/"): char for char in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}
_FRACTION = re.compile(r"(?<![\w/.,])(\d{1,2}/\d{1,2})(?![\w/])")
_SUPERSCRIPT = "[\u00b2\u00b3\u00b9\u2070\u2074-\u2079]"
# 10³ is not 103, and the mark of a footnote no part of its word; m² and cm³ are written m2 and cm3.
_RAISED = re.compile(rf"(?<=\d)(?={_SUPERSCRIPT})|(?<=[^\W\d_]{{4}})(?={_SUPERSCRIPT})")
_OTHER_FORMS = str.maketrans(
    {"№": "No ", "⌀": "ø", "ı": "i", "\u2044": "/", "\u2215": "/"}
    | {char: f" {spelled} " for spelled, char in _FRACTIONS.items()}
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-")
)
_ACCENT = re.compile("[\u0300-\u036f]+")

# Chinese, Japanese, Korean (which joins particles to its words), Thai, Lao, Burmese, Khmer.
_UNSPACED = (
    "[\u3005-\u3007\u3041-\u309a\u309d-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\u1100-\u11ff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u109f\u1780-\u17d3]"
)
_MARKS = (
    "\u0591-\u05c7\u064b-\u0670\u0900-\u0963\u0970-\u0df3"  # vowel signs and the like, which are no letters to `re`
)
_LETTER = rf"(?:(?!{_UNSPACED})[^\W_]|[{_MARKS}])"
_RUN = re.compile(rf"{_UNSPACED}+|{_LETTER}+")
_UNSPACED_RUN = re.compile(rf"{_UNSPACED}+")
# 10 000; then runs that are joined, such as 12-34567-A, also by the blank of DO 3: a small number alone says nothing.
_QUERY_RUN = re.compile(
    rf"{_UNSPACED}+|\d{{1,3}}(?: \d{{3}})+(?!{_LETTER})"
    rf"|(?:(?<!°)(?<![^\W_])[A-Z]{{1,3}} (?=\d{{1,2}}(?!\d)))?{_LETTER}+(?:[._/:,-]{_LETTER}+)*"
)
_JOINT = re.compile("[ ._/:,-]")
_LONG_WORD = re.compile(r"(?=.*[^\W\d_A-Z])[^\W\d_]{4,}")  # in 3-phase, no code
_LETTERS_AND_DIGITS = re.compile(r"([^\W\d_]+)(\d+)|(\d+)([^\W\d_]+)")


class Term(NamedTuple):
    """A word of a query as it is compared: `text`, folded, and its `parts`.

    Those of a code, ("e", "11") of E-11, E 11 or E11, say nothing unless they stand together; those of a run of a
    script without blanks are its pairs; any other word is its own part.
    """

    text: str
    parts: tuple[str, ...]
    is_code: bool = False

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """What a `page_form` must hold: of each group one member."""
        if self.is_code:
            return ((" ".join(self.parts), "".join(self.parts)),)
        return tuple((part,) for part in self.parts)


def is_text(text: str) -> bool:
    """Whether a page with this text needs no OCR: it has letters and digits for more than a page number or a stamp."""
    return sum(map(str.isalnum, text)) >= MIN_LETTERS


def page_form(text: str) -> str:
    """The words of a text as they are compared, joined by blanks.

    A run of a script without blanks is given as its characters and then its pairs: "油泵" is "油 泵 油泵".
    """
    runs = _RUN.findall(_compatible(text).casefold())
    return " ".join(
        " ".join([*run, *_pairs(run)]) if _UNSPACED_RUN.match(run) and len(run) > 1 else run for run in runs
    )


def query_terms(text: str) -> list[Term]:
    """The words of a query, each once, in order."""
    runs = _QUERY_RUN.findall(_compatible(text))
    return list(dict.fromkeys(term for run in runs for term in _terms(run)))


@lru_cache(maxsize=4096)
def query_groups(text: str) -> tuple[tuple[str, ...], ...]:
    """What the `page_form` of a text must hold to have all words of a query: of each group one member."""
    return tuple(group for term in query_terms(text) for group in term.groups)


def holds(form: str, word: str) -> bool:
    """Whether a text, in `page_form`, holds all terms of a word."""
    groups, form = query_groups(word), f" {form} "
    return bool(groups) and all(any(f" {each} " in form for each in group) for group in groups)


class Forms:
    """Texts in `page_form`, looked through together: of many names in a small part of the time of one by one."""

    def __init__(self, forms: Iterable[str]) -> None:
        padded = [f" {form} " for form in forms]
        self._joined = "\n".join(padded)  # which no word holds
        self._starts = list(accumulate((len(form) + 1 for form in padded), initial=0))

    def holding(self, word: str) -> set[int]:
        """The places of the texts that hold all terms of a word, see `holds`."""
        found = [{place for each in group for place in self._find(f" {each} ")} for group in query_groups(word)]
        return set.intersection(*found) if found else set()

    def _find(self, phrase: str) -> Iterator[int]:
        at = self._joined.find(phrase)
        while at >= 0:
            place = bisect_right(self._starts, at) - 1
            yield place
            at = self._joined.find(phrase, self._starts[place + 1])


def _compatible(text: str) -> str:
    """With its case, of which a code may depend."""
    text = _RAISED.sub(" ", _INVISIBLE.sub("", text)).translate(_OTHER_FORMS)
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
    text = unicodedata.normalize("NFC", _ACCENT.sub("", text))
    return _FRACTION.sub(lambda match: _FRACTIONS.get(match[1], match[1]), text)


def _terms(run: str) -> Iterator[Term]:
    if _UNSPACED_RUN.match(run):
        yield Term(run, tuple(_pairs(run)) or (run,))
        return
    parts = _JOINT.split(run)
    if not any(char.isdecimal() for char in run) or any(map(_LONG_WORD.fullmatch, parts)):
        yield from (Term(part.casefold(), (part.casefold(),)) for part in parts)
        return
    split = _LETTERS_AND_DIGITS.fullmatch(run)
    if split:
        parts = [part for part in split.groups() if part]
    folded = tuple(part.casefold() for part in parts)
    yield Term(run.casefold(), folded, is_code=len(folded) > 1)


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]
