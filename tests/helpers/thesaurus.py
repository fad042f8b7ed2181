"""An encoder that knows other words for some, as `mini` does."""

from dataclasses import replace

import numpy as np

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.testing import ToyEncoder

OTHERS = {"bleed": "vent", "nut": "oil"}
LIKENESS = 0.5


class Thesaurus(ToyEncoder):
    """It knows another word for some, and its calibration is a probability."""

    def __init__(self):
        super().__init__(dim=64)
        self.info = replace(self.info, calibration=Calibration(60.0, 0.9))

    def encode_queries(self, texts):
        return [self._with_others(query) for query in super().encode_queries(texts)]

    def _with_others(self, query):
        places = [place for place, word in enumerate(query.words) if word in OTHERS]
        if not places:
            return query
        [others] = super().encode_queries([" ".join(OTHERS[query.words[place]] for place in places)])
        own, added = len(query.tokens), len(places)
        return QueryEmbedding(
            text=query.text,
            vectors=np.concatenate([query.vectors, others.vectors]),
            tokens=query.tokens + others.tokens,
            is_query=np.ones(own + added, np.bool_),
            weights=np.array([1] * own + [0] * added, np.float32),
            words=query.words,
            word=np.concatenate([query.word, np.array(places, np.int32)]),
            spelling=(0,) * own + (1,) * added,
            likeness=(1.0,) * own + (LIKENESS,) * added,
        )
