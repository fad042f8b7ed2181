"""A text model of transformers with the steps that make one vector of its tokens' vectors: complete or refused."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from colvision.core.embedding import Floats
from colvision.encoders.bi_encoders.pooling import pool
from colvision.encoders.bi_encoders.text_folder import HeadStep, TextFolder
from colvision.encoders.stored_weights import check_weights
from colvision.encoders.text.layouts import ProjectionLayer
from colvision.encoders.text.page_text import Span, cut_into_passages, word_spans
from colvision.encoders.text.projection import make_projection
from colvision.encoders.vlm.processing import load_tokenizer
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

# Of the backbone beyond its last hidden states, which alone are read: may be missing, or there and not read.
_HEADS = ("pooler.", "lm_head.", "cls.", "classifier.", "vocab_", "decoder.")
_BUFFERS = ("position_ids", "rotary_emb.inv_freq")  # of earlier versions' saves; computed, not learned


class Passage(NamedTuple):
    """What is read at once: token ids, marks and prompt included, and the text of it."""

    ids: Sequence[int]
    text: str


class TextModel:
    """Texts as token ids, and token ids as vectors. Nothing that the model cannot read at once is cut in silence."""

    def __init__(self, folder: TextFolder, device: torch.device, dtype: torch.dtype) -> None:
        name = folder.name
        self.folder = folder
        self.tokenizer = load_tokenizer(folder.folder)
        if folder.lower_case:
            _lower_case(self.tokenizer)
        self.model = load_backbone(folder.folder, name, dtype).to(device)
        pooled = int(self.model.config.hidden_size) * len(folder.pooling.modes)
        head, self.full_dim = _load_head(folder.head, pooled)
        self.head = head.to(device)
        self._check_tokenizer(name)
        self._longest = folder.max_length or _longest(self.tokenizer, self.model.config)

    @property
    def query_length(self) -> int:
        """The most tokens of a query that are read at once, prompt and marks included."""
        return self.folder.query_length or self._longest

    @property
    def page_length(self) -> int:
        return self.folder.page_length or self._longest

    def passages(self, text: str, prompt: str, longest: int) -> list[Passage]:
        """A text as it is where it fits in `longest` tokens, else in passages that do, each after the prompt.

        Raises EncoderNotFound where not even the prompt fits.
        """
        ids = self._ids(prompt + text)
        if len(ids) <= longest:
            return [Passage(ids or [_end_token(self.tokenizer)], text)]
        around = len(self._ids(prompt))
        if around >= longest:
            raise EncoderNotFound(
                f"the prompt {prompt!r} fills the {longest} tokens that {self.folder.folder} reads at once: give a "
                "shorter one"
            )

        def count(span: Span) -> int:
            return len(self._ids(prompt + text[slice(*span)])) - around

        parts = [text[slice(*span)] for span in cut_into_passages(word_spans(text), count, longest - around)]
        return [Passage(self._ids(prompt + part), part) for part in parts]

    def vectors(self, passages: Sequence[Passage], prompt: str) -> Floats:
        """One a passage, (n, dim) float32, of any length; padded on the tokenizer's side, which counts nowhere."""
        ids, mask = self._pad([passage.ids for passage in passages])
        excluded = 0 if self.folder.pooling.with_prompt else self._prompt_tokens(prompt)
        with torch.inference_mode():
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state  # (b, s, hidden)
            made = pool(states, mask, self.folder.pooling.modes, excluded)  # (b, dim)
            made = self.head(made)
        vectors: Floats = made.float().cpu().numpy()
        return vectors

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, verbose=False)["input_ids"])

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        longest = max(map(len, rows))
        pad = self.tokenizer.pad_token_id
        ids = torch.full((len(rows), longest), 0 if pad is None else int(pad))
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            real = slice(longest - len(row), None) if self.tokenizer.padding_side == "left" else slice(0, len(row))
            ids[number, real] = torch.tensor(row)
            mask[number, real] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    def _prompt_tokens(self, prompt: str) -> int:
        """The tokens of a prompt alone, without the mark that ends a text."""
        if not prompt:
            return 0
        ids = self.tokenizer(prompt)["input_ids"]
        return len(ids) - (bool(ids) and ids[-1] in self.tokenizer.all_special_ids)

    def _check_tokenizer(self, name: str) -> None:
        vocabulary = self.model.get_input_embeddings().weight.shape[0]
        if len(self.tokenizer) > vocabulary:
            raise WeightsMismatch(
                f"the tokenizer of {name!r} has {len(self.tokenizer)} tokens, the model {vocabulary}: take all files "
                "from one checkpoint"
            )


def load_backbone(folder: Path, name: str, dtype: torch.dtype) -> PreTrainedModel:
    """The model of `config.json` in evaluation mode, with every weight that its hidden states come from.

    Raises EncoderNotFound for code of its own and for models that transformers does not know, WeightsMismatch.
    """
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise EncoderNotFound(
            f"the config.json of {name!r} describes a model that transformers {transformers.__version__} does not know "
            f"({reason}): code of its own is never run; choose another checkpoint, or a newer transformers"
        ) from error
    if config.is_encoder_decoder:
        raise EncoderNotFound(f"checkpoint {name!r} is an encoder with a decoder: colvision reads models without one")
    model, report = transformers.AutoModel.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # reported below, with the others
        output_loading_info=True,
    )
    check_weights(
        f"checkpoint {name!r} does not fit {type(model).__name__}",
        missing=(key for key in report["missing_keys"] if not key.startswith(_HEADS)),
        unexpected=(key for key in report["unexpected_keys"] if not (key.startswith(_HEADS) or key.endswith(_BUFFERS))),
        reshaped=(key for key, *_ in report["mismatched_keys"]),
    )
    model.config.use_cache = False
    loaded: PreTrainedModel = model.eval()
    return loaded


def _load_head(steps: Sequence[HeadStep], inputs: int) -> tuple[nn.Sequential, int]:
    """The steps for vectors of `inputs` components, and the components that the last one gives."""
    head: list[nn.Module] = []
    for step in steps:
        if isinstance(step, ProjectionLayer):
            projection = make_projection(step, load_file(step.file), inputs)
            inputs = int(projection.linear.out_features)
            head.append(projection)
        else:
            head.append(_Unit())
    return nn.Sequential(*head).eval(), inputs


class _Unit(nn.Module):
    def forward(self, vectors: Tensor) -> Tensor:
        return nn.functional.normalize(vectors, dim=-1)


def _longest(tokenizer: PreTrainedTokenizerFast, config: PreTrainedConfig) -> int:
    """As sentence-transformers has it: what the tokenizer states, and no more than the model has positions for."""
    positions = getattr(config, "max_position_embeddings", -1)
    stated = int(tokenizer.model_max_length)
    return stated if positions is None or positions < 1 else min(stated, int(positions))


def _end_token(tokenizer: PreTrainedTokenizerFast) -> int:
    """What stands for a text without a token: the first of the marks that the tokenizer has."""
    marks = (tokenizer.eos_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id, 0)
    return next(int(mark) for mark in marks if mark is not None)


def _lower_case(tokenizer: PreTrainedTokenizerFast) -> None:
    from tokenizers.normalizers import Lowercase, Sequence

    backend = tokenizer.backend_tokenizer
    with contextlib.suppress(AttributeError):
        backend.normalizer = Lowercase() if backend.normalizer is None else Sequence([Lowercase(), backend.normalizer])
