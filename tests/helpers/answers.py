"""Answers, compared bit for bit, and what asks for them."""

import random
from dataclasses import replace

from colvision.core.encoder import Calibration
from colvision.testing import ToyEncoder, text_page
from colvision.testing.toy import PAGE_SHAPE

# fmt: off
WORDS = ["pump", "valve", "seal", "filter", "bleed", "the", "open", "drain", "blade", "fan", "motor", "4423", "AB-12"]
# fmt: on
QUESTIONS = ["bleed the pump", "valve", "AB-12 filter", "4423", "9999 the", "unknown words", "the the fan motor blade"]


def sharp_toy():
    """Its scores are sums of probabilities: it weighs words by rarity, and has terms beside MaxSim."""
    encoder = ToyEncoder()
    encoder.info = replace(encoder.info, calibration=Calibration(slope=40.0, midpoint=0.7), fingerprint="sharp")
    return encoder


def answered(answer):
    """All that an answer tells but its times and the ids."""
    hits = [
        (hit.document, hit.page, hit.rank, hit.score, hit.similarity.tobytes(), hit.contributions.tobytes())
        + (dict(hit.score_terms), hit.text_score, hit.in_text, hit.in_name, hit.metadata, hit.folder)
        for hit in answer
    ]
    query = answer.query
    asked = query.weights.tobytes(), query.embedding.likeness, query.mean_vectors, query.text_scale
    return hits, asked, answer.pages, answer.mode, answer.candidates, answer.retrievers, answer.unseen, answer.notice


def write_documents(folder, count, *, pages=4, seed=5):
    """So many TIFF files of at most so many pages with words; returns their paths."""
    drawn = random.Random(seed)
    paths = []
    for number in range(count):
        first, *others = [
            text_page(drawn.choices(WORDS, k=drawn.randint(1, 8)), shape=PAGE_SHAPE)
            for _ in range(drawn.randint(1, pages))
        ]
        paths.append(folder / f"d{number:03}.tiff")
        first.save(paths[-1], save_all=True, append_images=others, compression="tiff_lzw")
    return paths
