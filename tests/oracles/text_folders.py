"""Folders of ColBERT checkpoints without weights: the layouts that published ones have.

python -m tests.oracles.text_folders FOLDER
"""

import string
from collections.abc import Mapping
from pathlib import Path

from colvision.testing.text_parts import (
    HIDDEN,
    bert_config,
    byte_tokenizer,
    modernbert_config,
    save_multivector,
    save_pylate,
    save_stanford,
    word_tokenizer,
)
from tests.oracles.saving import Case, save, save_all


def _stanford(folder: Path) -> dict[str, object]:
    """colbert-ir/colbertv2.0: queries are filled up, nobody looks at what fills them, punctuation has no vector."""
    save_stanford(folder)
    return {"architectures": ["HF_ColBERT"], **bert_config(word_tokenizer(folder))}


def _stanford_attends(folder: Path) -> dict[str, object]:
    save_stanford(folder, attend_to_mask_tokens=True, mask_punctuation=False, query_maxlen=16)
    return {"architectures": ["HF_ColBERT"], **bert_config(word_tokenizer(folder))}


def _both(folder: Path) -> dict[str, object]:
    """answerdotai/answerai-colbert-small-v1: Stanford's files and PyLate's; those of PyLate count."""
    save_stanford(folder, query_maxlen=20)
    save_pylate(
        folder,
        [(HIDDEN, 8, False)],
        query_prefix="[unused0]",
        document_prefix="[unused1]",
        query_length=10,
        document_length=64,
        attend_to_expansion_tokens=False,
        skiplist_words=[".", ",", "oil", "no such token"],
    )
    return {"architectures": ["HF_ColBERT"], **bert_config(word_tokenizer(folder))}


def _pylate(folder: Path) -> dict[str, object]:
    """lightonai/GTE-ModernColBERT-v1: markers with their blank are added tokens, queries are filled up."""
    save_pylate(
        folder,
        [(HIDDEN, 8, False)],
        query_prefix="[Q] ",
        document_prefix="[D] ",
        query_length=16,
        document_length=64,
        attend_to_expansion_tokens=True,
    )
    return modernbert_config(byte_tokenizer(folder, "[Q] ", "[D] "))


def _pylate_deep(folder: Path) -> dict[str, object]:
    """LateOn, mxbai-edge-colbert: layers with residuals, one of them a layer itself; nothing fills queries up."""
    save_pylate(
        folder,
        [(HIDDEN, 2 * HIDDEN, True), (2 * HIDDEN, 2 * HIDDEN, True), (2 * HIDDEN, 8, False)],
        prompts={"query": "find: ", "document": "text: "},
        query_prefix="[Q] ",
        document_prefix="[D] ",
        query_length=18,
        document_length=64,
        do_query_expansion=False,
        skiplist_words=list(string.punctuation),
    )
    return modernbert_config(byte_tokenizer(folder, "[Q] ", "[D] "))


def _multivector(folder: Path) -> dict[str, object]:
    """Queries are at least so long; words are skipped in both tasks."""
    save_multivector(
        folder,
        [(HIDDEN, 8, False)],
        prompts={"query": "query: ", "document": "passage: "},
        mask={"skiplist_words": [".", ":", "pump"], "skiplist_tasks": ["query", "document"]},
        query_expansion={"strategy": "min", "attend": True, "token": "[PAD]", "length": 9},
        document_length=64,
    )
    return bert_config(word_tokenizer(folder))


def _multivector_plain(folder: Path) -> dict[str, object]:
    """No layer, some tokens alone, a mean for a sum."""
    tokenizer = byte_tokenizer(folder)
    kept = tokenizer(" pump oil hydraulic", add_special_tokens=False)["input_ids"]
    save_multivector(
        folder, [], mask={"keep_only_token_ids": kept}, similarity="meanmaxsim", query_length=12, document_length=64
    )
    return modernbert_config(tokenizer)


CASES: Mapping[str, Case] = {
    "text-stanford": _stanford,
    "text-stanford-attends": _stanford_attends,
    "text-both": _both,
    "text-pylate": _pylate,
    "text-pylate-deep": _pylate_deep,
    "text-multivector": _multivector,
    "text-multivector-plain": _multivector_plain,
}


def save_folder(name: str, folder: Path) -> Path:
    return save(CASES[name], folder)


if __name__ == "__main__":
    save_all(CASES)
