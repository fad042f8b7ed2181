"""What a tiny encoder of text holds beside its weights: configuration, tokenizer, and the files of every layout."""

import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, PreTrainedTokenizerFast

HIDDEN = 32
_WORDS = (
    "the of and to a in for is on with before after check replace bleed oil pump valve hydraulic pressure filter water "
    "page table safety use first then its contents how change pack leave start stop"
)
_PIECES = [*string.ascii_lowercase, *string.digits, *string.punctuation]
_STEPS = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "PyLateDense": "pylate.models.Dense.Dense",
    "MultiVectorMask": "sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}
NOTHING: Mapping[str, Any] = MappingProxyType({})
_TOKENS = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}


def word_tokenizer(folder: Path, *, length: int = 64) -> BertTokenizer:
    """BERT's word pieces: some words whole, others in letters; saved in the folder."""
    special = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    known = [*special, *_WORDS.split(), "##s", "##ing", *_PIECES, *(f"##{each}" for each in _PIECES)]
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(dict.fromkeys(known))})
    tokenizer.model_max_length = length
    tokenizer.save_pretrained(folder)
    return tokenizer


def byte_tokenizer(folder: Path, *markers: str) -> PreTrainedTokenizerFast:
    """ModernBERT's: bytes joined to pieces, which hold the blank before a word; `markers` are added tokens."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trained = Tokenizer(models.BPE(unk_token="[UNK]"))
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=special,
        show_progress=False,
    )
    trained.train_from_iterator([_WORDS], trainer)
    trained.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, trained.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    )
    named = {f"{name.strip('[]').lower()}_token": name for name in special}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, model_max_length=512, **named)
    tokenizer.add_tokens([AddedToken(marker) for marker in markers])
    tokenizer.save_pretrained(folder)
    return tokenizer


def bert_config(tokenizer: BertTokenizer, **more: object) -> dict[str, object]:
    return {
        "model_type": "bert",
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 128,
        "pad_token_id": tokenizer.pad_token_id,
        **more,
    }


def modernbert_config(tokenizer: PreTrainedTokenizerFast) -> dict[str, object]:
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep")}
    return {
        "model_type": "modernbert",
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
        "local_attention": 8,
        "bos_token_id": None,
        "eos_token_id": None,
        **ids,
    }


def save_stanford(folder: Path, **metadata: object) -> None:
    """What stands beside the weights of Stanford's ColBERT."""
    said = {
        "query_token_id": "[unused0]",
        "doc_token_id": "[unused1]",
        "query_maxlen": 12,
        "doc_maxlen": 64,
        **metadata,
    }
    _write(folder / "artifact.metadata", said)


def save_pylate(folder: Path, dense: Sequence[tuple[int, int, bool]], **settings: object) -> None:
    """What stands beside the weights of a PyLate model: `dense` are its layers (in, out, with residual)."""
    steps = ["Transformer", *("PyLateDense" for _ in dense)]
    _write_steps(folder, steps)
    for number, (inputs, outputs, residual) in enumerate(dense, start=1):
        layer = {"in_features": inputs, "out_features": outputs, "bias": False, "use_residual": residual}
        identity = "torch.nn.modules.linear.Identity"
        _write(folder / f"{number}_Dense" / "config.json", {**layer, "activation_function": identity})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 127, "do_lower_case": False})
    _write(folder / "config_sentence_transformers.json", {"model_type": "ColBERT", "prompts": {}, **settings})


def save_multivector(
    folder: Path,
    dense: Sequence[tuple[int, int, bool]],
    *,
    prompts: Mapping[str, str] = NOTHING,
    mask: Mapping[str, object] = NOTHING,
    similarity: str = "maxsim",
    **transformer: object,
) -> None:
    """What stands beside the weights of a `MultiVectorEncoder`: `dense` as above, with a bias, and lengths."""
    steps = ["Transformer", *("Dense" for _ in dense), "MultiVectorMask", "Normalize"]
    _write_steps(folder, steps)
    for number, (inputs, outputs, residual) in enumerate(dense, start=1):
        layer = {"in_features": inputs, "out_features": outputs, "bias": True, "use_residual": residual}
        identity = "torch.nn.modules.linear.Identity"
        _write(folder / f"{number}_Dense" / "config.json", {**layer, **_TOKENS, "activation_function": identity})
    last = len(dense)
    _write(folder / f"{last + 1}_MultiVectorMask" / "config.json", dict(mask))
    _write(folder / f"{last + 2}_Normalize" / "config.json", _TOKENS)
    forward = {"method": "forward", "method_output_name": "last_hidden_state"}
    said = {"transformer_task": "feature-extraction", "modality_config": {"text": forward}}
    _write(folder / "sentence_bert_config.json", {**said, "module_output_name": "token_embeddings", **transformer})
    settings = {"model_type": "MultiVectorEncoder", "prompts": dict(prompts), "similarity_fn_name": similarity}
    _write(folder / "config_sentence_transformers.json", settings)


def _write_steps(folder: Path, steps: Sequence[str]) -> None:
    kinds = [step.removeprefix("PyLate") for step in steps]
    listed = [
        {"idx": number, "name": str(number), "path": f"{number}_{kind}" if number else "", "type": _STEPS[step]}
        for number, (step, kind) in enumerate(zip(steps, kinds, strict=True))
    ]
    _write(folder / "modules.json", listed)


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
