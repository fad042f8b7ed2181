"""Folders of sentence-transformers whose model makes one vector of a text: what stands beside its weights. No torch.

`modules.json` lists the steps: Transformer (in the root), Pooling (one vector of all tokens' vectors), then Dense
layers and Normalize in any order. Prompts stand in `config_sentence_transformers.json`, the longest text in
`sentence_bert_config.json`. A step or setting that colvision does not do as it is written there is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from colvision.encoders.json_file import read_json
from colvision.encoders.module_steps import POOLED, SETTINGS_FILE, read_dense, read_steps
from colvision.encoders.repository import Repository
from colvision.encoders.text.checkpoint import check_text_files
from colvision.encoders.text.layouts import ProjectionLayer
from colvision.errors import EncoderNotFound

# Where the Transformer's settings stand, the first that is there: sentence-transformers names it after the model.
_TRANSFORMER_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
_POOLING_FLAGS = {  # as earlier versions wrote them, in the order in which several are joined
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")
_UNREAD = ("model_kwargs", "tokenizer_kwargs", "processor_kwargs", "config_kwargs", "model_args", "config_args")
_NO_MATTER = ("attn_implementation", "torch_dtype", "dtype", "use_fast", "use_cache", "unpad_inputs")


class PoolingStep(NamedTuple):
    """The modes whose vectors are joined end to end, and whether the prompt's tokens are pooled, too."""

    modes: tuple[str, ...]
    with_prompt: bool = True


class NormalizeStep(NamedTuple):
    """Vectors of unit length."""


HeadStep = ProjectionLayer | NormalizeStep


@dataclass(frozen=True, slots=True)
class TextFolder:
    """`pooling` and then `head` make a vector of the tokens' vectors; the `repository` is complete.

    `query_prompt` and `page_prompt` come before a text. `query_length` and `page_length` are in tokens, prompt and the
    model's own marks included; None where the tokenizer and the model say it. `dim`: to how many components vectors are
    cut, None for all.
    """

    repository: Repository
    pooling: PoolingStep
    head: tuple[HeadStep, ...] = ()
    query_prompt: str = ""
    page_prompt: str = ""
    max_length: int | None = None
    query_length: int | None = None
    page_length: int | None = None
    lower_case: bool = False
    dim: int | None = None

    @property
    def name(self) -> str:
        return self.repository.name

    @property
    def folder(self) -> Path:
        return self.repository.folder

    @property
    def dense_folders(self) -> list[Path]:
        return [step.file.parent for step in self.head if isinstance(step, ProjectionLayer)]

    @property
    def settings(self) -> tuple[str, ...]:
        """What of it decides the vectors of pages beside the files of its layers: a part of the fingerprint."""
        head = [
            (step.activation, step.adds_input) if isinstance(step, ProjectionLayer) else "unit" for step in self.head
        ]
        decides = (self.pooling, head, self.page_prompt, self.max_length, self.page_length, self.lower_case)
        return (json.dumps(decides),)


def read_text_folder(repository: Repository) -> TextFolder:
    """What the folder says. Raises EncoderNotFound for what is missing, and for a step or setting that is not read."""
    check_text_files(repository)
    return _Reader(repository).read()


class _Reader:
    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._folder = repository.folder

    def refuse(self, what: str) -> NoReturn:
        raise EncoderNotFound(
            f"checkpoint {self._repository.name!r} was saved by sentence-transformers, and {what}: of models with one "
            "vector a text colvision reads a Transformer, Pooling, Dense layers and Normalize; choose a checkpoint of "
            "these"
        )

    def read(self) -> TextFolder:
        steps = read_steps(self._folder, self.refuse)
        kinds = [kind for kind, _ in steps]
        if kinds[:2] != ["Transformer", "Pooling"]:
            self.refuse(f"its steps are {', '.join(kinds)}")
        head = tuple(self._head_step(kind, path) for kind, path in steps[2:])
        settings = _read(self._folder / SETTINGS_FILE)
        transformer = self._transformer()
        self._check_similarity(settings, head)
        prompts = settings.get("prompts") or {}
        return TextFolder(
            repository=self._repository,
            pooling=self._pooling(self._settings(steps[1][1] / "config.json")),
            head=head,
            query_prompt=prompts.get("query") or "",
            page_prompt=prompts.get("document") or "",
            max_length=transformer.get("max_seq_length"),
            query_length=transformer.get("query_length"),
            page_length=transformer.get("document_length"),
            lower_case=bool(transformer.get("do_lower_case")),
            dim=settings.get("truncate_dim"),
        )

    def _transformer(self) -> Mapping[str, Any]:
        file = next((self._folder / each for each in _TRANSFORMER_FILES if (self._folder / each).is_file()), None)
        settings = {} if file is None else read_json(file)
        task = settings.get("transformer_task", "feature-extraction")
        if task != "feature-extraction":
            self.refuse(f"its Transformer is for the task {task}")
        if settings.get("query_expansion"):
            self.refuse("it fills queries up with mask tokens")
        modalities = settings.get("modality_config") or {}
        if "message" in modalities or (modalities and "text" not in modalities):
            self.refuse(f"it reads {', '.join(modalities)}, not plain texts")
        for key in _UNREAD:
            if unknown := set(settings.get(key) or ()) - set(_NO_MATTER):
                self.refuse(f"its Transformer sets {', '.join(sorted(unknown))} in {key}")
        return settings

    def _pooling(self, config: Mapping[str, Any]) -> PoolingStep:
        stated = config.get("pooling_mode") or tuple(mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag))
        modes = (stated,) if isinstance(stated, str) else tuple(stated) or ("mean",)
        if unknown := set(modes) - set(_POOLING_FLAGS.values()):
            self.refuse(f"its Pooling is {', '.join(sorted(unknown))}")
        return PoolingStep(modes, with_prompt=bool(config.get("include_prompt", True)))

    def _head_step(self, kind: str, folder: Path) -> HeadStep:
        if kind not in ("Dense", "Normalize"):
            self.refuse(f"its step {kind} is not known here")
        if kind == "Normalize":
            config = _read(folder / "config.json")
            if {config.get(f"module_{side}_name") or POOLED for side in ("input", "output")} != {POOLED}:
                self.refuse("its Normalize is not for the vector of a text")
            return NormalizeStep()
        dense = read_dense(self._settings(folder / "config.json"), POOLED, self.refuse)
        if dense.activation not in ACTIVATIONS:
            self.refuse(f"its Dense layer has the activation {dense.activation}")
        file = folder / "model.safetensors"
        if not file.is_file():
            raise EncoderNotFound(
                f"{folder} lacks model.safetensors, a layer that makes its vectors: copy it there from the checkpoint "
                "(pickled weights are not read)"
            )
        return ProjectionLayer(file, dense.adds_input, dense.activation)

    def _settings(self, file: Path) -> dict[str, Any]:
        """What a step's file of settings says: without one, what it would say otherwise than usual were lost."""
        if not file.is_file():
            self.refuse(f"{file.relative_to(self._folder)} is not there: copy it from the checkpoint")
        return read_json(file)

    def _check_similarity(self, settings: Mapping[str, Any], head: tuple[HeadStep, ...]) -> None:
        """Stored vectors have unit length: a product of others would rank otherwise."""
        name = settings.get("similarity_fn_name") or "cosine"
        is_unit = bool(head) and isinstance(head[-1], NormalizeStep)
        if name != "cosine" and not (name in ("dot", "euclidean") and is_unit):
            self.refuse(f"its vectors are compared by {name}{'' if is_unit else ' without unit length'}")


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}
