"""What a collection remembers of a bi-encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import torch
import transformers

from colvision.core.embedding import PageEmbedding
from colvision.core.encoder import CheckpointRef, EncoderInfo
from colvision.core.page import Page
from colvision.encoders.options import EncoderOptions
from colvision.encoders.quantisation_range import measure_quantisation_range

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    EncodePages = Callable[[Iterable[Page]], Iterator[PageEmbedding]]


def encoder_info(
    reference: CheckpointRef, name: str, identity: tuple[str, int], model: PreTrainedModel, measured: float
) -> EncoderInfo:
    """`identity` is the fingerprint and the components of a vector, `measured` the quantisation range."""
    fingerprint, dim = identity
    versions = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    return EncoderInfo(name, fingerprint, dim, measured, versions=versions, loaded_from=reference)


def quantisation_range(encode_pages: EncodePages, fingerprint: str, known: EncoderInfo | None) -> float:
    """What a collection knows of the same encoder, else measured on three small generated pages."""
    if known is not None and known.fingerprint == fingerprint:
        return known.quantisation_range
    return measure_quantisation_range(encode_pages)


def check_options(options: EncoderOptions, what: str, *, refused: Iterable[str]) -> None:
    """Raises ValueError for an option that does nothing to an encoder: it would be part of what is remembered."""
    for name in refused:
        if getattr(options, name) is not None:
            raise ValueError(f"{what} takes no {name}: leave it out")


def check_dim(name: str, full: int, wanted: int | None) -> int:
    """Components of a vector: those wanted, else all. Raises ValueError for more than there are."""
    if wanted is not None and wanted > full:
        raise ValueError(f"dim is {wanted}; vectors of {name!r} have {full} components")
    return wanted or full
