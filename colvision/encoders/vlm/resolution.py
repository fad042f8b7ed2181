"""How many patches a page becomes: told before a library is filled, and held to what a model was trained with.

Image processors of published checkpoints allow up to 16,384 patches a page, where the model was trained with 768: four
times the index and the time for pages that it has never seen so large.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from colvision.core.embedding import VectorKind
from colvision.encoders.finding import Finding
from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.family import Family

_A4 = (1219, 1723)  # pixels: as colvision draws it


class PageSize(NamedTuple):
    """What an A4 page becomes: patches, and all its vectors with those of the prompt and of the page as a whole."""

    patches: int
    vectors: int

    def __str__(self) -> str:
        if self.vectors == 1:
            return f"an A4 page is read as {self.patches:,} patches and becomes one vector"
        return f"an A4 page is {self.patches:,} patches, {self.vectors:,} vectors with its prompt"


class PatchLimit(NamedTuple):
    """The most patches of a page; `source` says who set it, as a user is told it."""

    patches: int
    source: str

    def __str__(self) -> str:
        return f"at most {self.patches:,} patches ({self.source})"


def page_size(family: Family) -> PageSize:
    page = family.fit(Image.new("RGB", _A4, "white"))
    if family.pools_last_token:
        return PageSize(family.count_patches(*page.size), 1)
    [kinds] = family.page_batch([page]).kinds
    return PageSize(int(np.count_nonzero(kinds == VectorKind.PATCH)), len(kinds))


def patch_limit(family: Family, stated: int, options: EncoderOptions) -> PatchLimit:
    """What the caller wants, else what the models were trained with, unless the checkpoint states less."""
    trained = family.trained_patches
    if options.max_patches is not None:
        if trained is None:  # and such a family keeps to what its files state
            return PatchLimit(min(options.max_patches, stated), "the options given")
        return PatchLimit(options.max_patches, f"the options given; the models were trained with {trained:,}")
    if trained is None or stated <= trained:
        return PatchLimit(stated, "as the checkpoint states")
    return PatchLimit(trained, f"as the models were trained; the checkpoint's image processor allows {stated:,}")


def check_resolution(family: Family, limit: PatchLimit) -> Finding:
    """A page keeps to the limit, which is why an index has the size that was expected."""
    size = page_size(family)
    return Finding("resolution", size.patches <= limit.patches, f"{size}; {limit}")
