"""A query as one answer scores it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.core.text import Forms, holds

SEEN = 0.1  # probability from which a word may have been seen: small print and short codes have no more
TEXT_WEIGHT = 2.0  # of the text's share beside 1 of MaxSim's: chosen on the dev set, see docs/evaluation.md
UNREAD = 0.4  # of its own MaxSim share is what a page is thought to hold where its text says less: chosen there, too
# Of a word that the page itself lacks, where its document's name has it: enough to decide between pages that are equal
# otherwise, and less than any word that is on the page.
DOCUMENT_WEIGHT = 0.25

Scores = NDArray[np.float64]


class TermScale(NamedTuple):
    """How another score is fused with a page's own: `unit` is what 1 of it is worth, `floor` the own score of no match.

    `zero` is the other one's score of no match, `weight` how much its share counts beside 1 of the own.
    """

    unit: float
    floor: float
    zero: float = 0.0
    weight: float = TEXT_WEIGHT

    def term(self, scores: Scores, others: Scores) -> Scores:
        """(n,) own scores and others of the same pages -> (n,) what the others add.

        The order is that of `match + weight * max(other, UNREAD * match)`, both as shares of the best, in the unit of
        the own scores. So the other can only add: a page of which it says less than `UNREAD` of what the own score says
        counts as if it said that much.
        """
        more = (others - self.zero) * self.unit - UNREAD * (scores - self.floor)
        term: Scores = self.weight / (1 + self.weight * UNREAD) * np.maximum(more, 0.0)
        return term


class PrintedTokens(NamedTuple):
    """Tokens in the order of the query, and what they are on pages: `scale` multiplies their probabilities.

    The spellings that a page does not print are not `is_printed`, with scale and weight 0.
    """

    tokens: list[int]
    is_printed: NDArray[np.bool_]  # (pages, p)
    scale: Floats
    weights: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ScoredQuery:
    """An encoded query with the weights that one answer gave its tokens: all that `explain` needs beside a page.

    `mean_vectors` is the mean number of vectors of the collection's pages, `text_scale` None where no text was asked,
    `others` the same query by the further encoders that were asked, each by its name.
    """

    embedding: QueryEmbedding
    weights: Floats  # (t,)
    calibration: Calibration
    fingerprint: str
    mean_vectors: float = 1.0
    text_scale: TermScale | None = None
    others: Mapping[str, "FusedQuery"] = field(default_factory=dict)

    @property
    def best(self) -> float:
        """What a page gets at most: of one that has every token for certain, by MaxSim and nothing else."""
        return float((self.weights * self.calibrated(np.ones(len(self.weights), np.float32))).sum())

    def calibrated(self, table: Floats) -> Floats:
        """(t, ...) similarities of its tokens to vectors -> calibrated ones."""
        midpoints = self.calibration.midpoints(self.embedding.tokens)
        return self.calibration(table, midpoints.reshape(-1, *(1 for _ in table.shape[1:])))

    def values(self, similarity: Floats) -> Floats:
        """(..., t) best similarities of pages -> (..., t) calibrated ones, see `word_values`."""
        return word_values(self.embedding, self.calibration, similarity)

    def scores(self, similarity: Floats) -> Scores:
        """(..., t) best similarities of pages -> (...,) the sums of the contributions: MaxSim and nothing else."""
        scores: Scores = self.contributions(similarity).sum(axis=-1, dtype=np.float64)
        return scores

    def contributions(self, similarity: Floats) -> Floats:
        """(..., t) best similarities of pages -> (..., t) what each token adds to the score.

        Of a word that may be printed in several ways that is its whole weight in the tokens of the most probable one.
        """
        contributions: Floats = self.weights * self.values(similarity)
        if not self.calibration.is_probability:
            return contributions
        for _, tokens in self.embedding.tokens_of_words():
            spellings = self.embedding.tokens_of_spellings(tokens)
            if len(spellings) > 1:
                of_word = contributions[..., tokens].sum(axis=-1)
                seen = token_values(self.embedding, self.calibration, similarity)
                printed = np.argmax([seen[..., each].min(axis=-1) for each in spellings], axis=0)
                for place, each in enumerate(spellings):
                    contributions[..., each] = (np.where(printed == place, of_word, 0.0) / len(each))[..., None]
        return contributions

    def word_similarity(self, similarity: Floats, tokens: Sequence[int]) -> float:
        """What a page's similarities (t,) say of one word: the mean of its pieces, or as `word_values` joins them."""
        if not self.calibration.is_probability:
            return float(similarity[list(tokens)].mean())
        seen = token_values(self.embedding, self.calibration, similarity)
        printed = max(self.embedding.tokens_of_spellings(tokens), key=lambda each: float(seen[each].min()))
        return float(similarity[printed].min())

    def printed_words(self, similarity: Floats) -> dict[str, str]:
        """(t,) a page's best similarities -> the other word that stands there, of each word that has one."""
        embedding = self.embedding
        if not embedding.likeness:
            return {}
        seen = token_values(embedding, self.calibration, similarity)
        best = {word: max(tokens, key=lambda token: seen[token]) for word, tokens in embedding.tokens_of_words()}
        return {
            word: embedding.tokens[token]
            for word, token in best.items()
            if embedding.likeness[token] < 1 and seen[token] >= SEEN
        }

    def as_printed(self, best: Floats) -> PrintedTokens:
        """(pages, t) the best probabilities of pages -> their tokens, of each word as a page prints it.

        That is the spelling that it has most probably; its tokens share the word's weight, and none is more probable
        than the least of them is at best. A word in letters that the encoder does not read is left out.
        """
        likely = best * self.embedding.likeness if self.embedding.likeness else best
        tokens, is_printed, scales, weights = [], [], [], []
        for word, of_word in self.embedding.tokens_of_words():
            spellings = [] if word in self.embedding.unread else self.embedding.tokens_of_spellings(of_word)
            limits = np.array([likely[:, spelling].min(axis=1) for spelling in spellings])  # (spellings, pages)
            for place, spelling in enumerate(spellings):
                here = limits.argmax(axis=0) == place
                tokens += spelling
                is_printed += [here] * len(spelling)
                scales += [here * limits[place] / np.maximum(best[:, token], 1e-9) for token in spelling]
                weights += [here * (self.weights[of_word].sum() / len(spelling))] * len(spelling)
        shape = (len(best), len(tokens))
        return PrintedTokens(
            tokens,
            np.array(is_printed, np.bool_).T.reshape(shape),
            np.array(scales, np.float32).T.reshape(shape),
            np.array(weights, np.float32).T.reshape(shape),
        )

    def text_term(self, scores: Scores, texts: Scores) -> Scores:
        """(n,) scores by the pixels and BM25 scores of pages -> (n,) what their text layers add, see `TermScale`.

        The shares are of the best there could be. A text that says less than `UNREAD` of what the pixels say may be
        that of a scan, a garbled or nearly empty layer, or lack the words inside a figure.
        """
        return np.zeros_like(scores) if self.text_scale is None else self.text_scale.term(scores, texts)

    def named_tokens(self, name: str) -> tuple[int, ...]:
        """The tokens of `named_words`."""
        named = self.named_words(name)
        return tuple(token for word, tokens in self.embedding.tokens_of_words() if word in named for token in tokens)

    def named_documents(self, names: Forms) -> dict[int, list[int]]:
        """The places of those of many documents' names that hold a word, each with the `named_tokens` of it."""
        named: dict[int, list[int]] = defaultdict(list)
        for word, tokens in () if self.embedding.is_example else self.embedding.tokens_of_words():
            for place in names.holding(word):
                named[place] += tokens
        return named

    def named_words(self, name: str) -> frozenset[str]:
        """The words that a document's name, in `page_form`, holds."""
        words = () if self.embedding.is_example else self.embedding.words
        return frozenset(word for word in words if holds(name, word))

    def document_term(self, similarity: Floats, named: Sequence[int]) -> Scores:
        """(..., t) similarities of a document's pages -> (...,) what its name adds, which has the tokens `named`."""
        missing = self.weights * np.clip(1.0 - self.values(similarity), 0.0, 1.0)  # (..., t)
        term: Scores = DOCUMENT_WEIGHT * missing[..., list(named)].sum(axis=-1, dtype=np.float64)
        return term


@dataclass(frozen=True, slots=True, eq=False)
class FusedQuery:
    """A query as a further encoder scores it, and how those scores are fused with the collection's own."""

    query: ScoredQuery
    scale: TermScale


def word_values(query: QueryEmbedding, calibration: Calibration, similarity: Floats) -> Floats:
    """(..., t) best similarities of pages -> (..., t) calibrated ones: as probabilities those of the tokens' words.

    All tokens of one spelling must be there, and any spelling will do: part numbers match as a whole or not at all. A
    word in letters that the encoder does not read is nowhere.
    """
    values = token_values(query, calibration, similarity)
    return joined_to_words(query, values) if calibration.is_probability else values


def joined_to_words(query: QueryEmbedding, values: Floats) -> Floats:
    """(..., t) values of tokens, which are overwritten -> (..., t) those of their words, see `word_values`."""
    for word, tokens in query.tokens_of_words():
        if word in query.unread:
            values[..., tokens] = 0.0
        elif len(tokens) > 1:
            spellings = [values[..., each].min(axis=-1) for each in query.tokens_of_spellings(tokens)]
            values[..., tokens] = np.max(spellings, axis=0)[..., None]
    return values


def token_values(query: QueryEmbedding, calibration: Calibration, similarity: Floats) -> Floats:
    """(..., t) best similarities of pages -> (..., t) calibrated ones, those of other words as far as they count."""
    values = calibration(similarity, calibration.midpoints(query.tokens))
    if not query.likeness:
        return values
    counted: Floats = values * np.array(query.likeness, np.float32)
    return counted
