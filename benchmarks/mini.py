"""What mini reads and what it does not, case by case, on pages that are generated here.

python -m benchmarks.mini [--pages 4] [--pictures docs/mini]

For every case words that are on a page and words that are not are asked for. `read`: the share of the former whose
match probability is above one half; `false`: that share of the latter; `apart`: the chance that a word on the page has
the higher one (area under the ROC curve); `pointed`: the share whose best patch lies on the word.
"""

import argparse
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import machine
from benchmarks.printed_pages import CASES, Case, PrintedPage, draw_page
from colvision.core.embedding import PageEmbedding, QueryEmbedding
from colvision.core.encoder import Encoder
from colvision.core.query import ScoredQuery
from colvision.encoders import load_encoder
from colvision.evaluation.pointing import is_hit
from colvision.explain import Explanation, explain_page
from colvision.maxsim import quantise
from colvision.store.shards import ShardPage

_WORDS = 25  # asked for on every page, and as many that are not there
_SHORTEST = 4  # letters
_AROUND = (320, 110)  # pixels to each side of the best patch in a picture


@dataclass
class Measurements:
    """Probabilities of words that are there and that are not, and whether the best patch lay on those that are."""

    there: list[float] = field(default_factory=list)
    elsewhere: list[float] = field(default_factory=list)
    pointed: list[bool] = field(default_factory=list)


def measure(encoder: Encoder, case: Case, pages: int) -> Measurements:
    """A case over so many generated pages."""
    pages_of_case = [draw_page(case, seed) for seed in range(pages)]
    vocabulary = sorted({word for printed_page in pages_of_case for word in printed_page.words if _is_searched(word)})
    found = Measurements()
    rng = random.Random(0)
    for printed_page, embedding in zip(
        pages_of_case, encoder.encode_pages(printed_page.page for printed_page in pages_of_case), strict=True
    ):
        query_word = case.query_word or str
        here = {word.casefold() for word in printed_page.words}
        known = [word for word in sorted(printed_page.words) if _is_searched(word)]
        if case.query_word is not None:
            known = [word for word in known if query_word(word).casefold() not in here]
        there = rng.sample(known, min(_WORDS, len(known)))
        absent = [word for word in vocabulary if not {word.casefold(), query_word(word).casefold()} & here]
        elsewhere = rng.sample(absent, min(_WORDS, len(absent)))
        for word in there:
            why = explain(encoder, query_word(word), embedding)
            found.there.append(_probability(why))
            if not case.moves:
                found.pointed.append(is_hit(why, printed_page.words[word]))
        found.elsewhere += [_probability(explain(encoder, word, embedding)) for word in elsewhere]
    return found


def _probability(why: Explanation) -> float:
    return float(why.query.values(why.similarities)[0])


def _is_searched(word: str) -> bool:
    return len(word) >= _SHORTEST and word.isalnum()


def explain(encoder: Encoder, text: str, embedding: PageEmbedding, image: Image.Image | None = None) -> Explanation:
    """What a text finds on one page, drawn on `image` where there is one."""
    return explain_page(
        _scored_query(encoder, text),
        _stored(encoder, embedding),
        quantisation_range=encoder.info.quantisation_range,
        image=image,
    )


def _scored_query(encoder: Encoder, text: str) -> ScoredQuery:
    query: QueryEmbedding = encoder.encode_queries([text])[0].without_other_words()
    return ScoredQuery(query, query.weights, encoder.info.calibration, encoder.info.fingerprint)


def _stored(encoder: Encoder, embedding: PageEmbedding) -> ShardPage:
    return ShardPage(quantise(embedding.vectors, encoder.info.quantisation_range), embedding.grid, embedding.kind)


def row(case: Case, found: Measurements) -> str:
    """A line of the table."""
    there, elsewhere = np.array(found.there), np.array(found.elsewhere)
    read = float((there > 0.5).mean())
    wrong = float((elsewhere > 0.5).mean()) if len(elsewhere) else float("nan")
    apart = float((there[:, None] > elsewhere[None, :]).mean()) if len(elsewhere) else float("nan")
    pointed = f"{np.mean(found.pointed):.2f}" if found.pointed else ""
    cells = [case.name, str(len(there)), f"{read:.2f}", _known(wrong), _known(apart), pointed]
    return "| " + " | ".join(cells) + " |"


def _known(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def save_heatmap(encoder: Encoder, case: Case, path: Path) -> str:
    """Saves the surroundings of the best patch for a word of the case, with the heatmap on them; returns the word."""
    printed_page: PrintedPage = draw_page(case, 0)
    (embedding,) = encoder.encode_pages([printed_page.page])
    word = next(
        word for word in sorted(printed_page.words, key=len, reverse=True) if _is_searched(word) and len(word) < 12
    )
    word_searched = (case.query_word or str)(word)
    why = explain(encoder, word_searched, embedding, printed_page.page.image)
    heatmap = why.heatmap()
    box = why.regions()[0].pixels(heatmap.size)
    left = int(min(max(0, box.left - _AROUND[0]), max(0, heatmap.width - 2 * _AROUND[0])))
    top = int(min(max(0, box.top - _AROUND[1]), max(0, heatmap.height - 2 * _AROUND[1])))
    around = heatmap.crop((left, top, left + 2 * _AROUND[0], top + 2 * _AROUND[1]))
    around.convert("P", palette=Image.Palette.ADAPTIVE).save(path, optimize=True)
    return word_searched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=4, help="of every case")
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of every case")
    parser.add_argument("--case", nargs="+", help="only cases of these names")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # mini heeds it
    encoder = load_encoder("mini")
    print(f"{machine()}; mini {encoder.info.fingerprint[:12]}; {options.pages} pages a case\n")
    print("| printed | words | read | false | apart | pointed |")
    print("|---|---|---|---|---|---|")
    cases = [case for case in CASES if not options.case or case.name in options.case]
    for case in cases:
        print(row(case, measure(encoder, case, options.pages)), flush=True)
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        for case in cases:
            name = "-".join("".join(c if c.isalnum() else " " for c in case.name).split()) + ".png"
            print(f"{name}: {save_heatmap(encoder, case, options.pictures / name)!r}")


if __name__ == "__main__":
    main()
