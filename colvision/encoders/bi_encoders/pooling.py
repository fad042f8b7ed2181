"""One vector of the vectors of a text's tokens, as sentence-transformers 6.2 pools them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pool(states: Tensor, mask: Tensor, modes: Sequence[str], prompt_tokens: int = 0) -> Tensor:
    """Token vectors (b, s, hidden) and their attention mask (b, s) -> (b, hidden * modes), float32.

    Padding may be on either side. The first `prompt_tokens` real tokens of each text are left out.
    """
    states = states.float()
    first = mask.int().argmax(dim=1, keepdim=True)  # (b, 1), where the text begins
    place = torch.arange(mask.shape[1], device=mask.device) - first  # (b, s), counted within the text
    kept = mask.bool() & (place >= prompt_tokens)  # (b, s)
    weight = kept.unsqueeze(-1).float()  # (b, s, 1)
    made = []
    for mode in modes:
        if mode == "cls":
            made.append(_at(states, kept.int().argmax(dim=1)))
        elif mode == "lasttoken":
            last = mask.shape[1] - 1 - kept.int().flip(1).argmax(dim=1)  # (b,)
            made.append(_at(states, last))
        elif mode == "max":
            made.append(states.masked_fill(weight == 0, -torch.inf).amax(dim=1))
        elif mode == "weightedmean":  # a token counts as much as its place, from 1, prompt included
            by_place = weight * (place + 1).unsqueeze(-1)
            made.append((states * by_place).sum(dim=1) / by_place.sum(dim=1).clamp(min=1e-9))
        else:
            count = weight.sum(dim=1).clamp(min=1e-9)
            made.append((states * weight).sum(dim=1) / (count.sqrt() if mode == "mean_sqrt_len_tokens" else count))
    return torch.cat(made, dim=-1)


def _at(states: Tensor, place: Tensor) -> Tensor:
    """(b, s, hidden) and a place of each text (b,) -> (b, hidden)."""
    return states[torch.arange(len(states), device=states.device), place]
