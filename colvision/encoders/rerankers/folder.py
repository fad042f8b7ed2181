"""What the files beside a reranker's weights say: how a query and a page are put to it, and how its answer is read.

sentence-transformers' `CrossEncoder` saves `modules.json` (a Transformer; LogitScore for a model that answers with a
word; Pooling and layers where the head lies beside the model), `config_sentence_transformers.json` (prompts,
activation) and `sentence_bert_config.json`; older ones an entry of `config.json`. A setting that would be left out is
refused. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from colvision.encoders.json_file import read_json
from colvision.encoders.module_steps import MODULES_FILE, SETTINGS_FILE, TRANSFORMER_FILE, read_steps
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.errors import EncoderNotFound

_ACTIVATIONS = ("Sigmoid", "Identity", "Tanh")
_OLD_ACTIVATION = "sbert_ce_default_activation_function"  # in config.json, before version 4
_PIXELS = ("min_pixels", "max_pixels")
_KNOWN = {  # of sentence_bert_config.json: what is heeded here, or says how a model is loaded and not what it computes
    "processor_kwargs": (*_PIXELS, "padding_side", "use_fast", "model_max_length"),
    "config_kwargs": (),
    "processing_kwargs": ("chat_template", "image", "text"),
}
_HEAD = ("Pooling", "Dense", "LayerNorm", "Dropout")  # after a Transformer, down to a Dense that gives the score
_VECTORS = {  # steps of models that make vectors
    "MultiVectorMask": "a late-interaction encoder: it gives vectors of tokens",
    "Pooling": "a bi-encoder: it gives one vector of a text or a page",
    "Normalize": "an encoder: it gives vectors",
}


@dataclass(frozen=True, slots=True)
class RerankerFolder:
    """`head`: the steps from Pooling on, each with its folder, where the model has no head of its own.

    `answers`: the ids of the words that a model answers with, yes and no; no is None where yes alone is the score.
    `prompt` comes before the query: in a chat as the system's message. `is_chat`: a query and a page are put to the
    model by its chat template; None where no file says. `is_flat`: the template takes texts, not lists of parts.
    `template` are the template's own arguments. `activation` of the score is one of torch's, by name. `max_length`
    is in tokens, `pixels` are of a page image, None and {} where another file says.
    """

    head: Sequence[tuple[str, Path]] = ()
    answers: tuple[int, int | None] | None = None
    prompt: str = ""
    is_chat: bool | None = None
    is_flat: bool | None = None
    template: Mapping[str, object] = field(default_factory=dict)
    activation: str | None = None
    max_length: int | None = None
    pixels: Mapping[str, int] = field(default_factory=dict)


def read_folder(checkpoint: Checkpoint) -> RerankerFolder:
    """Raises EncoderNotFound for a model of another sort, and for what would be left out."""
    return _Reader(checkpoint).read()


class _Reader:
    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._folder = checkpoint.folder

    def refuse(self, what: str) -> NoReturn:
        raise EncoderNotFound(
            f"checkpoint {self._checkpoint.name!r} was saved by sentence-transformers, and {what}: choose a reranker "
            "of docs/encoders.md"
        )

    def read(self) -> RerankerFolder:
        settings = self._file(SETTINGS_FILE)
        kind = settings.get("model_type")
        steps = read_steps(self._folder, self.refuse) if (self._folder / MODULES_FILE).is_file() else []
        self._check_steps([step for step, _ in steps], kind)
        transformer = self._file(TRANSFORMER_FILE)
        self._check(transformer)
        processing = transformer.get("processing_kwargs") or {}
        modalities = transformer.get("modality_config")
        template = dict(processing.get("chat_template") or {})
        template.pop("restore_suffix", None)  # for texts that are cut, which none is here
        logits = dict(steps).get("LogitScore")
        message = (modalities or {}).get("message") or {}
        return RerankerFolder(
            head=steps[1:] if "Pooling" in dict(steps) else (),
            answers=None if logits is None else self._answers(read_json(logits / "config.json")),
            prompt=self._prompt(settings),
            is_chat=None if modalities is None else "message" in modalities,
            is_flat=None if message.get("format", "auto") == "auto" else message["format"] == "flat",
            template=template,
            activation=self._activation(settings),
            max_length=self._max_length(transformer),
            pixels=self._pixels(transformer),
        )

    def _check_steps(self, steps: Sequence[str], kind: object) -> None:
        if kind != "CrossEncoder":
            for step, what in _VECTORS.items():
                if step in steps:
                    self._refuse_encoder(what)
            if kind is not None:
                self._refuse_encoder(f"a {kind}: it gives vectors")
        for step in steps:
            if step not in ("Transformer", "LogitScore", *_HEAD):
                self.refuse(f"its step {step} is not known here")
        is_head = steps[1:2] == ["Pooling"] and steps[-1] == "Dense" and "LogitScore" not in steps
        if steps and steps not in (["Transformer"], ["Transformer", "LogitScore"]) and not is_head:
            self.refuse(f"its steps are {', '.join(steps)}")
        if is_head and (steps.count("Pooling"), steps.count("Transformer")) != (1, 1):
            self.refuse(f"its steps are {', '.join(steps)}")

    def _refuse_encoder(self, what: str) -> NoReturn:
        raise EncoderNotFound(
            f"checkpoint {self._checkpoint.name!r} is {what}, and no score of a query and a page together: it is no "
            "reranker; give it as the encoder, and choose a reranker of docs/encoders.md"
        )

    def _file(self, name: str) -> dict[str, Any]:
        path = self._folder / name
        return read_json(path) if path.is_file() else {}

    def _check(self, transformer: Mapping[str, Any]) -> None:
        for key, known in _KNOWN.items():
            if unknown := set(transformer.get(key) or ()) - set(known):
                self.refuse(f"its {TRANSFORMER_FILE} sets {', '.join(sorted(unknown))} in {key}")
        if transformer.get("do_lower_case"):
            self.refuse("its texts are put into small letters beside its tokenizer")
        text = set((transformer.get("processing_kwargs") or {}).get("text") or ())
        if unknown := text - {"max_length", "truncation", "padding", "padding_side"}:
            self.refuse(f"its {TRANSFORMER_FILE} sets {', '.join(sorted(unknown))} of texts")

    def _answers(self, config: Mapping[str, Any]) -> tuple[int, int | None]:
        yes, no = config.get("true_token_id"), config.get("false_token_id")
        if not isinstance(yes, int) or not isinstance(no, int | None):
            self.refuse(f"its LogitScore names the tokens {yes!r} and {no!r}")
        return yes, no

    def _prompt(self, settings: Mapping[str, Any]) -> str:
        name = settings.get("default_prompt_name")
        prompts = settings.get("prompts") or {}
        if name is not None and name not in prompts:
            self.refuse(f"its default prompt {name!r} is not among its prompts")
        return "" if name is None else str(prompts[name] or "")

    def _activation(self, settings: Mapping[str, Any]) -> str | None:
        config = self._checkpoint.config()
        ours = config.get("sentence_transformers") or {}
        stated = settings.get("activation_fn") or ours.get("activation_fn") or config.get(_OLD_ACTIVATION)
        if stated is None:
            return None
        package, _, name = str(stated).rpartition(".")
        if not package.startswith("torch.") or name not in _ACTIVATIONS:
            self.refuse(f"its score goes through {stated}, which is not among {', '.join(_ACTIVATIONS)} of torch")
        return name

    def _max_length(self, transformer: Mapping[str, Any]) -> int | None:
        text = (transformer.get("processing_kwargs") or {}).get("text") or {}
        tokenizer = transformer.get("processor_kwargs") or {}
        stated = (text.get("max_length"), tokenizer.get("model_max_length"), transformer.get("max_seq_length"))
        return next((int(each) for each in stated if each is not None), None)

    def _pixels(self, transformer: Mapping[str, Any]) -> Mapping[str, int]:
        image = (transformer.get("processing_kwargs") or {}).get("image") or {}
        if unknown := set(image) - set(_PIXELS):
            self.refuse(f"its {TRANSFORMER_FILE} sets {', '.join(sorted(unknown))} of images")
        given = {**(transformer.get("processor_kwargs") or {}), **image}
        return {name: int(given[name]) for name in _PIXELS if given.get(name) is not None}
