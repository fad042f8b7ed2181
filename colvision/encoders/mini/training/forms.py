"""Other forms of a word, by English rules: "settings" in a query is found as "setting", and "bleeding"
as "bleed".
"""

_SHORTEST = 4  # letters of a word that has other forms
_VOWELS = frozenset("aeiouy")


def forms_of(word: str) -> tuple[str, ...]:
    """The other number, and the plain form or the forms on -ing and -ed; none for codes and short words.

    Rules make forms that no dictionary has ("valved"); no query holds them, so they do no harm.
    """
    if len(word) < _SHORTEST or not (word.isalpha() and word.isascii()):
        return ()
    found = {_other_number(word), *_verbs(word)} - {word}
    return tuple(sorted(form for form in found if len(form) >= 3 and _VOWELS & set(form)))


def _other_number(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if word.endswith("s"):
        return word if word.endswith(("ss", "us", "is")) else word[:-1]
    if word.endswith("y") and word[-2] not in _VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("ch", "sh", "x")) else "s")


def _verbs(word: str) -> set[str]:
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            plain = {stem, stem + "e"}
            if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "sle":
                plain.add(stem[:-1])
            return plain
    if word.endswith("e"):
        return {word[:-1] + "ing", word + "d"}
    return set() if word.endswith("s") else {word + "ing", word + "ed"}
