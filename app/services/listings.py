"""Which pages are contents or index pages, by their text: pages that name what other pages are about."""

import re

_ENTRIES = 6  # lines with a page number, at least
_SHARE = 0.5  # of the lines
_HEAD = 6  # first lines, among which a heading stands
_HEADINGS = re.compile(
    r"\W*(table of )?(contents|index)\b|\W*(inhalt(sverzeichnis)?|stichwortverzeichnis|sachverzeichnis|sommaire|"
    r"table des matières|índice|indice|sommario|inhoud(sopgave)?|innehåll)\b",
    re.IGNORECASE,
)
_LED = re.compile(r"((\.\s?){4,}|…+\s*)\d{1,4}\s*$")  # 2.1 Bleeding the pump ........ 12
_LEADERS = ("....", ". . . .", "…")
_NUMBERED = re.compile(r"[^\W\d].*\s[\d-]{1,7}\s*$")  # Bleeding the pump 12; pump, 3, 7, 12
_LETTERS, _ENDING = 20_000, 80  # of a text, and of each line's end, that are looked at: more would take long


def is_listing(text: str) -> bool:
    """Whether the text of a page is that of a table of contents or of an index.

    It is where leaders run to page numbers in most lines, or where most lines end in page numbers below a heading that
    says so. A page without a text layer is not known to be one.
    """
    lines = [line for line in text[:_LETTERS].splitlines() if line.strip()]
    ends = [line[-_ENDING:] for line in lines]
    led = sum(1 for end in ends if any(each in end for each in _LEADERS) and _LED.search(end))
    if led >= _ENTRIES and led >= _SHARE * len(lines):
        return True
    if not any(_HEADINGS.match(line) for line in lines[:_HEAD]):
        return False
    numbered = sum(1 for end in ends if _NUMBERED.search(end))
    return numbered >= _ENTRIES and numbered >= _SHARE * len(lines)
