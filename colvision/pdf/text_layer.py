"""Whether the text layer of a page can be the text that is printed on it."""

import re
import unicodedata

# Of the characters in words with one that no text holds; 0.15 on the worst page of 38 real manuals.
_MAX_BROKEN_SHARE = 1 / 3
# Control characters, private use, halves of surrogate pairs, and the mark of what could not be decoded.
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x9f\ud800-\uf8ff\ufffd-\uffff\U000f0000-\U0010ffff]")
# Of frequent letter pairs: 0.25 on the worst of those pages, 0.08 in the middle of random alphabets.
_MIN_FREQUENT_SHARE = 0.15
_MIN_PAIRS = 100  # of letters: fewer say nothing
_LETTERS = re.compile(r"[a-z]{3,}")
_ACCENT = re.compile("[\u0300-\u036f]")

# The pairs of letters that are frequent in English, German, French, Spanish, Italian, Dutch and Portuguese alike.
_PAIRS = (
    "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic "
    "ne ea ra ce li ch ll be ma si om ur"
)
_FREQUENT_PAIRS = frozenset(_PAIRS.split())


def is_legible(text: str) -> bool:
    """False for a text that was not made for reading: glyph numbers, letters of another alphabet, mojibake.

    Such layers come from fonts that do not say which letters they draw. Numbers, codes and scripts other than Latin
    are not judged by their letters.
    """
    return _broken_share(text) <= _MAX_BROKEN_SHARE and not _has_strange_letters(text)


def _broken_share(text: str) -> float:
    """Of the characters, how many stand in words with one that no text holds."""
    words = text.split()
    total = sum(map(len, words))
    return sum(len(word) for word in words if _NO_TEXT.search(word)) / total if total else 0.0


def _has_strange_letters(text: str) -> bool:
    plain = _ACCENT.sub("", unicodedata.normalize("NFD", text.lower()))
    pairs = [word[i : i + 2] for word in _LETTERS.findall(plain) for i in range(len(word) - 1)]
    return len(pairs) >= _MIN_PAIRS and sum(pair in _FREQUENT_PAIRS for pair in pairs) < _MIN_FREQUENT_SHARE * len(
        pairs
    )
