"""Folders as sentence-transformers 6 saves them, without weights: the layouts that published checkpoints have.

python -m tests.oracles.module_folders FOLDER
"""

import json
import string
from collections.abc import Callable, Mapping
from pathlib import Path

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from colvision.encoders.vlm.module_folder import ModuleFolder, chat_template, write_modules
from colvision.testing.parts import (
    idefics3_config,
    modernvbert_config,
    paligemma_config,
    paligemma_parts,
    qwen_config,
    qwen_parts,
    text_config,
    tile_parts,
)
from tests.oracles.saving import Case, save, save_all

DIM, HIDDEN = 8, 64
RANK = 4  # of the adapter
PATCH = 32  # pixels of a patch that is a token, of Qwen3-VL and Qwen3.5

# What is said is written as it is, and a picture in the place of its patches: prompts stand before, in system messages.
_PLAIN = (
    "{%- for message in messages -%}{%- for part in message.content -%}"
    "{%- if part.type == 'text' -%}{{- part.text -}}{%- else -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}"
    "{%- endif -%}{%- endfor -%}{%- endfor -%}"
)


def save_modules(
    folder: Path, template: str, *, projection: bool = True, bias: bool = True, **settings: object
) -> None:
    """What stands beside a backbone: its steps, their settings and the prompts."""
    modules = ModuleFolder(folder, folder / "1_Dense" if projection else None, **settings)
    write_modules(modules, template, (DIM, HIDDEN), bias=bias)


def _markers(tokens: PreTrainedTokenizerFast, folder: Path) -> PreTrainedTokenizerFast:
    tokens.add_special_tokens({"additional_special_tokens": [AddedToken("[Q] "), AddedToken("[D] ")]})
    tokens.save_pretrained(folder)
    return tokens


def _pplx_late(folder: Path) -> dict[str, object]:
    """perplexity-ai/pplx-embed-v2-late: Qwen3.5, both ways, marked; no punctuation of documents has a vector."""
    config = qwen_config("qwen3_5", _markers(qwen_parts(folder, patch=16), folder))
    config["text_config"]["is_causal"] = False
    save_modules(
        folder,
        _PLAIN,
        bias=False,
        prompts={"query": "[Q] ", "document": "[D] "},
        skipped=list(string.punctuation),
        query_length=1024,
        document_length=4096,
        pixels={"min_pixels": 4 * PATCH**2, "max_pixels": 40 * PATCH**2},
    )
    return config


def _colqwen(model_type: str, patch: int) -> Callable[[Path], dict[str, object]]:
    """A fine-tune of Qwen-VL, prompted as colpali-engine does; a word of the page's prompt has no vector."""
    page = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Describe the image.<|im_end|><|endoftext|>"

    def save(folder: Path) -> dict[str, object]:
        template = chat_template("Query: ", 10 * "<|endoftext|>", page)
        save_modules(folder, template, skipped=[".", "<|vision_end|>"])
        return qwen_config(model_type, qwen_parts(folder, patch))

    return save


def _colpali(folder: Path) -> dict[str, object]:
    tokens = paligemma_parts(folder)
    template = chat_template("<bos>Question: ", 10 * "<pad>" + "\n", "<image>Describe the image.")
    save_modules(folder, template)
    return paligemma_config(tokens)


def _colpali_adapter(folder: Path) -> dict[str, object]:
    """vidore/colpali and colpali-v1.1: an adapter on plain PaliGemma, which has no projection; `1_Dense` has it whole.

    The adapter still holds what it once added to a projection of its own.
    """
    base = folder / "base"
    base.mkdir()
    config = paligemma_config(paligemma_parts(base))
    (base / "config.json").write_text(json.dumps(config, indent=1))
    paligemma_parts(folder)
    save_modules(folder, chat_template("<bos>Question: ", 10 * "<pad>" + "\n", "<image>Describe the image."))
    layers = "down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj"
    adapter = {
        "peft_type": "LORA",
        "task_type": "FEATURE_EXTRACTION",
        "base_model_name_or_path": str(base),
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "target_modules": rf"(.*(language_model).*({layers}).*$|.*(custom_text_proj).*$)",
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(adapter, indent=1))
    return {}


def _colsmol(folder: Path) -> dict[str, object]:
    page = "<|im_start|>User: Describe the image.<image><end_of_utterance>"
    save_modules(folder, chat_template("Query: ", 10 * "<end_of_utterance>" + "\n", page))
    return idefics3_config(tile_parts(folder))


def _colmodernvbert(folder: Path) -> dict[str, object]:
    page = "<|begin_of_text|>User:<image>Describe the image.<end_of_utterance>\nAssistant:"
    save_modules(folder, chat_template("", 10 * "<end_of_utterance>", page))
    return modernvbert_config(tile_parts(folder))


def _colultravbert(folder: Path) -> dict[str, object]:
    """athrael-soju/ColUltraVBERT: no projection, vectors are the hidden states; few tiles, so that pages are scaled."""
    tokens = tile_parts(folder)
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "max_image_tiles": 6}))
    page = "<|begin_of_text|>User:<image>Describe the image.<end_of_utterance>"
    save_modules(folder, chat_template("Query: ", 10 * "<end_of_utterance>", page), projection=False)
    return {
        **modernvbert_config(tokens),
        "model_type": "ultravbert",
        "text_config": text_config("ultrabert", tokens, hidden_size=32, num_attention_heads=2, sliding_window=16),
    }


CASES: Mapping[str, Case] = {
    "st-pplx-late": _pplx_late,
    "st-colqwen2": _colqwen("qwen2_vl", 14),
    "st-colqwen2.5": _colqwen("qwen2_5_vl", 14),
    "st-colqwen3": _colqwen("qwen3_vl", 16),
    "st-colpali": _colpali,
    "st-colpali-adapter": _colpali_adapter,
    "st-colsmol": _colsmol,
    "st-colmodernvbert": _colmodernvbert,
    "st-colultravbert": _colultravbert,
}


def save_folder(name: str, folder: Path) -> Path:
    return save(CASES[name], folder)


if __name__ == "__main__":
    save_all(CASES)
