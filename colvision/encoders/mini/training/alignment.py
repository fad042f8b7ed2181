"""Which words of two languages stand for each other, from a text and its translation.

Sentences are aligned by dynamic programming (Gale and Church 1993), by their lengths and by the words that both sides
share: names, numbers, commands. Words are by IBM model 1 (Brown et al. 1993), both ways.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from colvision.encoders.mini.words import words_of

Sentence = list[str]  # words as `words_of` gives them
Pair = tuple[Sentence, Sentence]

_END = re.compile(r'(?<=[.!?:])\s+(?=[A-ZÄÖÜ0-9„"])')
_MOVES = {(1, 1): 0.0, (1, 2): -0.5, (2, 1): -0.5, (1, 0): -0.8, (0, 1): -0.8}  # sentences of each side: a bonus
_SHARED, _LENGTH, _PAIR = 2.0, 1.5, 0.3  # what a shared word of one place, a length e times off, any pair is worth
_LEAST_BAND, _BAND = 60, 0.06  # sentences to each side of the diagonal that are looked at, and of all
_MOST_WORDS = 60  # of a sentence that words are learned from: longer ones are lists and code
_ROUNDS = 8  # of expectation and maximisation
_LEAST_PROBABILITY = 0.02


class Translation(NamedTuple):
    """`score` is the geometric mean of P(word | other) and P(other | word); `pairs` is how many have both."""

    word: str
    score: float
    pairs: int


def sentences_of(text: str) -> list[Sentence]:
    """The words of each sentence that has any."""
    return [words for words in map(words_of, _END.split(text)) if words]


def align_sentences(ours: Sequence[Sentence], theirs: Sequence[Sentence]) -> list[Pair]:
    """The pairs that say the same, in order; sentences that only one side has are left out."""
    ours_sets, theirs_sets = ([{word for word in each if len(word) > 2} for each in side] for side in (ours, theirs))
    counts, others = (Counter(chain.from_iterable(sets)) for sets in (ours_sets, theirs_sets))
    worth = {word: 1 / (1 + math.log(max(counts[word], others[word]))) for word in counts.keys() & others.keys()}

    def gain(rows: slice, cols: slice) -> float:
        shared = set().union(*ours_sets[rows]) & set().union(*theirs_sets[cols])
        one, other = sum(map(len, ours[rows])), sum(map(len, theirs[cols]))
        apart = abs(math.log((one + 1) / (other + 1)))
        return _SHARED * sum(worth[word] for word in shared) - _LENGTH * apart + _PAIR

    n, m = len(ours), len(theirs)
    band = max(_LEAST_BAND, int(_BAND * max(n, m)))
    best: dict[tuple[int, int], tuple[float, tuple[int, int]]] = {(0, 0): (0.0, (0, 0))}
    for i in range(n + 1):
        middle = i * m // max(n, 1)
        for j in range(max(0, middle - band), min(m, middle + band) + 1):
            ways = [
                (
                    best[i - di, j - dj][0] + bonus + (gain(slice(i - di, i), slice(j - dj, j)) if di and dj else 0.0),
                    (di, dj),
                )
                for (di, dj), bonus in _MOVES.items()
                if (i - di, j - dj) in best
            ]
            if ways:
                best[i, j] = max(ways)
    pairs, i, j = [], n, m
    while i or j:
        di, dj = best[i, j][1]
        if di and dj:
            pairs.append((sum(ours[i - di : i], []), sum(theirs[j - dj : j], [])))
        i, j = i - di, j - dj
    return pairs[::-1]


def translate_words(pairs: Sequence[Pair]) -> dict[str, list[Translation]]:
    """The words of the first sides with those of the second that stand for them, the surest first."""
    pairs = [_differing(*pair) for pair in pairs]
    pairs = [(ours, theirs) for ours, theirs in pairs if 0 < len(ours) < _MOST_WORDS and 0 < len(theirs) < _MOST_WORDS]
    there = _model1(pairs)
    back = _model1([(theirs, ours) for ours, theirs in pairs])
    counts = Counter((word, other) for ours, theirs in pairs for word in ours for other in theirs)
    found: dict[str, list[Translation]] = {}
    for (word, other), probability in there.items():
        score = math.sqrt(probability * back.get((other, word), 0.0))
        if score:
            found.setdefault(word, []).append(Translation(other, score, counts[word, other]))
    return {word: sorted(each, key=lambda one: (-one.score, one.word)) for word, each in found.items()}


def _differing(ours: Sentence, theirs: Sentence) -> Pair:
    """The words in letters that only one side has, each once: a name or a command translates itself."""
    return [w for w in dict.fromkeys(ours) if _is_word(w) and w not in theirs], [
        w for w in dict.fromkeys(theirs) if _is_word(w) and w not in ours
    ]


def _is_word(word: str) -> bool:
    return word.isalpha() and len(word) > 2


def _model1(pairs: Sequence[Pair]) -> dict[tuple[str, str], float]:
    """(word, other) -> P(other | word), those that are likely."""
    words = {word: i for i, word in enumerate(dict.fromkeys(word for ours, _ in pairs for word in ours), start=1)}
    others = {other: i for i, other in enumerate(dict.fromkeys(other for _, theirs in pairs for other in theirs))}
    links = [  # 0 is the empty word, which stands for what has no counterpart
        (word, others[other], place)
        for place, (ours, other) in enumerate((ours, other) for ours, theirs in pairs for other in theirs)
        for word in (0, *(words[each] for each in ours))
    ]
    source, target, place = np.array(links).T
    pair, link = np.unique(source * len(others) + target, return_inverse=True)
    given = pair // len(others)
    probability = np.full(len(pair), 1 / len(others))
    for _ in range(_ROUNDS):
        share = probability[link]
        share /= np.bincount(place, share)[place]
        count = np.bincount(link, share)
        probability = count / np.bincount(given, count)[given]
    names, other_names = ["", *words], list(others)
    return {
        (names[word], other_names[number % len(others)]): float(chance)
        for word, number, chance in zip(given, pair, probability, strict=True)
        if word and chance > _LEAST_PROBABILITY
    }
