"""Late-interaction losses over padded batches: what is padding can win no maximum and adds to no sum."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class PaddedVectors(NamedTuple):
    """b queries or pages, padded: `vectors` (b, s, dim) of unit length, `real` (b, s) False where there is padding."""

    vectors: Tensor
    real: Tensor


def similarity(queries: PaddedVectors, pages: PaddedVectors) -> Tensor:
    """(queries, pages) MaxSim as a search scores it, over the number of the query's tokens.

    Tokens of prompts count: they do in the score, and a loss that left them out would train something else.
    """
    columns = []
    for vectors, real in zip(*pages, strict=True):  # a page at a time: all at once would take gigabytes
        products = queries.vectors @ vectors[real].T  # (queries, t, n)
        columns.append(products.max(dim=2).values.masked_fill(~queries.real, 0).sum(dim=1))
    return torch.stack(columns, dim=1) / queries.real.sum(dim=1, keepdim=True)


def in_batch(similar: Tensor, gold: Tensor, neutral: Tensor, temperature: float) -> Tensor:
    """Mean InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) of each query's page against the batch's other pages.

    `similar` (q, p); `gold` (q,) is the column of each query's page; pages `neutral` (q, p) count neither way.
    """
    rivals = neutral.scatter(1, gold[:, None], value=False)
    return functional.cross_entropy(similar.masked_fill(rivals, -torch.inf) / temperature, gold)


def pairwise(similar: Tensor, gold: Tensor, wrong: Tensor, neutral: Tensor, temperature: float) -> Tensor:
    """Half of it holds the pages mined for a query away, half the most similar of the pages that answer other queries.

    Both are means of softplus(theirs - ours), as in colpali-engine's pairwise loss with negatives (0.3.18, with its
    `in_batch_term_weight` of 0.5). `wrong` (q, p) marks the pages that were mined for a query; the other arguments are
    those of `in_batch`. A query without pages of a sort adds nothing to that half.
    """
    margins = functional.softplus((similar - similar.gather(1, gold[:, None])) / temperature)  # (q, p)
    mined = (margins * wrong).sum() / wrong.sum().clamp(min=1)
    spared = neutral.scatter(1, gold[:, None], value=True)
    rivals = torch.zeros_like(spared).index_fill(1, gold, value=True) & ~spared
    nearest = (margins * rivals).max(dim=1).values.sum() / rivals.any(dim=1).sum().clamp(min=1)
    return (mined + nearest) / 2
