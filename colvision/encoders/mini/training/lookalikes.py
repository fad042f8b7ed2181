"""Words that look like other words: what a reader must tell apart."""

import string
from collections.abc import Sequence

import numpy as np

_ALIKE = ("il1jtf", "oceaq0", "nmhurv", "bdpqg6", "s5z2", "8b3e", "vwyx", "a4", "7t1", "uvy", "gq9", "kx")


def lookalikes(words: Sequence[str], most: int, rng: np.random.Generator) -> list[str]:
    """Up to `most` misspellings of the given words, none of which is among them."""
    known = set(words)
    picked = rng.choice(len(words), size=min(most, len(words)), replace=False)
    made = {_misspelt(words[i], rng) for i in picked.tolist() if len(words[i]) > 1}
    return sorted(made - known)


def _misspelt(word: str, rng: np.random.Generator) -> str:
    """One or two letters replaced (mostly by one that looks alike), dropped, doubled in or swapped."""
    letters = list(word)
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(len(letters)))
        draw = rng.random()
        if draw < 0.6:
            letters[place] = _near(letters[place], rng)
        elif draw < 0.75 and len(letters) > 2:
            del letters[place]
        elif draw < 0.9:
            letters.insert(place, _any(rng))
        elif place:
            letters[place - 1], letters[place] = letters[place], letters[place - 1]
    return "".join(letters)


def _near(letter: str, rng: np.random.Generator) -> str:
    groups = [group for group in _ALIKE if letter in group]
    if groups and rng.random() < 0.6:
        group = groups[int(rng.integers(len(groups)))].replace(letter, "")
        return group[int(rng.integers(len(group)))]
    return string.digits[int(rng.integers(10))] if letter.isdigit() else _any(rng)


def _any(rng: np.random.Generator) -> str:
    return string.ascii_lowercase[int(rng.integers(26))]
