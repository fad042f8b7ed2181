"""What the towers are trained on: match patches with words both ways, name every letter, know where print is."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Losses(NamedTuple):
    """Means over the batch, and how often the best word of a patch and the best patch of a word are right."""

    to_word: Tensor
    to_patch: Tensor
    letters: Tensor
    ink: Tensor
    word_hit: float
    patch_hit: float


def matching_loss(
    patches: Tensor, words: Tensor, others: Tensor, pairs: Tensor, neutral: Tensor
) -> tuple[Tensor, Tensor, float, float]:
    """InfoNCE between patches (P, dim) and the batch's words (W, dim), each scaled by the temperature already.

    `pairs` (n, 2) belong together; `neutral` (m, 2) count neither way; `others` (X, dim) are words on no patch:
    look-alikes and random ones. A pair's other positives do not stand against it. A pair weighs
    1 / sqrt(pairs of its word), so that "the" does not drown "torque".
    """
    logits = patches @ words.T  # (P, W)
    hidden = torch.zeros_like(logits, dtype=torch.bool)
    hidden[neutral[:, 0], neutral[:, 1]] = True
    hidden[pairs[:, 0], pairs[:, 1]] = True
    right = logits[pairs[:, 0], pairs[:, 1]]  # (n,)
    wrong = logits.masked_fill(hidden, -torch.inf)
    printed = torch.unique(pairs[:, 0])
    against_patch = torch.full((len(patches),), -torch.inf, dtype=logits.dtype)
    rivals = torch.cat([wrong[printed], patches[printed] @ others.T], dim=1)
    against_patch[printed] = rivals.logsumexp(dim=1)
    against_word = wrong.logsumexp(dim=0)  # (W,)
    weight = torch.bincount(pairs[:, 1], minlength=len(words)).float().rsqrt()[pairs[:, 1]]
    weight = weight / weight.sum()
    to_word = (weight * functional.softplus(against_patch[pairs[:, 0]] - right)).sum()
    to_patch = (weight * functional.softplus(against_word[pairs[:, 1]] - right)).sum()
    with torch.no_grad():
        best_rival = torch.full((len(patches),), -torch.inf)
        best_rival[printed] = rivals.amax(dim=1)
        word_hit = (right > best_rival[pairs[:, 0]]).float().mean().item()
        best_right = torch.full((len(words),), -torch.inf).scatter_reduce(0, pairs[:, 1], right, "amax")
        patch_hit = (best_right > wrong.amax(dim=0))[torch.unique(pairs[:, 1])].float().mean().item()
    return to_word, to_patch, word_hit, patch_hit
