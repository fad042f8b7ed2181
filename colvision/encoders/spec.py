"""Which encoder a library is opened with: one by name, or the one that filled it. Loaded when it is needed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from colvision.encoders.loading import load
from colvision.encoders.options import Attention, EncoderOptions, Quantise
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from colvision.core.encoder import CheckpointRef, Encoder, EncoderInfo

_MINI = "mini"


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """`name` as `load_encoder` takes it; None for the encoder that filled the library, mini while it is empty.

    `options` are those of `load_encoder`. What decides the vectors goes with a name: without one, only where and how
    exactly the encoder computes can be chosen. Raises ValueError for more.
    """

    name: str | Path | None = None
    options: EncoderOptions = EncoderOptions()

    def __post_init__(self) -> None:
        options = self.options
        if self.name is None and options != EncoderOptions(options.device, options.dtype):
            raise ValueError("options that decide the vectors belong to an encoder: name that, too (--encoder)")

    def expected(self, filled_by: EncoderInfo | None) -> str:
        """Its name, before it is loaded."""
        if self.name is not None:
            return str(self.name)
        return filled_by.name if filled_by is not None and filled_by.loaded_from is not None else _MINI

    def load(self, filled_by: EncoderInfo | None) -> Encoder:
        """Loads it. The one that filled a library is loaded from where it was then, and never fetched: what a folder
        names is not a user's wish. Whether it is still the same, its fingerprint tells whoever uses it.

        Raises `EncoderNotFound`, `WeightsMismatch`, with the options that name it; `MissingExtra`.
        """
        if self.name is not None:
            return load(self.name, self.options, known=filled_by)
        if filled_by is None or filled_by.loaded_from is None:
            return load(_MINI, self.options)
        reference = filled_by.loaded_from
        try:
            return load(reference.name, self._original_options(reference), fetch=False, known=filled_by)
        except (EncoderNotFound, WeightsMismatch) as error:
            raise type(error)(
                f"{filled_by.name} (fingerprint {filled_by.fingerprint[:12]}), which filled this library, was loaded "
                f"from {reference.name}, and no longer can be: {error}. Say where it is: {reference.options('FOLDER')}"
            ) from error

    def _original_options(self, reference: CheckpointRef) -> EncoderOptions:
        adapter = None if reference.adapter is None else Path(reference.adapter)
        return replace(
            self.options,
            max_patches=reference.max_patches,
            adapter=adapter,
            quantise=cast("Quantise | None", reference.quantise),
            query_prefix=reference.query_prefix,
            page_prompt=reference.page_prompt,
            dim=reference.dim,
            attention=cast("Attention | None", reference.attention),
        )
