"""Folders of rerankers without weights: the layouts that published ones have, as sentence-transformers 6 reads them.

python -m tests.oracles.reranker_folders FOLDER
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from colvision.testing.parts import qwen_config, qwen_parts, text_config, tokenizer
from tests.oracles.saving import Case, save, save_all

_BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_XLMR = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_PACKAGE = "sentence_transformers"
_STEPS = {
    "Transformer": f"{_PACKAGE}.base.modules.transformer.Transformer",
    "LogitScore": f"{_PACKAGE}.cross_encoder.modules.logit_score.LogitScore",
    "Pooling": f"{_PACKAGE}.sentence_transformer.modules.pooling.Pooling",
    "Dense": f"{_PACKAGE}.base.modules.dense.Dense",
    "LayerNorm": f"{_PACKAGE}.sentence_transformer.modules.layer_norm.LayerNorm",
}
# Texts in the roles query and document, as zerank-2's and Qwen3-Reranker's templates have them.
_FLAT = (
    "{%- for message in messages -%}"
    "<|im_start|>{{ {'query': 'system', 'document': 'user'}.get(message.role, message.role) }}\n"
    "{{ message.content }}<|im_end|>\n{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant\n{%- endif -%}"
)
# A query and a picture, as Qwen3-VL-Reranker's.
_SHOWN = (
    "<|im_start|>user\n<Instruct>: "
    "{{ messages[0].content[0].text if messages[0].role == 'system' else 'Find.' }}"
    "<Query>:{{ (messages | selectattr('role', 'eq', 'query') | first).content[0].text }}\n<Document>:"
    "{%- for part in (messages | selectattr('role', 'eq', 'document') | first).content -%}"
    "{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>{%- else -%}{{ part.text }}{%- endif -%}"
    "{%- endfor -%}<|im_end|>\n{%- if add_generation_prompt -%}<|im_start|>assistant\n{%- endif -%}"
)


def _pairs(folder: Path, special: tuple[str, ...], pair: tuple[str, str], **named: object) -> PreTrainedTokenizerFast:
    """A tokenizer that puts two texts beside each other, by the special tokens `pair` begins and ends with."""
    tokens = tokenizer(special, named.pop("pad"), **named)
    begin, end = pair
    tokens.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} $B:1 {end}:1",
        special_tokens=[(each, tokens.convert_tokens_to_ids(each)) for each in pair],
    )
    tokens.save_pretrained(folder)
    return tokens


def _small(tokens: PreTrainedTokenizerFast, architecture: str, model_type: str, **more: object) -> dict[str, object]:
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": len(tokens) + 1,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "pad_token_id": tokens.pad_token_id,
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        **more,
    }


def save_steps(folder: Path, settings: Mapping[str, object], transformer: Mapping[str, object], **answers: int | None):
    """What sentence-transformers saves beside a reranker; `answers` are those of its LogitScore."""
    kinds = ["Transformer", "LogitScore"] if answers else ["Transformer"]
    paths = {"Transformer": "", "LogitScore": "1_LogitScore"}
    modules = [{"idx": at, "name": str(at), "path": paths[kind], "type": _STEPS[kind]} for at, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    full = {"model_type": "CrossEncoder", "prompts": {}, "default_prompt_name": None, **settings}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(full))
    (folder / "sentence_bert_config.json").write_text(json.dumps(transformer))
    if answers:
        (folder / "1_LogitScore").mkdir(exist_ok=True)
        (folder / "1_LogitScore" / "config.json").write_text(json.dumps(answers))


def _bert(folder: Path) -> dict[str, object]:
    """cross-encoder/ms-marco-MiniLM: older than modules.json, its activation in config.json."""
    tokens = _pairs(folder, _BERT, ("[CLS]", "[SEP]"), pad="[PAD]", unk_token="[UNK]", sep_token="[SEP]")
    identity = {"activation_fn": "torch.nn.modules.linear.Identity", "version": "4.1.0"}
    return _small(tokens, "BertForSequenceClassification", "bert", sentence_transformers=identity)


def _xlm_roberta(folder: Path) -> dict[str, object]:
    """BAAI/bge-reranker-v2-m3: no file of sentence-transformers, token types of one kind."""
    names = ["input_ids", "attention_mask"]
    tokens = _pairs(folder, _XLMR, ("<s>", "</s>"), pad="<pad>", model_input_names=names, model_max_length=512)
    more = {"type_vocab_size": 1, "max_position_embeddings": 514}
    return _small(tokens, "XLMRobertaForSequenceClassification", "xlm-roberta", **more)


def _modernbert(folder: Path) -> dict[str, object]:
    """Alibaba-NLP/gte-reranker-modernbert-base, saved anew with a prompt."""
    names = ["input_ids", "attention_mask"]
    tokens = _pairs(folder, _BERT, ("[CLS]", "[SEP]"), pad="[PAD]", model_input_names=names)
    logits = {"method": "forward", "method_output_name": "logits"}
    save_steps(
        folder,
        {"prompts": {"query": "find: "}, "default_prompt_name": "query"},
        {
            "transformer_task": "sequence-classification",
            "modality_config": {"text": logits},
            "module_output_name": "scores",
        },
    )
    more = {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": None, "eos_token_id": None, "local_attention": 16}
    return _small(tokens, "ModernBertForSequenceClassification", "modernbert", classifier_pooling="mean", **more)


def _headed(mode: str, prompt: str) -> Callable[[Path], dict[str, object]]:
    """cross-encoder/ettin-reranker: the head is steps of its own beside a ModernBERT without one."""

    def save(folder: Path) -> dict[str, object]:
        config = _modernbert(folder)
        hidden = {"method": "forward", "method_output_name": "last_hidden_state"}
        settings = {"prompts": {"query": prompt}, "default_prompt_name": "query"} if prompt else {}
        settings["activation_fn"] = "torch.nn.modules.linear.Identity"
        transformer = {"transformer_task": "feature-extraction", "modality_config": {"text": hidden}}
        save_steps(folder, settings, {**transformer, "module_output_name": "token_embeddings"})
        wide = {"in_features": 32, "out_features": 24, "bias": True}
        wide["activation_function"] = "torch.nn.modules.activation.GELU"
        last = {"in_features": 24, "out_features": 1, "bias": mode == "cls", "module_output_name": "scores"}
        last["activation_function"] = "torch.nn.modules.linear.Identity"
        steps = [("Transformer", {}), ("Pooling", {"embedding_dimension": 32, "pooling_mode": mode}), ("Dense", wide)]
        steps += [("LayerNorm", {"dimension": 24}), ("Dense", last)]
        modules = []
        for at, (kind, stated) in enumerate(steps):
            path = f"{at}_{kind}" if at else ""
            modules.append({"idx": at, "name": str(at), "path": path, "type": _STEPS[kind]})
            if at:
                (folder / path).mkdir(exist_ok=True)
                (folder / path / "config.json").write_text(json.dumps(stated))
        (folder / "modules.json").write_text(json.dumps(modules))
        return {**config, "architectures": ["ModernBertModel"]}

    return save


def head_shapes(folder: Path) -> dict[str, dict[str, list[int]]]:
    """The weights of the steps beside a model: of `2_Dense/model` and so on, by their stored names."""
    shapes: dict[str, dict[str, list[int]]] = {}
    for path in sorted(folder.glob("[0-9]_*")):
        stated = json.loads((path / "config.json").read_bytes())
        if path.name.endswith("Dense"):
            bias = {"linear.bias": [stated["out_features"]]} if stated["bias"] else {}
            made = {"linear.weight": [stated["out_features"], stated["in_features"]], **bias}
        elif path.name.endswith("LayerNorm"):
            made = {f"norm.{name}": [stated["dimension"]] for name in ("weight", "bias")}
        else:
            continue
        shapes[f"{path.name}/model"] = made
    return shapes


def _chat_tokens(folder: Path) -> PreTrainedTokenizerFast:
    tokens = tokenizer(_CHAT, "<|endoftext|>", padding_side="left")
    tokens.chat_template = _FLAT
    tokens.save_pretrained(folder)
    return tokens


def _chat(task: str, output: str, template: Mapping[str, object]) -> dict[str, object]:
    logits = {"method": "forward", "method_output_name": "logits"}
    return {
        "transformer_task": task,
        "modality_config": {"text": logits, "message": {**logits, "format": "flat"}},
        "module_output_name": output,
        "processing_kwargs": {"chat_template": template},
    }


def _qwen3_classifier(folder: Path) -> dict[str, object]:
    """Qwen3-Reranker turned into a classifier, asked by a chat."""
    tokens = _chat_tokens(folder)
    save_steps(folder, {}, _chat("sequence-classification", "scores", {"add_generation_prompt": True}))
    config = text_config("qwen3", tokens, id2label={"0": "LABEL_0"}, label2id={"LABEL_0": 0})
    return {**config, "architectures": ["Qwen3ForSequenceClassification"]}


def _qwen3_answers(folder: Path) -> dict[str, object]:
    """Qwen/Qwen3-Reranker: yes minus no, with a system's message."""
    tokens = _chat_tokens(folder)
    settings = {"prompts": {"web": "Judge."}, "default_prompt_name": "web"}
    settings["activation_fn"] = "torch.nn.modules.linear.Identity"
    chat = _chat("text-generation", "causal_logits", {"add_generation_prompt": True})
    save_steps(folder, settings, chat, true_token_id=90, false_token_id=77)
    return {**text_config("qwen3", tokens), "architectures": ["Qwen3ForCausalLM"], "tie_word_embeddings": True}


def _zerank(folder: Path) -> dict[str, object]:
    """zeroentropy/zerank-2: the logit of one word alone."""
    tokens = _chat_tokens(folder)
    chat = _chat("text-generation", "causal_logits", {"add_generation_prompt": True})
    save_steps(folder, {}, chat, true_token_id=90, false_token_id=None)
    return {**text_config("qwen3", tokens), "architectures": ["Qwen3ForCausalLM"]}


def _qwen3_vl(folder: Path) -> dict[str, object]:
    """Qwen/Qwen3-VL-Reranker as sentence-transformers reads it."""
    tokens = qwen_parts(folder, patch=16)
    (folder / "chat_template.jinja").write_text(_SHOWN)
    logits = {"method": "forward", "method_output_name": "logits"}
    transformer = {
        "transformer_task": "any-to-any",
        "modality_config": {"text": logits, "image": logits, "message": {**logits, "format": "structured"}},
        "module_output_name": "causal_logits",
        "processing_kwargs": {"chat_template": {"add_generation_prompt": True}},
    }
    settings = {"prompts": {"search": "Find pages."}, "default_prompt_name": "search"}
    settings["activation_fn"] = "torch.nn.modules.linear.Identity"
    save_steps(folder, settings, transformer, true_token_id=90, false_token_id=77)
    config = {**qwen_config("qwen3_vl", tokens), "architectures": ["Qwen3VLForConditionalGeneration"]}
    return {**config, "tie_word_embeddings": True}


CASES: Mapping[str, Case] = {
    "ce-bert": _bert,
    "ce-xlm-roberta": _xlm_roberta,
    "ce-modernbert": _modernbert,
    "ce-ettin-cls": _headed("cls", ""),
    "ce-ettin-mean": _headed("mean", "find: "),
    "ce-qwen3-classifier": _qwen3_classifier,
    "ce-qwen3-answers": _qwen3_answers,
    "ce-zerank": _zerank,
    "ce-qwen3-vl": _qwen3_vl,
}


def save_folder(name: str, folder: Path) -> Path:
    return save(CASES[name], folder)


if __name__ == "__main__":
    save_all(CASES)
