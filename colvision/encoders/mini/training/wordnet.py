"""The synonyms of English words, from the files of WordNet (Fellbaum 1998; formats: wndb(5WN), cntlist(5WN))."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}  # files, and the part of speech of each
_PART_OF_KEY = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}  # of sense keys; 5 is a satellite of an adjective
_WORD = re.compile("[a-z]{3,}")
_ANTONYM = "!"
# A sense that one of these shares is left out, which nobody means of a manual: "screw", "bottom", "dung" stay clean.
_VULGAR = re.compile(
    "arse|bastard|bitch|boob|coke|coon|copulate|crap|cunt|damn|fart|fuck|goddam|homo|hooker|lousy|meth|nigger|piss|"
    "prick|shit|slut|tit|whore"
)


class _Synset(NamedTuple):
    words: tuple[str, ...]
    antonyms: tuple[str, ...]  # synsets that hold one


def read_licence(folder: Path) -> str:
    """The notice that every copy must carry: it stands, numbered, at the top of each file."""
    lines = (folder / "data.noun").read_text(encoding="latin-1").splitlines()
    return "\n".join(line[2:].lstrip("0123456789").strip() for line in lines if line.startswith("  "))


def read_synonyms(folder: Path) -> dict[str, dict[str, float]]:
    """Words in letters a-z, at least three, each with its synonyms: of these, what share of its uses they stand for.

    A sense is used as often as it was found in the tagged texts, and 1 / its rank. Antonyms are left out, and vulgar
    senses.
    """
    synsets = {
        part + offset: _synset(fields)
        for file, part in _PARTS.items()
        for offset, fields in _records(folder / f"data.{file}")
    }
    tagged = _tag_counts(folder / "cntlist.rev")
    senses: dict[str, dict[str, float]] = defaultdict(dict)
    for file, part in _PARTS.items():
        for word, fields in _records(folder / f"index.{file}"):
            offsets = fields[-int(fields[1]) :]
            for rank, offset in enumerate(offsets, start=1):
                if any(map(_VULGAR.fullmatch, synsets[part + offset].words)):
                    continue
                senses[word][part + offset] = tagged.get((word, part, rank), 0) + 1 / rank
    return {word: _synonyms(word, each, synsets) for word, each in senses.items() if _WORD.fullmatch(word)}


def _records(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The first field and the others of each line, without the notice and the glosses."""
    for line in path.read_text(encoding="latin-1").splitlines():
        if not line.startswith("  "):
            first, *fields = line.partition(" | ")[0].split()
            yield first, fields


def _synset(fields: Sequence[str]) -> _Synset:
    count = int(fields[2], 16)
    words = tuple(fields[3 + 2 * i].partition("(")[0].lower() for i in range(count))
    links = fields[4 + 2 * count :]
    starts = range(0, 4 * int(fields[3 + 2 * count]), 4)
    return _Synset(words, tuple(links[i + 2].replace("s", "a") + links[i + 1] for i in starts if links[i] == _ANTONYM))


def _tag_counts(path: Path) -> dict[tuple[str, str, int], int]:
    """How often the texts of WordNet's makers have a word in a sense, by its part of speech and rank from 1."""
    counts = {}
    for key, (rank, count) in _records(path):
        word, _, place = key.partition("%")
        counts[word, _PART_OF_KEY[place[0]], int(rank)] = int(count)
    return counts


def _synonyms(word: str, senses: Mapping[str, float], synsets: Mapping[str, _Synset]) -> dict[str, float]:
    shares: dict[str, float] = defaultdict(float)
    total = sum(senses.values())
    for sense, uses in senses.items():
        for other in synsets[sense].words:
            shares[other] += uses / total
    opposites = {other for sense in senses for each in synsets[sense].antonyms for other in synsets[each].words}
    return {
        other: share for other, share in shares.items() if other not in opposites | {word} and _WORD.fullmatch(other)
    }
