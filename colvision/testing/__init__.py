"""For those who write an encoder, and for the tests and notebooks of colvision itself.

`check_encoder` tries what `colvision.Encoder` promises, `ToyEncoder` is a small encoder that keeps it, and
`tiny_checkpoint` makes a random one of a real family. Nothing here is loaded by a search.
"""

from pathlib import Path

from colvision.encoders.vlm.checkpoint import require_vlm_extra
from colvision.testing.contract import check_encoder
from colvision.testing.toy import ToyEncoder, save_document, text_page

__all__ = ["ToyEncoder", "check_encoder", "save_document", "text_page", "tiny_checkpoint"]


def tiny_checkpoint(folder: str | Path, family: str = "colqwen2", *, seed: int = 0) -> Path:
    """A checkpoint of 0.2 million random weights for `load_encoder`; made in code, in a second. Returns the folder.

    Classes, configuration, processor and tokenizer are those of the real `family` (colpali, colqwen2, colqwen2.5,
    colqwen3, colqwen3.5, colsmol, colmodernvbert or neomme), the files those of its published checkpoints; a page
    becomes (n, 32) vectors, 48 of them patches at most for the Qwen families and NeoMME. The weights are large enough
    that attention and positions count; `seed` draws others. Of encoders of text there are colbert, pylate and
    multivector, after who saves such files; their vectors are mostly those of the words themselves, so that a query
    finds the words that it names. Raises `ValueError` for another family, `MissingExtra` without `colvision[vlm]`.
    """
    require_vlm_extra("torch", "transformers", what="a tiny checkpoint")
    from colvision.testing.checkpoints import FAMILIES  # transformers takes seconds to import
    from colvision.testing.text_checkpoints import TEXT_FAMILIES

    families = {**FAMILIES, **TEXT_FAMILIES}
    if family not in families:
        raise ValueError(f"there is no tiny checkpoint of {family!r}; there is one of {', '.join(families)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    families[family](folder, seed)
    return folder
