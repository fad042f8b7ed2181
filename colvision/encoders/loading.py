"""Loads an encoder by its name: the embedded mini, a checkpoint folder, or a checkpoint of the Hugging Face hub.

What a checkpoint is made for is told by its files (`checkpoint_kind`), of page images then by `config.json`'s
`model_type` through one table; its name says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from colvision.encoders.checkpoint_kind import TWO_TOWERS, CheckpointKind, checkpoint_kind
from colvision.encoders.options import Attention, EncoderOptions, Quantise
from colvision.encoders.repository import Hub, Repository, could_be_checkpoint, find_repository
from colvision.encoders.vlm.checkpoint import Checkpoint, read_checkpoint, require_vlm_extra
from colvision.errors import ColvisionError, EncoderError, EncoderNotFound

if TYPE_CHECKING:
    from colvision.core.encoder import Encoder, EncoderInfo
    from colvision.encoders.bi_encoders.text_folder import TextFolder
    from colvision.encoders.text.checkpoint import TextCheckpoint
    from colvision.encoders.vlm.loaded_checkpoint import LoadedCheckpoint


def load_encoder(
    name: str | Path,
    *,
    device: str | tuple[str, ...] | None = None,
    dtype: str | None = None,
    max_patches: int | None = None,
    adapter: str | Path | None = None,
    quantise: Quantise | None = None,
    query_prefix: str | None = None,
    page_prompt: str | None = None,
    attention: Attention | None = None,
    dim: int | None = None,
) -> Encoder:
    """The encoder of this name, ready to encode: loaded completely or refused.

    An encoder of text takes `device` and `dtype` alone, and mini none of the options: ValueError for others.

    Args:
        name: `"mini"`, a checkpoint folder, or a hub id `"owner/name"`, at a revision `"owner/name@revision"`.
            A folder is looked for before the hub; a folder called mini is `"./mini"`.
        device: `"cpu"`, `"cuda"` (all there are), `"cuda:1"`, `"mps"`; several as `"cuda:0,cuda:1"` or a tuple; the
            fastest there is when None. Pages are shared among several; a query uses the first.
        dtype: `"float32"`, `"bfloat16"` or `"float16"`; bfloat16 where the device computes in it, else float32.
        max_patches: the most patches a page becomes; the checkpoint's own limit when None.
        adapter: a folder with a LoRA adapter (peft's format) that was trained on this checkpoint.
        quantise: `"int8"` or `"4bit"`: the weights of the backbone in fewer bits, the projection as it is. Another
            encoder to a collection: vectors differ a little.
        query_prefix: the words before every query, such as `"Query: "` or `""`; the checkpoint's own when None.
        page_prompt: the whole text around a page, with the model's image token once; the checkpoint's own when None.
        attention: `"bidirectional"` (every token sees all) or `"causal"` (those before it), for a checkpoint that was
            trained otherwise than its `config.json` says; what that says when None, else as published.
        dim: the first components of every vector, so many, of a model that was trained to be cut; all when None.

    Raises:
        EncoderNotFound: no such folder, or a hub id that is neither cached nor within reach.
        WeightsMismatch: a weight is missing, unexpected or of another shape.
        EncoderError: another file of the checkpoint is damaged.
        MissingExtra: torch, transformers or peft is not installed, or what `quantise` needs.
    """
    options = EncoderOptions(
        device=device,
        dtype=dtype,
        max_patches=max_patches,
        adapter=None if adapter is None else Path(adapter),
        quantise=quantise,
        query_prefix=query_prefix,
        page_prompt=page_prompt,
        attention=attention,
        dim=dim,
    )
    return load(name, options)


def load(name: str | Path, options: EncoderOptions, *, fetch: bool = True, known: EncoderInfo | None = None) -> Encoder:
    """As `load_encoder`; without `fetch`, a hub id must be in the hub's cache.

    What is `known` of the encoder, from a collection, is believed if the fingerprint turns out to be the same.
    """
    if str(name) == "mini":
        return _mini(options)
    found = _find(name, fetch=fetch)
    return _load_images(found, options, known) if isinstance(found, Checkpoint) else _load_text(found, options, known)


def merge_adapters(
    name: str | Path,
    out: str | Path,
    *,
    adapter: str | Path | None = None,
    dtype: Literal["float32", "bfloat16"] = "float32",
    sentence_transformers: bool = False,
    query_prefix: str | None = None,
    page_prompt: str | None = None,
    attention: Attention | None = None,
) -> None:
    """Writes a checkpoint with its adapters folded into the weights: a folder that needs neither base nor peft.

    The sums are made in float32, and written in `dtype`: bfloat16 takes half of the disk, and rounds away what is
    smaller than a weight's 256th part. It is another encoder than the unmerged one, with other bits for almost the same
    vectors: a library that one of them filled has to be encoded again for the other.

    Args:
        name: a checkpoint as `load_encoder` takes it; one that is an adapter alone is merged into the base it names.
        out: the folder to write; it must not exist, or be empty.
        adapter: a folder with an adapter that was trained on this checkpoint, to be folded in as well.
        dtype: what the weights are written in.
        sentence_transformers: in the form that sentence-transformers 6 reads as a `MultiVectorEncoder`, also without
            an adapter; what is such a folder stays one. Else with the names and settings that the checkpoint has.
        query_prefix: as in `load_encoder`; written in the form of sentence-transformers alone, and so are the next two.
        page_prompt: as in `load_encoder`.
        attention: as in `load_encoder`.

    Raises:
        EncoderError: there is no adapter to merge, or two whose sum no weight can hold (DoRA); a family that
            sentence-transformers does not read.
        InputError: `out` holds something.
        ValueError: prompts or attention, where the written files have no place for them, or cannot say them.
    """
    if str(name) == "mini":
        raise EncoderError("mini takes no adapters: there is nothing to merge")
    stated = EncoderOptions(query_prefix=query_prefix, page_prompt=page_prompt, attention=attention)
    options = replace(stated, device="cpu", dtype="float32", adapter=None if adapter is None else Path(adapter))
    loaded = _of_family(find_patch_checkpoint(name), options)
    from colvision.encoders.vlm.merging import check_mergeable, write_merged

    as_modules = sentence_transformers or loaded.checkpoint.modules is not None
    if stated != EncoderOptions() and not as_modules:
        raise ValueError(
            "query_prefix, page_prompt and attention are written in the form of sentence-transformers alone: "
            "leave them out, and give them when the merged checkpoint is loaded"
        )
    check_mergeable(loaded, Path(out), as_modules=as_modules, is_form_asked=sentence_transformers)
    [device] = options.torch_devices()
    with _damage_named(loaded.checkpoint.name):
        family = loaded.load(device, options.torch_dtype(device))
    written = EncoderOptions(dtype=dtype).torch_dtype(device)
    write_merged(family, loaded, Path(out), written, as_modules=as_modules)


def find_patch_checkpoint(name: str | Path) -> Checkpoint:
    """A checkpoint that makes vectors of patches, not loaded yet. Raises EncoderNotFound for any other encoder."""
    found = _find(name)
    if not isinstance(found, Checkpoint):
        raise EncoderNotFound(f"checkpoint {found.name!r} is an encoder of text: choose one of page images")
    if found.pools_last_token or found.model_type in TWO_TOWERS:
        raise EncoderNotFound(
            f"checkpoint {found.name!r} makes one vector of a page: adapters are trained for, and merged into, "
            "checkpoints of late interaction"
        )
    return found


def _find(name: str | Path, *, fetch: bool = True) -> Checkpoint | TextCheckpoint | TextFolder:
    """The files of a checkpoint, whole, of whatever kind it is, and not loaded yet."""
    if could_be_checkpoint(name):  # else it has no such name, whatever is installed
        require_vlm_extra("torch", "transformers")
    hub = Hub(fetch=fetch)
    return find_repository(name, lambda found: _read(found, hub), hub=hub)


def _read(repository: Repository, hub: Hub) -> Checkpoint | TextCheckpoint | TextFolder:
    """Dispatch by kind. Raises EncoderNotFound for what is no encoder here."""
    kind = checkpoint_kind(repository.folder, frozenset(_FAMILIES))
    if kind is CheckpointKind.TEXT:
        from colvision.encoders.text.checkpoint import TextCheckpoint

        return TextCheckpoint.read(repository)
    if kind is CheckpointKind.TEXT_BI_ENCODER:
        from colvision.encoders.bi_encoders.text_folder import read_text_folder

        return read_text_folder(repository)
    if kind is CheckpointKind.RERANKER:
        raise EncoderNotFound(
            f"checkpoint {repository.name!r} is a reranker: it compares a query and a page together, and makes no "
            "vectors to store. Search with another encoder, and give this one as --rerank"
        )
    return read_checkpoint(repository, hub)


def _load_images(checkpoint: Checkpoint, options: EncoderOptions, known: EncoderInfo | None) -> Encoder:
    if checkpoint.model_type in TWO_TOWERS:
        return _load_two_towers(checkpoint, options, known)
    loaded = _of_family(checkpoint, options)
    from colvision.encoders.vlm.encoder import VlmEncoder

    device, *others = options.torch_devices()
    dtype = options.torch_dtype(device)
    with _damage_named(checkpoint.name):
        return VlmEncoder(loaded.load(device, dtype), loaded, others, known)


def _load_two_towers(checkpoint: Checkpoint, options: EncoderOptions, known: EncoderInfo | None) -> Encoder:
    _check_is_known_code(checkpoint)
    if checkpoint.adapter is not None or (checkpoint.folder / "adapter_config.json").is_file():
        raise EncoderNotFound(f"checkpoint {checkpoint.name!r} is a bi-encoder with an adapter: merge it with peft")
    from colvision.encoders.bi_encoders.two_towers import TwoTowerEncoder

    with _damage_named(checkpoint.name):
        return TwoTowerEncoder(checkpoint, options, known)


def _load_text(checkpoint: TextCheckpoint | TextFolder, options: EncoderOptions, known: EncoderInfo | None) -> Encoder:
    from colvision.encoders.bi_encoders.text_folder import TextFolder

    if isinstance(checkpoint, TextFolder):
        from colvision.encoders.bi_encoders.text import TextBiEncoder

        with _damage_named(checkpoint.name):
            return TextBiEncoder.load(checkpoint, options, known)
    from colvision.encoders.text.colbert import ColbertEncoder

    checkpoint.check_options(options)
    device, *_ = options.torch_devices()  # of "cuda" the first
    dtype = options.torch_dtype(device)
    with _damage_named(checkpoint.name):
        return ColbertEncoder(checkpoint, checkpoint.load(device, dtype), known)


def _of_family(checkpoint: Checkpoint, options: EncoderOptions) -> LoadedCheckpoint:
    """Of a checkpoint of page images: its family known, and not loaded yet."""
    family = _FAMILIES.get(checkpoint.model_type)
    if family is None:
        raise EncoderNotFound(
            f"checkpoint {checkpoint.name!r} has model_type {checkpoint.model_type!r}; colvision reads "
            f"{', '.join(sorted({*_FAMILIES, *TWO_TOWERS}))}, and checkpoints of text: choose one of these"
        )
    _check_is_known_code(checkpoint)
    from colvision.encoders.vlm.loaded_checkpoint import LoadedCheckpoint

    module, _, class_name = family.partition(":")
    family_class = getattr(import_module(f"colvision.encoders.vlm.models.{module}"), class_name)
    return LoadedCheckpoint(family_class, checkpoint, options)


@contextmanager
def _damage_named(name: str) -> Iterator[None]:
    """Raises EncoderError, with what to do, for whatever loading stumbles over in a damaged file."""
    try:
        yield
    except (ColvisionError, ValueError):
        raise
    except Exception as error:  # transformers meets a damaged file with whatever it stumbles over
        raise EncoderError(
            f"checkpoint {name!r} could not be loaded ({type(error).__name__}: {error}): copy its files "
            "again from where they came, or choose another one"
        ) from error


def _check_is_known_code(checkpoint: Checkpoint) -> None:
    """Raises EncoderNotFound: a plain model's type says nothing of what a class of the repository's own makes of it."""
    config = checkpoint.config()
    own = config.get("auto_map") or {}
    models = [str(code).rpartition(".")[2] for kind, code in own.items() if kind.startswith("AutoModel")]
    classes = list(dict.fromkeys([*map(str, config.get("architectures") or ()), *models]))
    foreign = [each for each in classes if not KNOWN_CODE.fullmatch(each)]
    if own and (foreign or not classes):
        raise EncoderNotFound(
            f"checkpoint {checkpoint.name!r} brings its own code ({', '.join(foreign) or 'of no named class'}), which "
            "is never run: "
            f"as a plain {checkpoint.model_type} it would give other vectors; choose a checkpoint of a class that "
            "colvision knows"
        )


def _mini(options: EncoderOptions) -> Encoder:
    if options != EncoderOptions(device=options.device) or options.device not in (None, "cpu"):
        raise ValueError("mini runs on the CPU as it is: it takes none of these options")
    from colvision.encoders import mini

    return mini.load()


KNOWN_CODE = re.compile(r"Col(Pali|Qwen2|Qwen2_5|Qwen3|Qwen3_5|Idefics3|ModernVBert)|\w+ForRetrieval")
_FAMILIES: Mapping[str, str] = {  # config.json's model_type -> module:class
    "colpali": "colpali:ColPali",
    "paligemma": "colpali:ColPali",
    "colqwen2": "colqwen:ColQwen2",
    "qwen2_vl": "colqwen:ColQwen2",
    "qwen2_5_vl": "colqwen:ColQwen2",
    "qwen3_vl": "colqwen:ColQwen3",
    "colqwen3": "colqwen:ColQwen3",
    "qwen3_5": "colqwen:ColQwen3",
    "idefics3": "idefics:ColIdefics3",
    "smolvlm": "idefics:ColIdefics3",
    "colmodernvbert": "idefics:ColModernVBert",
    "modernvbert": "idefics:ColModernVBert",
    "neomme": "neomme:NeoMME",
    "ultravbert": "idefics:ColUltraVBert",
}
