"""Folders as sentence-transformers saves them of models with one vector a text, without weights.

python -m tests.oracles.bi_encoder_folders FOLDER
"""

import json
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, PreTrainedTokenizerFast, Qwen3Config, RobertaConfig

from colvision.testing.parts import qwen_config, qwen_parts
from tests.oracles.inputs import PAGE_TEXTS

CASE = "st-bi-encoders"
PAGE_CASE = "st-qwen3-vl-embedding"
HIDDEN = 64
_MODULE = "sentence_transformers.{}"
_LEGACY = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
}
_PROMPTS = {"query": "Question: ", "document": "From a manual: "}


@dataclass(frozen=True)
class Variant:
    """`dense` layers come after Pooling: (out_features, activation, bias, use_residual)."""

    backbone: str = "bert"
    modes: Sequence[str] = ("mean",)
    include_prompt: bool = True
    prompts: Mapping[str, str] | None = None
    dense: Sequence[tuple[int, str, bool, bool]] = ()
    is_unit: bool = True
    is_legacy: bool = False
    settings: Mapping[str, object] | None = None


VARIANTS: Mapping[str, Variant] = {
    "cls": Variant(modes=("cls",)),
    "mean": Variant(),
    "max": Variant(modes=("max",)),
    "mean-sqrt": Variant(modes=("mean_sqrt_len_tokens",)),
    "weightedmean": Variant(modes=("weightedmean",)),
    "lasttoken": Variant(modes=("lasttoken",)),
    "joined": Variant(modes=("cls", "mean", "max")),
    "prompts": Variant(prompts=_PROMPTS),
    "prompts-left-out": Variant(prompts=_PROMPTS, include_prompt=False),
    "prompts-weighted": Variant(prompts=_PROMPTS, include_prompt=False, modes=("weightedmean", "cls", "max")),
    "other-prompts": Variant(prompts={"query": "Question: ", "passage": "passage: "}),
    "dense": Variant(dense=((48, "Tanh", True, False), (32, "Identity", False, False))),
    "residual": Variant(dense=((HIDDEN, "GELU", True, True), (32, "SiLU", True, True))),
    "without-unit-length": Variant(is_unit=False),
    "legacy": Variant(modes=("mean_sqrt_len_tokens",), is_legacy=True, settings={"max_seq_length": 100}),
    "lower-case": Variant(is_legacy=True, settings={"max_seq_length": 100, "do_lower_case": True}),
    "roberta": Variant(backbone="roberta"),
    "qwen3": Variant(backbone="qwen3", modes=("lasttoken",), prompts={"query": "Instruct: find pages\nQuery:"}),
    "qwen3-mean": Variant(backbone="qwen3", prompts=_PROMPTS, include_prompt=False),
}


def _wordpiece() -> PreTrainedTokenizerFast:
    """As BERT's, but of upper and lower case: some words, and all letters. Its trainer gives another one each time."""
    letters = sorted(set("".join(PAGE_TEXTS) + string.printable) - set(string.whitespace))
    words = ["hydraulic", "pump", "the", "fil", "##ter", "Bl", "##eed", "oil", "OIL"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *words]
    made = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    )


def _byte_level(*, pad_first: bool) -> PreTrainedTokenizerFast:
    """As RoBERTa's (marks at both ends, padded on the right) or Qwen3-Embedding's (one at the end, on the left)."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    made.train_from_iterator(PAGE_TEXTS, trainer)
    begin = "" if pad_first else "<s> "
    made.post_processor = processors.TemplateProcessing(
        single=f"{begin}$A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", padding_side="left" if pad_first else "right"
    )


def _save_backbone(kind: str, folder: Path) -> None:
    small = {"hidden_size": HIDDEN, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    tokens = _wordpiece() if kind == "bert" else _byte_level(pad_first=kind == "qwen3")
    small["vocab_size"] = len(tokens)
    configs = {
        "bert": lambda: BertConfig(**small, max_position_embeddings=160),
        "roberta": lambda: RobertaConfig(**small, max_position_embeddings=162, pad_token_id=1),
        "qwen3": lambda: Qwen3Config(**small, num_key_value_heads=2, head_dim=16, max_position_embeddings=256),
    }
    tokens.model_max_length = {"bert": 160, "roberta": 160, "qwen3": 256}[kind]
    tokens.save_pretrained(folder)
    configs[kind]().save_pretrained(folder)


# As Qwen3-VL-Embedding's: an instruction, its own where none is given; then what is asked or shown; then who answers.
_CHAT = (
    "{%- if messages[0].role != 'system' -%}{{- '<|im_start|>system\nRepresent the user.<|im_end|>\n' -}}{%- endif -%}"
    "{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\n' -}}"
    "{%- for part in message.content -%}{%- if part.type == 'text' -%}{{- part.text -}}"
    "{%- else -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}{%- endif -%}{%- endfor -%}"
    "{{- '<|im_end|>\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)


def save_page_embedding(folder: Path) -> Path:
    """A folder as Qwen3-VL-Embedding's: Qwen3-VL, the last token's vector, an instruction before queries."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = qwen_parts(folder, patch=16)
    _write(folder / "config.json", qwen_config("qwen3_vl", tokens))
    kinds = ("Transformer", "Pooling", "Normalize")
    paths = ("", "1_Pooling", "2_Normalize")
    steps = [
        {"idx": place, "name": str(place), "path": path, "type": _module(kind)}
        for place, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    forward = {"method": "forward", "method_output_name": "last_hidden_state"}
    _write(folder / "modules.json", steps)
    _write(folder / "1_Pooling" / "config.json", {"embedding_dimension": HIDDEN, "pooling_mode": "lasttoken"})
    _write(folder / "config_sentence_transformers.json", {"prompts": {"query": "Find the page."}})
    settings = {
        "modality_config": {"text": forward, "image": forward, "message": {**forward, "format": "structured"}},
        "module_output_name": "token_embeddings",
        "processing_kwargs": {"chat_template": {"add_generation_prompt": True}},
    }
    _write(folder / "sentence_bert_config.json", settings)
    (folder / "chat_template.jinja").write_text(_CHAT)
    return folder


def save_variant(variant: Variant, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    _save_backbone(variant.backbone, folder)
    kinds = ["Transformer", "Pooling", *("Dense" for _ in variant.dense), *(["Normalize"] if variant.is_unit else [])]
    paths = [f"{place}_{kind}" if place else "" for place, kind in enumerate(kinds)]
    names = [_MODULE.format(f"models.{kind}") if variant.is_legacy else _module(kind) for kind in kinds]
    steps = [
        {"idx": place, "name": str(place), "path": path, "type": name}
        for place, (path, name) in enumerate(zip(paths, names, strict=True))
    ]
    _write(folder / "modules.json", steps)
    _write(folder / "config_sentence_transformers.json", {"prompts": dict(variant.prompts or {})})
    _write(folder / "sentence_bert_config.json", dict(variant.settings or {}))
    _write(folder / "1_Pooling" / "config.json", _pooling(variant))
    width = HIDDEN * len(variant.modes)
    for path, (out, activation, bias, is_residual) in zip(paths[2:], variant.dense, strict=False):
        config = {"in_features": width, "out_features": out, "bias": bias, "use_residual": is_residual}
        kind = "linear" if activation == "Identity" else "activation"
        _write(
            folder / path / "config.json", {**config, "activation_function": f"torch.nn.modules.{kind}.{activation}"}
        )
        width = out
    return folder


def _module(kind: str) -> str:
    part = "sentence_transformer" if kind == "Pooling" else "base"
    return _MODULE.format(f"{part}.modules.{kind.lower()}.{kind}")


def _pooling(variant: Variant) -> dict[str, object]:
    if variant.is_legacy:
        return {"word_embedding_dimension": HIDDEN, **{flag: mode in variant.modes for mode, flag in _LEGACY.items()}}
    modes = variant.modes[0] if len(variant.modes) == 1 else list(variant.modes)
    return {"embedding_dimension": HIDDEN, "pooling_mode": modes, "include_prompt": variant.include_prompt}


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    for variant_name, each in VARIANTS.items():
        save_variant(each, Path(sys.argv[1]) / CASE / variant_name)
    save_page_embedding(Path(sys.argv[1]) / PAGE_CASE)
