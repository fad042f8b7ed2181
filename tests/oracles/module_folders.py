"""Folders as sentence-transformers 6 saves them, without weights: the layouts that published checkpoints have.

python -m tests.oracles.module_folders FOLDER
"""

import json
import string
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

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

DIM = 8
RANK = 4  # of the adapter
PATCH = 32  # pixels of a patch that is a token, of Qwen3-VL and Qwen3.5

# What is said is written as it is, and a picture in the place of its patches: prompts stand before, in system messages.
_PLAIN = (
    "{%- for message in messages -%}{%- for part in message.content -%}"
    "{%- if part.type == 'text' -%}{{- part.text -}}{%- else -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}"
    "{%- endif -%}{%- endfor -%}{%- endfor -%}"
)
_STEPS = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "MultiVectorMask": "sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}


def with_task(before: str, after: str, page: str) -> str:
    """A chat template that knows queries from pages, as those of colpali-engine's families in sentence-transformers."""
    query, page = (json.dumps(text) for text in (before, page))
    return (
        "{%- set part = messages[-1].content[0] -%}"
        f"{{%- if task == 'query' -%}}{{{{- {query} + part.text + {json.dumps(after)} -}}}}"
        f"{{%- else -%}}{{{{- {page} -}}}}{{%- endif -%}}"
    )


def save_modules(
    folder: Path,
    template: str,
    *,
    hidden: int = 64,
    bias: bool = True,
    projection: bool = True,
    prompts: Mapping[str, str] | None = None,
    mask: Mapping[str, object] | None = None,
    transformer: Mapping[str, object] | None = None,
) -> None:
    """What stands beside a backbone: its steps, their settings and the prompts."""
    kinds = [kind for kind in _STEPS if projection or kind != "Dense"]
    paths = {kind: "" if kind == "Transformer" else f"{number}_{kind}" for number, kind in enumerate(kinds)}
    steps = [{"idx": n, "name": str(n), "path": paths[kind], "type": _STEPS[kind]} for n, kind in enumerate(kinds)]
    forward = {"method": "forward", "method_output_name": "last_hidden_state"}
    modalities = {kind: forward for kind in ("text", "image")}
    settings = {
        "transformer_task": "feature-extraction",
        "modality_config": {**modalities, "message": {**forward, "format": "structured"}},
        "module_output_name": "token_embeddings",
        **(transformer or {}),
    }
    dense = {
        "in_features": hidden,
        "out_features": DIM,
        "bias": bias,
        "activation_function": "torch.nn.modules.linear.Identity",
        "module_input_name": "token_embeddings",
        "module_output_name": "token_embeddings",
    }
    scored = {"skiplist_words": [], "skiplist_tasks": ["document"], "keep_only_token_ids": None, **(mask or {})}
    tokens = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}
    written = {
        "modules.json": steps,
        "sentence_bert_config.json": settings,
        "config_sentence_transformers.json": {
            "model_type": "MultiVectorEncoder",
            "prompts": {"query": None, "document": None, **(prompts or {})},
            "default_prompt_name": None,
            "similarity_fn_name": "maxsim",
        },
        **({f"{paths['Dense']}/config.json": dense} if projection else {}),
        f"{paths['MultiVectorMask']}/config.json": scored,
        f"{paths['Normalize']}/config.json": tokens,
    }
    for name, content in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=1))
    (folder / "chat_template.jinja").write_text(template)


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
        mask={"skiplist_words": list(string.punctuation)},
        transformer={
            "query_length": 1024,
            "document_length": 4096,
            "processor_kwargs": {"min_pixels": 4 * PATCH**2, "max_pixels": 40 * PATCH**2},
        },
    )
    return config


def _colqwen(model_type: str, patch: int) -> Callable[[Path], dict[str, object]]:
    """A fine-tune of Qwen-VL, prompted as colpali-engine does; a word of the page's prompt has no vector."""
    page = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Describe the image.<|im_end|><|endoftext|>"

    def save(folder: Path) -> dict[str, object]:
        template = with_task("Query: ", 10 * "<|endoftext|>", page)
        save_modules(folder, template, mask={"skiplist_words": [".", "<|vision_end|>"]})
        return qwen_config(model_type, qwen_parts(folder, patch))

    return save


def _colpali(folder: Path) -> dict[str, object]:
    tokens = paligemma_parts(folder)
    template = with_task("<bos>Question: ", 10 * "<pad>" + "\n", "<image>Describe the image.")
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
    save_modules(folder, with_task("<bos>Question: ", 10 * "<pad>" + "\n", "<image>Describe the image."))
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
    save_modules(folder, with_task("Query: ", 10 * "<end_of_utterance>" + "\n", page))
    return idefics3_config(tile_parts(folder))


def _colmodernvbert(folder: Path) -> dict[str, object]:
    page = "<|begin_of_text|>User:<image>Describe the image.<end_of_utterance>\nAssistant:"
    save_modules(folder, with_task("", 10 * "<end_of_utterance>", page))
    return modernvbert_config(tile_parts(folder))


def _colultravbert(folder: Path) -> dict[str, object]:
    """athrael-soju/ColUltraVBERT: no projection, vectors are the hidden states; few tiles, so that pages are scaled."""
    tokens = tile_parts(folder)
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "max_image_tiles": 6}))
    page = "<|begin_of_text|>User:<image>Describe the image.<end_of_utterance>"
    save_modules(folder, with_task("Query: ", 10 * "<end_of_utterance>", page), projection=False)
    return {
        **modernvbert_config(tokens),
        "model_type": "ultravbert",
        "text_config": text_config("ultrabert", tokens, hidden_size=32, num_attention_heads=2, sliding_window=16),
    }


CASES: Mapping[str, Callable[[Path], dict[str, object]]] = {
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
    folder.mkdir(parents=True, exist_ok=True)
    config = CASES[name](folder)
    if config:
        (folder / "config.json").write_text(json.dumps(config, indent=1))
    return folder


if __name__ == "__main__":
    for case in CASES:
        save_folder(case, Path(sys.argv[1]) / case)
