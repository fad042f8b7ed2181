"""Tiny checkpoints of encoders of text, in every layout: real classes and files, random weights, no download."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from colvision.testing import text_parts as parts

DIM = 32
_HIDDEN = parts.HIDDEN
_MARKERS = ["[unused0]", "[unused1]", "[Q] ", "[D] "]  # those that the tokenizer has not are its [UNK]

# A token is mostly its own word: a query finds the words that it names, wherever they stand, and whatever is beside.
# What stands for no word is all one: it adds the same to the score of every page.
_GAINS = {"position_embeddings": 0.1, "token_type_embeddings": 0.1, "output.dense": 0.2, "Wo": 0.2}


def _save_colbert(folder: Path, seed: int) -> None:
    """As Stanford's code saves it: colbert-ir/colbertv2.0."""
    parts.save_stanford(folder, query_maxlen=16, doc_maxlen=64)
    tokenizer = parts.word_tokenizer(folder)
    config = parts.bert_config(tokenizer)
    state = {f"bert.{name}": weight for name, weight in _weights(config, tokenizer, seed).items()}
    _save(folder, {"architectures": ["HF_ColBERT"], **config}, {**state, "linear.weight": _matrix(DIM, _HIDDEN, seed)})


def _save_pylate(folder: Path, seed: int) -> None:
    """As PyLate saves it: lightonai/GTE-ModernColBERT-v1, with a second layer and a residual as LateOn has them."""
    parts.save_pylate(
        folder,
        [(_HIDDEN, 2 * DIM, True), (2 * DIM, DIM, False)],
        query_prefix="[Q] ",
        document_prefix="[D] ",
        query_length=32,
        document_length=96,
        do_query_expansion=False,
    )
    first = {"linear.weight": _matrix(2 * DIM, _HIDDEN, seed), "residual.weight": _matrix(2 * DIM, _HIDDEN, seed + 1)}
    save_file(first, folder / "1_Dense" / "model.safetensors")
    save_file({"linear.weight": _matrix(DIM, 2 * DIM, seed)}, folder / "2_Dense" / "model.safetensors")
    tokenizer = parts.byte_tokenizer(folder, "[Q] ", "[D] ")
    config = parts.modernbert_config(tokenizer)
    _save(folder, config, _weights(config, tokenizer, seed))


def _save_multivector(folder: Path, seed: int) -> None:
    """As sentence-transformers 6 saves a `MultiVectorEncoder`."""
    parts.save_multivector(
        folder,
        [(_HIDDEN, DIM, False)],
        prompts={"query": "query: ", "document": "passage: "},
        mask={"skiplist_words": [".", ","], "skiplist_tasks": ["document"]},
        query_expansion={"strategy": "min", "attend": True, "token": None, "length": 12},
        document_length=64,
    )
    layer = {"linear.weight": _matrix(DIM, _HIDDEN, seed), "linear.bias": torch.zeros(DIM)}
    save_file(layer, folder / "1_Dense" / "model.safetensors")
    tokenizer = parts.word_tokenizer(folder)
    config = parts.bert_config(tokenizer)
    _save(folder, config, _weights(config, tokenizer, seed))


def _weights(config: Mapping[str, object], tokenizer: PreTrainedTokenizerFast, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    model = AutoModel.from_config(AutoConfig.for_model(**config))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                gain = next((gain for part, gain in _GAINS.items() if part in name), 1.0)
                weight.normal_(std=gain / weight[0].numel() ** 0.5)
        embeddings = model.get_input_embeddings().weight
        marks = [*tokenizer.all_special_ids, *tokenizer.convert_tokens_to_ids(_MARKERS)]
        embeddings[sorted(set(marks))] = embeddings[tokenizer.pad_token_id].clone()
    return {name: weight.contiguous() for name, weight in model.state_dict().items()}


def _matrix(rows: int, columns: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1000 + seed)
    drawn: torch.Tensor = torch.randn(rows, columns, generator=generator) / columns**0.5
    return drawn


def _save(folder: Path, config: Mapping[str, object], state: Mapping[str, torch.Tensor]) -> None:
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    save_file(dict(state), folder / "model.safetensors", metadata={"format": "pt"})


TEXT_FAMILIES: Mapping[str, Callable[[Path, int], None]] = {
    "colbert": _save_colbert,
    "pylate": _save_pylate,
    "multivector": _save_multivector,
}
