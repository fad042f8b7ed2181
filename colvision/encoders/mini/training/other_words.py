"""Makes the list of other words that a query looks for besides its own.

python -m colvision.encoders.mini.training.other_words OUT --pdfs FOLDER [--without QUESTIONS.jsonl]

German words with the English ones that stand for them in manuals of which the PDFs have both languages. `--without`
leaves out the documents of a benchmark.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pypdfium2 as pdfium

from colvision.atomic_io import atomic_write
from colvision.encoders.mini.training.alignment import align_sentences, sentences_of, translate_words
from colvision.encoders.mini.training.forms import forms_of
from colvision.encoders.mini.words import FUNCTION_WORDS, words_of

# German and English ends of the names of documents that say the same.
_TRANSLATED = {
    "install.de": "install.en",
    "debian-reference.de": "debian-reference.en",
    "debmake-doc.de": "debmake-doc.en",
    "etoolbox-DE": "__etoolbox",
    "etdipa_doc_DE": "etdipa_doc_EN",
    "microtype-DE": "__microtype",
    "struktex.de": "struktex.en",
    "chemexec_de": "chemexec_en",
    "chemarrow-de": "__chemarrow",
}
_ENGLISH = frozenset(("the", "of", "is", "to", "and"))
_ENGLISH_SHARE = 0.08  # of the words of a page that is in English
_LEAST_WORDS = 30  # of a page that is counted
_PRINTED = 5  # pages that print a word that is worth looking for
_LEAST_SCORE, _LEAST_PAIRS = 0.3, 2  # of a translation, and sentences that have it
_MOST = 3  # words for one
# Found to be wrong when the list was read: words that often stand beside the one that is meant.
_WRONG = frozenset(
    ("anfuhrungszeichen", "angegebenen", "aptitudes", "aufrufe", "diplomandenvorstellung", "erwahnenswert", "gesendet")
    + ("liefert", "meisten", "natur", "nein", "options", "schief", "wahrausgabe", "ziehen")
)
_BROKEN = re.compile(r"[\x02\ufffe-]\s*\r?\n\s*(?=[^\W\d_A-Z])")  # a word at a line's end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pdfs", type=Path, required=True, help="a folder of PDFs with a text layer")
    parser.add_argument("--without", type=Path, help="questions whose documents are left out")
    options = parser.parse_args()
    left_out = _documents(options.without) if options.without else frozenset()
    texts = {path.stem: _pages(path) for path in sorted(options.pdfs.rglob("*.pdf")) if path.stem not in left_out}
    printed = _count_pages(texts)
    listed = {
        word: tuple(other for other in english if printed[other] >= _PRINTED and other not in forms_of(word))
        for word, english in _translations(texts).items()
        if word not in _WRONG
    }
    lines = [f"# {line}".rstrip() for line in __doc__.splitlines()]
    lines += [" ".join((word, *others)) for word, others in sorted(listed.items()) if others]
    atomic_write(options.out, [("\n".join(lines) + "\n").encode()])
    print(f"{len(lines)} lines in {options.out}")


def _documents(questions: Path) -> frozenset[str]:
    lines = questions.read_text(encoding="utf-8").splitlines()
    return frozenset(gold["doc"] for line in lines for gold in json.loads(line)["gold"])


def _pages(path: Path) -> list[str]:
    """The text of each page, words that lines break put together; none of a file that cannot be read."""
    try:
        pdf = pdfium.PdfDocument(path)
        return [_BROKEN.sub("", page.get_textpage().get_text_bounded()) for page in pdf]
    except pdfium.PdfiumError:
        return []


def _count_pages(texts: Mapping[str, Sequence[str]]) -> Counter[str]:
    """How many English pages print each word; the same page in several documents counts once."""
    pages = {tuple(words_of(text)) for pages in texts.values() for text in pages}
    english = (page for page in pages if len(page) >= _LEAST_WORDS and _english_share(page) >= _ENGLISH_SHARE)
    return Counter(word for page in english for word in set(page))


def _english_share(words: Sequence[str]) -> float:
    return sum(word in _ENGLISH for word in words) / len(words)


def _translations(texts: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    pairs = [
        pair
        for german, english in _TRANSLATED.items()
        for pair in align_sentences(_sentences(texts, german), _sentences(texts, english))
    ]
    return {
        word: tuple(
            each.word
            for each in found
            if each.score >= _LEAST_SCORE and each.pairs >= _LEAST_PAIRS and each.word not in FUNCTION_WORDS
        )[:_MOST]
        for word, found in translate_words(pairs).items()
        if word not in FUNCTION_WORDS
    }


def _sentences(texts: Mapping[str, Sequence[str]], ending: str) -> list[list[str]]:
    """Of the document whose name ends so."""
    name = next(name for name in texts if name.endswith(ending))
    return sentences_of(" ".join(texts[name]))


if __name__ == "__main__":
    main()
