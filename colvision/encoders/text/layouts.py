"""What the files beside a ColBERT's weights say, as Stanford, PyLate and sentence-transformers 6 save them. No torch.

- Stanford (Santhanam et al. 2022, arXiv:2112.01488): `artifact.metadata` beside a `config.json` that names HF_ColBERT.
- PyLate: `modules.json` with a Transformer and Dense layers; the rest stands in `config_sentence_transformers.json`.
- sentence-transformers 6: `modules.json` with MultiVectorMask and Normalize, the rest in `sentence_bert_config.json`.

All become one `ColbertLayout`, as sentence-transformers 6.2 reads them. A setting that would be left out is refused.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from colvision.encoders.json_file import read_json
from colvision.encoders.module_steps import (
    MODULES_FILE,
    SETTINGS_FILE,
    TOKENS,
    TRANSFORMER_FILE,
    read_dense,
    read_steps,
)
from colvision.encoders.repository import STANFORD_FILE
from colvision.errors import EncoderNotFound

_QUERY_LENGTH = 32  # tokens, of an expanded query where nobody says (Khattab and Zaharia 2020, arXiv:2004.12832)
_PUNCTUATION = tuple(string.punctuation)  # of documents, without a vector: Stanford's and PyLate's default
_STEPS = ("Transformer", "Dense", "MultiVectorMask", "Normalize")
_LENGTHS = ("query_length", "document_length", "query_expansion")
_MARKS = ("do_query_expansion", "attend_to_expansion_tokens", "attend_to_mask_tokens", "skiplist_words")
_PREFIXES = {"query": "query_prefix", "document": "document_prefix"}  # tokens in PyLate, text in front here
_NO_MATTER = {  # of sentence_bert_config.json: how the model is loaded, not what it computes
    "model_kwargs": None,
    "processor_kwargs": ("padding_side", "use_fast", "model_max_length"),
    "config_kwargs": (),
    "processing_kwargs": (),
}


@dataclass(frozen=True, slots=True)
class Expansion:
    """A query is filled up to `length` tokens with `token` (None: the tokenizer's mask), which count in the score.

    `attends`: the model sees them. `is_fixed`: a longer query is cut to `length`; else it stays as it is.
    """

    length: int
    attends: bool = False
    is_fixed: bool = True
    token: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectionLayer:
    """A linear layer: the `file` with its `linear.weight`; `adds_input` (itself, or projected) to what the `activation`
    of torch makes of it.
    """

    file: Path
    adds_input: bool = False
    activation: str = "Identity"


@dataclass(frozen=True, slots=True)
class ColbertLayout:
    """How texts reach the model, and which of its vectors count.

    `query_prompt` and `document_prompt` come before every text; `markers` in them are one token each, which the
    tokenizer is told. Lengths are in tokens, prompt included. Tokens of `skipped` words have no vector in the
    `skipped_in` tasks (query, document); where `kept` ids are named, no other of a document has. `mean`: the score is
    the mean over query tokens.
    """

    query_prompt: str = ""
    document_prompt: str = ""
    markers: tuple[str, ...] = ()
    query_length: int | None = None
    document_length: int | None = None
    max_length: int | None = None
    expansion: Expansion | None = None
    skipped: tuple[str, ...] = ()
    skipped_in: tuple[str, ...] = ("document",)
    kept: tuple[int, ...] = ()
    projection: tuple[ProjectionLayer, ...] = ()
    mean: bool = False


def read_layout(folder: Path, name: str) -> ColbertLayout:
    """What checkpoint `name` says. Raises EncoderNotFound, naming it, for a step or setting that would be left out."""
    return _Reader(folder, name).read()


class _Reader:
    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def refuse(self, what: str) -> NoReturn:
        raise EncoderNotFound(
            f"checkpoint {self._name!r} is an encoder of text, and {what}: choose a ColBERT of docs/encoders.md"
        )

    def read(self) -> ColbertLayout:
        if (self._folder / MODULES_FILE).is_file():
            return self._modules()
        return self._stanford()

    def _stanford(self) -> ColbertLayout:
        file = self._folder / STANFORD_FILE
        if not file.is_file():
            raise EncoderNotFound(
                f"checkpoint {self._name!r} lacks {STANFORD_FILE}, which states its markers and lengths: copy it to "
                f"{self._folder} from where it came"
            )
        stated = read_json(file)
        query, document = (
            f"{stated.get(key) or default} "
            for key, default in (("query_token_id", "[unused0]"), ("doc_token_id", "[unused1]"))
        )
        return ColbertLayout(
            query_prompt=query,
            document_prompt=document,
            markers=(query, document),
            document_length=self._count(stated, "doc_maxlen"),
            expansion=Expansion(
                self._count(stated, "query_maxlen") or _QUERY_LENGTH, bool(stated.get("attend_to_mask_tokens"))
            ),
            skipped=_PUNCTUATION if stated.get("mask_punctuation", True) else (),
            projection=(ProjectionLayer(self._folder / "model.safetensors"),),
        )

    def _modules(self) -> ColbertLayout:
        settings = self._file(SETTINGS_FILE)
        transformer = self._file(TRANSFORMER_FILE)
        steps = read_steps(self._folder, self.refuse)
        is_complete = settings.get("model_type") == "MultiVectorEncoder"  # PyLate lists what has weights alone
        self._check_steps(steps, settings, is_complete=is_complete)
        self._check_transformer(transformer)
        prompts, markers = self._prompts(settings)
        mask = next((self._config(path) for kind, path in steps if kind == "MultiVectorMask"), None)
        if mask is None:
            stated = settings.get("skiplist_words")
            mask = {"skiplist_words": () if is_complete else _PUNCTUATION if stated is None else stated}
        tasks = mask.get("skiplist_tasks") or ["document"]
        lengths = {
            **self._former_lengths(settings),
            **{key: transformer[key] for key in _LENGTHS if key in transformer},
        }
        return ColbertLayout(
            query_prompt=prompts["query"],
            document_prompt=prompts["document"],
            markers=markers,
            query_length=self._count(lengths, "query_length"),
            document_length=self._count(lengths, "document_length"),
            max_length=self._max_length(transformer),
            expansion=self._expansion(lengths.get("query_expansion")),
            skipped=tuple(map(str, mask.get("skiplist_words") or ())),
            skipped_in=(tasks,) if isinstance(tasks, str) else tuple(tasks),
            kept=tuple(mask.get("keep_only_token_ids") or ()),
            projection=tuple(self._dense(path) for kind, path in steps if kind == "Dense"),
            mean=settings.get("similarity_fn_name") == "meanmaxsim",
        )

    def _check_steps(
        self, steps: Sequence[tuple[str, Path]], settings: Mapping[str, Any], *, is_complete: bool
    ) -> None:
        kinds = [kind for kind, _ in steps]
        for kind in kinds:
            if kind not in _STEPS:
                self.refuse(f"its step {kind} is not known here")
            if kind != "Dense" and kinds.count(kind) > 1:
                self.refuse(f"it has {kinds.count(kind)} steps {kind}")
        if kinds[:1] != ["Transformer"]:
            self.refuse(f"its steps are {', '.join(kinds)}, of which the first is no Transformer")
        if "Normalize" in kinds and "Dense" in kinds[kinds.index("Normalize") :]:
            self.refuse("its Dense layer comes after Normalize")
        for kind, path in steps:
            if kind == "Normalize" and self._config(path).get("module_input_name") != TOKENS:
                self.refuse("its Normalize is not for the vectors of tokens")
        if is_complete and "Normalize" not in kinds:
            self.refuse("its vectors have any length: it has no Normalize")
        if not is_complete and not {"query_prefix", *_MARKS} & settings.keys():
            self.refuse(f"its {SETTINGS_FILE} says nothing of how it was trained to be asked: no query_prefix")

    def _check_transformer(self, transformer: Mapping[str, Any]) -> None:
        modalities = transformer.get("modality_config")
        if modalities is not None and ("message" in modalities or "text" not in modalities):
            self.refuse("it is asked through a chat template")
        text = (modalities or {}).get("text") or {}
        if text.get("method_output_name", "last_hidden_state") != "last_hidden_state":
            self.refuse(f"it takes {text['method_output_name']} of its model")
        for key, known in _NO_MATTER.items():
            unknown = set(transformer.get(key) or ()) - set(known) if known is not None else set()
            if unknown:
                self.refuse(f"its {TRANSFORMER_FILE} sets {', '.join(sorted(unknown))} in {key}")
        if transformer.get("do_lower_case"):
            self.refuse("its texts are put into small letters beside its tokenizer")

    def _prompts(self, settings: Mapping[str, Any]) -> tuple[Mapping[str, str], tuple[str, ...]]:
        """Both prompts, and the markers that they begin with."""
        stated = settings.get("prompts") or {}
        prompts, markers = {}, []
        for task, key in _PREFIXES.items():
            prompt = str(stated.get(task) or "")
            if key in settings:
                marker = str(settings[key] or "")
                prompt = marker + prompt.removeprefix(marker)
                markers.append(marker)
            prompts[task] = prompt
        return prompts, tuple(filter(None, markers))

    def _former_lengths(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Lengths and expansion where PyLate states them; expansion is its default."""
        lengths = {
            key: settings[key]
            for key in _LENGTHS
            if key in settings and (settings[key] is not None or key == "query_expansion")
        }
        if "query_expansion" in lengths or not {*_LENGTHS, *_MARKS, *_PREFIXES.values()} & settings.keys():
            return lengths
        if settings.get("do_query_expansion") is False:
            return lengths
        attends = settings.get("attend_to_expansion_tokens", settings.get("attend_to_mask_tokens"))
        length = lengths.pop("query_length", None) or _QUERY_LENGTH
        return {**lengths, "query_expansion": {"strategy": "fixed", "attend": bool(attends), "length": length}}

    def _expansion(self, stated: object) -> Expansion | None:
        if stated is None:
            return None
        if not isinstance(stated, dict) or stated.get("strategy") not in ("fixed", "min"):
            self.refuse(f"its queries are filled up by {stated!r}, which is neither 'fixed' nor 'min'")
        length = self._count(stated, "length")
        if length is None:
            self.refuse("it does not say to how many tokens a query is filled up")
        token = stated.get("token")
        return Expansion(
            length, bool(stated.get("attend")), stated["strategy"] == "fixed", None if token is None else str(token)
        )

    def _dense(self, folder: Path) -> ProjectionLayer:
        dense = read_dense(self._config(folder), TOKENS, self.refuse)
        if dense.activation != "Identity":
            self.refuse(f"its Dense layer has the activation {dense.activation}")
        return ProjectionLayer(folder / "model.safetensors", dense.adds_input)

    def _max_length(self, transformer: Mapping[str, Any]) -> int | None:
        """Of any text, as older files state it, or as an argument of the tokenizer."""
        arguments = transformer.get("processor_kwargs") or {}
        return self._count(arguments, "model_max_length") or self._count(transformer, "max_seq_length")

    def _count(self, stated: Mapping[str, Any], key: str) -> int | None:
        value = stated.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            self.refuse(f"its {key} is {value!r}, which is no number of tokens")
        return value

    def _config(self, folder: Path) -> dict[str, Any]:
        return self._file(f"{folder.name}/config.json") if folder != self._folder else {}

    def _file(self, name: str) -> dict[str, Any]:
        path = self._folder / name
        return read_json(path) if path.is_file() else {}
