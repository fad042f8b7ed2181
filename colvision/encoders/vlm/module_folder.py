"""Folders that sentence-transformers 6 saves of an encoder of page images: what stands beside the model's own files.

`modules.json` lists the steps: Transformer (the backbone, in the root), Dense (the projection, `1_Dense/`),
MultiVectorMask (which tokens have a vector that counts), Normalize. Of a bi-encoder Pooling stands in the place of the
mask: the last token's vector alone counts. Prompts stand in the chat template and in
`config_sentence_transformers.json`. A step that colvision does not do as it is written there is refused. No torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from colvision.encoders.json_file import read_json
from colvision.encoders.module_steps import (
    MODULES_FILE,
    POOLED,
    SETTINGS_FILE,
    TOKENS,
    TRANSFORMER_FILE,
    read_dense,
    read_steps,
)
from colvision.errors import EncoderNotFound

TEMPLATE_FILE = "chat_template.jinja"

_CLASSES = {  # the steps of a backbone that transformers has no retrieval class of, in their order
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "MultiVectorMask": "sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}
_PIXELS = ("min_pixels", "max_pixels")
_SCORES = ("maxsim", "meanmaxsim")
_NO_MATTER = {  # how the model is loaded, not what it computes, or what is read below
    "model_kwargs": ("dtype", "torch_dtype", "attn_implementation", "device_map", "low_cpu_mem_usage"),
    "processor_kwargs": (*_PIXELS, "padding_side", "use_fast", "model_max_length"),
    "config_kwargs": (),
    "processing_kwargs": ("chat_template", "image", "text", "common", "audio", "video"),
}
_OF_TEXTS = ("padding", "padding_side", "return_tensors")  # and this of how they are tokenised
_READ = (  # of sentence_bert_config.json
    *_NO_MATTER,
    "transformer_task",
    "modality_config",
    "module_output_name",
    "query_expansion",
    "query_length",
    "document_length",
    "max_seq_length",
    "unpad_inputs",  # how batches are computed
)


@dataclass(frozen=True, slots=True)
class ModuleFolder:
    """What `modules.json` and the files it leads to say.

    `projection` is the folder of the Dense layer, None where vectors are the backbone's hidden states. `is_native`:
    the backbone is a retrieval class of transformers, which projects and prompts by itself. `prompts` (query, document)
    come before what the chat template writes; `template` are the template's own arguments. Tokens of `skipped` words
    have no vector in the `skipped_in` tasks (query, document); where `kept` ids are named, no other of a page has.
    `query_length`, `document_length` are in tokens, prompt included. `mean`: the score is the mean over query tokens.
    `last_token`: a page, as a query, has the vector of its last token and no other.
    """

    folder: Path
    projection: Path | None
    is_native: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    template: Mapping[str, object] = field(default_factory=dict)
    pixels: Mapping[str, int] = field(default_factory=dict)
    skipped: Sequence[str] = ()
    skipped_in: Sequence[str] = ("document",)
    kept: Sequence[int] = ()
    query_length: int | None = None
    document_length: int | None = None
    mean: bool = False
    last_token: bool = False

    @property
    def settings(self) -> tuple[str, ...]:
        """What of it decides vectors and scores beside prompts and weights: a part of the fingerprint."""
        decides = (self.skipped, self.skipped_in, self.kept, self.query_length, dict(self.pixels), self.mean)
        pooled = ("last token",) if self.last_token else ()
        return (json.dumps(decides, sort_keys=True), *pooled)


def read_modules(folder: Path, name: str) -> ModuleFolder | None:
    """What the folder of checkpoint `name` says of its modules; None where it has no `modules.json`.

    Raises EncoderNotFound, naming the step, for a module or a setting that would be left out.
    """
    if not (folder / MODULES_FILE).is_file():
        return None
    reader = _Reader(folder, name)
    try:
        return reader.read()
    except (AttributeError, TypeError, ValueError) as error:
        reader.refuse(f"one of its settings cannot be read ({error})")


def write_modules(modules: ModuleFolder, template: str, shape: tuple[int, int], *, bias: bool = True) -> None:
    """Writes what `read_modules` reads, beside a backbone that stands in the folder; not the weights of the projection.

    `template` is the chat template, `shape` the projection's (dim, hidden). Raises OSError.
    """
    kinds = [kind for kind in _CLASSES if kind != "Dense" or modules.projection is not None]
    paths = {kind: f"{number}_{kind}" if number else "" for number, kind in enumerate(kinds)}
    forward = {"method": "forward", "method_output_name": "last_hidden_state"}
    through = {"module_input_name": TOKENS, "module_output_name": TOKENS}
    dim, hidden = shape
    written: dict[str, object] = {
        MODULES_FILE: [
            {"idx": number, "name": str(number), "path": paths[kind], "type": _CLASSES[kind]}
            for number, kind in enumerate(kinds)
        ],
        SETTINGS_FILE: {
            "model_type": "MultiVectorEncoder",
            "prompts": {task: modules.prompts.get(task) for task in ("query", "document")},
            "default_prompt_name": None,
            "similarity_fn_name": "meanmaxsim" if modules.mean else "maxsim",
        },
        TRANSFORMER_FILE: {
            "transformer_task": "feature-extraction",
            "modality_config": {"text": forward, "image": forward, "message": {**forward, "format": "structured"}},
            "module_output_name": TOKENS,
            "query_length": modules.query_length,
            "document_length": modules.document_length,
            "processor_kwargs": dict(modules.pixels),
        },
        f"{paths['MultiVectorMask']}/config.json": {
            "skiplist_words": list(modules.skipped),
            "skiplist_tasks": list(modules.skipped_in),
            "keep_only_token_ids": list(modules.kept) or None,
        },
        f"{paths['Normalize']}/config.json": through,
    }
    if modules.projection is not None:
        identity = "torch.nn.modules.linear.Identity"
        layer = {"in_features": hidden, "out_features": dim, "bias": bias, "activation_function": identity}
        written[f"{paths['Dense']}/config.json"] = {**layer, **through}
    for name, content in written.items():
        (modules.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (modules.folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (modules.folder / TEMPLATE_FILE).write_text(template, encoding="utf-8")


def chat_template(query_prefix: str, query_suffix: str, page: str) -> str:
    """A chat template (Jinja) that writes a query between its prompts, and a page as `page`, which holds its image."""
    before, after, picture = (json.dumps(text, ensure_ascii=False) for text in (query_prefix, query_suffix, page))
    return (
        f"{{%- if task == 'query' -%}}{{{{- {before} + messages[-1].content[0].text + {after} -}}}}"
        f"{{%- else -%}}{{{{- {picture} -}}}}{{%- endif -%}}"
    )


class _Reader:
    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def refuse(self, what: str) -> NoReturn:
        raise EncoderNotFound(
            f"checkpoint {self._name!r} was saved by sentence-transformers, and {what}: colvision reads a Transformer, "
            "one Dense layer without activation, MultiVectorMask (or Pooling of the last token), Normalize; choose a "
            "checkpoint of these"
        )

    def read(self) -> ModuleFolder:
        steps = read_steps(self._folder, self.refuse)
        folders = dict(steps)
        is_pooled = "Pooling" in folders
        settings = self._settings(self._folder / SETTINGS_FILE)
        # Without that file sentence-transformers infers what a bi-encoder reads from the model's own.
        is_inferred = is_pooled and not (self._folder / TRANSFORMER_FILE).is_file()
        transformer = {} if is_inferred else self._settings(self._folder / TRANSFORMER_FILE)
        is_native = transformer.get("transformer_task") == "retrieval"
        self._check_order([kind for kind, _ in steps], is_native=is_native)
        if is_pooled:
            self._check_pooling(self._settings(folders["Pooling"] / "config.json"), settings.get("similarity_fn_name"))
        elif not is_native:
            unit = self._settings(folders["Normalize"] / "config.json")
            if {unit.get(f"module_{side}_name") for side in ("input", "output")} != {TOKENS}:
                self.refuse("its Normalize is not for the vectors of tokens")
        mask = self._settings(folders["MultiVectorMask"] / "config.json") if "MultiVectorMask" in folders else {}
        tasks = mask.get("skiplist_tasks") or ["document"]
        score = settings.get("similarity_fn_name") or "maxsim"
        if not is_pooled and score not in _SCORES:
            self.refuse(f"its score is {score}, not a sum or a mean of the best similarities")
        longest = (transformer.get("processor_kwargs") or {}).get("model_max_length") or transformer.get(
            "max_seq_length"
        )
        return ModuleFolder(
            folder=self._folder,
            projection=self._dense(folders["Dense"], POOLED if is_pooled else TOKENS) if "Dense" in folders else None,
            is_native=is_native,
            prompts={task: text for task, text in (settings.get("prompts") or {}).items() if text},
            template=self._template(transformer, is_native=is_native, is_pooled=is_pooled),
            pixels=self._pixels(transformer),
            skipped=tuple(mask.get("skiplist_words") or ()),
            skipped_in=(tasks,) if isinstance(tasks, str) else tuple(tasks),
            kept=tuple(mask.get("keep_only_token_ids") or ()),
            query_length=self._length(transformer.get("query_length") or longest),
            document_length=self._length(transformer.get("document_length") or longest),
            mean=score == "meanmaxsim",
            last_token=is_pooled,
        )

    def _settings(self, file: Path) -> dict[str, Any]:
        """What a file of settings says: without one, what it would say otherwise than usual were lost."""
        if not file.is_file():
            self.refuse(f"{file.relative_to(self._folder)} is not there: copy it from the checkpoint")
        return read_json(file)

    def _length(self, tokens: object) -> int | None:
        if tokens is not None and (not isinstance(tokens, int) or tokens < 1):
            self.refuse(f"its {TRANSFORMER_FILE} says a length of {tokens!r} tokens")
        return tokens

    def _check_order(self, kinds: list[str], *, is_native: bool) -> None:
        known = ("Transformer", "MultiVectorMask") if is_native else (*_CLASSES, "Pooling")
        if "Pooling" in kinds and kinds[:2] != ["Transformer", "Pooling"]:
            self.refuse(f"its steps are {', '.join(kinds)}")
        if "Pooling" in kinds and "MultiVectorMask" in kinds:
            self.refuse("it pools the vectors of tokens and keeps them, too")
        for kind in kinds:
            if kind not in known:
                self.refuse(f"its step {kind} is not known here")
            if kinds.count(kind) > 1:
                self.refuse(f"it has {kinds.count(kind)} steps {kind}")
        if kinds[:1] != ["Transformer"] or (not is_native and "Normalize" not in kinds):
            self.refuse(f"its steps are {', '.join(kinds)}")
        if "Dense" in kinds and kinds.index("Dense") > kinds.index("Normalize"):
            self.refuse("its Dense layer comes after Normalize")

    def _check_pooling(self, config: Mapping[str, Any], similarity: object) -> None:
        mode = config.get("pooling_mode") or ("lasttoken" if config.get("pooling_mode_lasttoken") else "another")
        if mode not in ("lasttoken", ["lasttoken"]):
            self.refuse(f"its Pooling is {mode}, where one vector of a page image is read from the last token")
        if similarity not in (None, "cosine", "dot"):
            self.refuse(f"its vectors are compared by {similarity}")

    def _dense(self, folder: Path, vectors: str) -> Path:
        dense = read_dense(self._settings(folder / "config.json"), vectors, self.refuse)
        if dense.activation != "Identity":
            self.refuse(f"its Dense layer has the activation {dense.activation}")
        if dense.adds_input:
            self.refuse("its Dense layer adds its input to its output")
        return folder

    def _template(self, transformer: Mapping[str, Any], *, is_native: bool, is_pooled: bool) -> Mapping[str, object]:
        """The arguments of its chat template. A model that is not asked through one has no prompt for a page."""
        if transformer.get("query_expansion"):
            self.refuse("it fills queries up with mask tokens, which no model of page images does")
        message = (transformer.get("modality_config") or {}).get("message")
        is_inferred = "modality_config" not in transformer  # by sentence-transformers, from the files
        if not is_native and not (is_pooled and is_inferred) and (message is None or message.get("format") == "flat"):
            self.refuse("it reads texts alone: it has no chat template for pages")
        processing = transformer.get("processing_kwargs") or {}
        places = {"": (transformer, _READ), **{key: (transformer.get(key), known) for key, known in _NO_MATTER.items()}}
        places |= {f"processing_kwargs, {kind}": (processing.get(kind), _OF_TEXTS) for kind in ("text", "common")}
        for place, (given, known) in places.items():
            none = (None,) if place else (None, False)
            unknown = sorted(key for key, value in (given or {}).items() if value not in none and key not in known)
            if unknown:
                self.refuse(f"its {TRANSFORMER_FILE} sets {', '.join(unknown)}{' in ' if place else ''}{place}")
        if not is_native and (transformer.get("module_output_name") or TOKENS) != TOKENS:
            self.refuse("its Transformer gives something else than the vectors of tokens")
        template = processing.get("chat_template") or {}
        return {key: value for key, value in template.items() if key != "restore_suffix"}  # for texts that are cut

    def _pixels(self, transformer: Mapping[str, Any]) -> Mapping[str, int]:
        """The least and the most pixels of a page, where they are not left to the image processor's own file."""
        image = (transformer.get("processing_kwargs") or {}).get("image") or {}
        if unknown := set(image) - set(_PIXELS):
            self.refuse(f"its {TRANSFORMER_FILE} sets {', '.join(sorted(unknown))} of images")
        given = {**(transformer.get("processor_kwargs") or {}), **image}
        return {name: int(given[name]) for name in _PIXELS if given.get(name) is not None}
