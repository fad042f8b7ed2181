"""Loads a reranker by its name: a checkpoint folder, or a checkpoint of the Hugging Face hub.

What it is stands in its `config.json`: the class that it was saved from, and the model's type. Its name says nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colvision.encoders.checkpoint_kind import STANFORD_CLASS
from colvision.encoders.json_file import read_json
from colvision.encoders.options import EncoderOptions
from colvision.encoders.repository import Hub, could_be_checkpoint
from colvision.encoders.rerankers.folder import RerankerFolder, read_folder
from colvision.encoders.vlm.checkpoint import Checkpoint, find_checkpoint, require_vlm_extra
from colvision.errors import ColvisionError, EncoderError, EncoderNotFound

if TYPE_CHECKING:
    from colvision.core.reranker import Reranker

_CLASSIFIER = "ForSequenceClassification"
_PICTURES = ("qwen2_vl", "qwen3_vl")  # answer in a word to a page image: see `pictures`
_LANGUAGE = ("llama", "mistral", "qwen2", "qwen3")  # answer in a word to a text, where LogitScore says in which
_GENERATES = ("ForConditionalGeneration", "ForCausalLM")
_PROJECTION = "custom_text_proj"  # colpali-engine's, to vectors


def load_reranker(
    name: str | Path, *, device: str | None = None, dtype: str | None = None, max_patches: int | None = None
) -> Reranker:
    """The reranker of this name, ready to score: loaded completely or refused.

    Args:
        name: a checkpoint folder, or a hub id `"owner/name"`, at a revision `"owner/name@revision"`.
        device: `"cpu"`, `"cuda:1"`, `"mps"`; the fastest there is when None. One: pages are not shared among several.
        dtype: `"float32"`, `"bfloat16"` or `"float16"`; bfloat16 where the device computes in it, else float32. The
            score itself is always computed in float32.
        max_patches: the most patches that a page image becomes; the checkpoint's own limit when None.

    Raises:
        EncoderNotFound: no such folder, a hub id that is neither cached nor within reach, or no reranker.
        WeightsMismatch: a weight is missing, unexpected or of another shape.
        EncoderError: another file of the checkpoint is damaged.
        MissingExtra: torch or transformers is not installed.
    """
    options = EncoderOptions(device=device, dtype=dtype, max_patches=max_patches)
    if str(name) == "mini":
        raise EncoderNotFound("mini is an encoder, which compares vectors of a query and of a page: it is no reranker")
    if could_be_checkpoint(name):  # else it has no such name, whatever is installed
        require_vlm_extra("torch", "transformers", what="a reranker")
    try:
        checkpoint = find_checkpoint(name, hub=Hub(), with_modules=False)
    except EncoderNotFound as error:
        raise EncoderNotFound(str(error).replace("'mini', ", "").replace("no encoder", "no reranker")) from error
    try:
        return _load(checkpoint, options)
    except json.JSONDecodeError as error:
        raise _damaged(checkpoint, error) from error
    except (ColvisionError, ValueError):
        raise
    except Exception as error:  # transformers meets a damaged file with whatever it stumbles over
        raise _damaged(checkpoint, error) from error


def _damaged(checkpoint: Checkpoint, error: Exception) -> EncoderError:
    return EncoderError(
        f"reranker {checkpoint.name!r} could not be loaded ({type(error).__name__}: {error}): copy its files again "
        "from where they came, or choose another one"
    )


def _load(checkpoint: Checkpoint, options: EncoderOptions) -> Reranker:
    config = checkpoint.config()
    architecture = str(next(iter(config.get("architectures") or ()), ""))
    _check_no_encoder(checkpoint, architecture)
    folder = read_folder(checkpoint)
    _check_known_code(checkpoint, config, architecture)
    if folder.head or architecture.endswith(_CLASSIFIER):
        from colvision.encoders.rerankers.text import load_classifier

        if options.max_patches is not None:
            raise ValueError(f"{checkpoint.name!r} reads texts: max_patches is for page images")
        return load_classifier(checkpoint, folder, options)
    if checkpoint.model_type in _PICTURES and architecture.endswith(_GENERATES):
        from colvision.encoders.rerankers.pictures import load_picture_reranker

        return load_picture_reranker(checkpoint, folder, options)
    if architecture.endswith("ForCausalLM"):
        return _load_language_model(checkpoint, folder, options)
    raise EncoderNotFound(
        f"checkpoint {checkpoint.name!r} is a {architecture or checkpoint.model_type or 'model without a name'}, which "
        f"gives no score of a query and a page: rerankers are ...{_CLASSIFIER}, {' and '.join(_PICTURES)} that answer "
        "in a word, and language models with a LogitScore of sentence-transformers; choose one of docs/encoders.md"
    )


def _load_language_model(checkpoint: Checkpoint, folder: RerankerFolder, options: EncoderOptions) -> Reranker:
    from colvision.encoders.rerankers.text import load_answering

    if checkpoint.model_type not in _LANGUAGE:
        raise EncoderNotFound(
            f"checkpoint {checkpoint.name!r} is a language model of type {checkpoint.model_type!r}; rerankers of this "
            f"sort are read of {', '.join(_LANGUAGE)}"
        )
    if folder.answers is None:
        raise EncoderNotFound(
            f"checkpoint {checkpoint.name!r} is a language model, and nothing says with which words it answers whether "
            "a page is relevant: take the revision that sentence-transformers reads (modules.json with LogitScore)"
        )
    return load_answering(checkpoint, folder, options)


def _check_no_encoder(checkpoint: Checkpoint, architecture: str) -> None:
    """Raises EncoderNotFound for what gives vectors: its weights would be read for another purpose, or not fit."""
    from colvision.encoders.loading import KNOWN_CODE

    adapter = None if checkpoint.adapter is None else read_json(checkpoint.adapter / "adapter_config.json")
    is_projected = adapter is not None and _PROJECTION in str(adapter.get("target_modules"))
    if architecture == STANFORD_CLASS or KNOWN_CODE.fullmatch(architecture) or is_projected:
        raise EncoderNotFound(
            f"checkpoint {checkpoint.name!r} is a late-interaction encoder"
            f"{f' ({architecture})' if architecture else ''}: it gives vectors, and no score of a query and a page "
            "together. Give it as the encoder, and choose a reranker of docs/encoders.md"
        )


def _check_known_code(checkpoint: Checkpoint, config: dict[str, Any], architecture: str) -> None:
    """Raises EncoderNotFound for a class that lies beside the weights: it is never run."""
    import transformers

    own = [each for each in config.get("auto_map") or () if str(each).startswith("AutoModel")]
    if own or (config.get("auto_map") and not hasattr(transformers, architecture or "?")):
        raise EncoderNotFound(
            f"checkpoint {checkpoint.name!r} brings its own code ({architecture or 'no architecture'}), which is never "
            "run: choose a reranker of a class that transformers has"
        )
