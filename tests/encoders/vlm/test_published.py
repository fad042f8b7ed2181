"""The layouts of published repositories, as tiny replicas: every weight lands, or the refusal says what is so."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.utils import filter_repo_objects
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from colvision.encoders import merge_adapters
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.repository import FILES
from colvision.encoders.vlm.adapters import with_lora
from colvision.errors import EncoderNotFound, WeightsMismatch
from colvision.testing.checkpoints import QWEN, Renames, stored_name
from tests.helpers.families import load, vectors
from tests.helpers.old_checkpoints import save_old

pytestmark = pytest.mark.slow

MERGED: Renames = (("embedding_proj_layer.", "model.custom_text_proj."), ("vlm.", "model."))
TOMORO: Renames = (("vlm.", "vlm.model."),)


def rewrite(folder: Path, name: str = "config.json", **values: object) -> Path:
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    return folder


def save_as(folder: Path, model_type: str, names: Renames) -> dict[str, torch.Tensor]:
    """A checkpoint under other names than those of its time; returns the weights under ours."""
    model = save_old(folder, model_type)
    state = {stored_name(name, names): weight.contiguous() for name, weight in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return dict(model.state_dict())


def merged(folder: Path) -> dict[str, torch.Tensor]:
    """ModernVBERT/colmodernvbert-merged."""
    return save_as(folder, "modernvbert", MERGED)


def merged_before(folder: Path) -> dict[str, torch.Tensor]:
    """An earlier revision of it: the type of the retrieval model, the fields of the plain one."""
    state = merged(folder)
    rewrite(folder, model_type="colmodernvbert")
    return state


def tomoro(folder: Path) -> dict[str, torch.Tensor]:
    """TomoroAI/tomoro-colqwen3-embed-4b."""
    state = save_as(folder, "qwen3_vl", TOMORO)
    stored = load_file(folder / "model.safetensors")
    save_file({**stored, "vlm.lm_head.weight": torch.zeros(2, 64)}, folder / "model.safetensors")
    own = {"architectures": ["ColQwen3"], "auto_map": {"AutoModel": "modeling_colqwen3.ColQwen3"}, "embed_dim": 32}
    plain = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"model_type": "colqwen3", "vlm_config": plain, **own}))
    return state


def sauerkraut(folder: Path) -> dict[str, torch.Tensor]:
    """Names of colpali-engine, and a type that its own loader wrote."""
    state = save_as(folder, "qwen3_vl", QWEN)
    rewrite(folder, model_type="colqwen3", architectures=["ColQwen3"], dim=32)
    return state


@pytest.mark.parametrize("save", [merged, merged_before, tomoro, sauerkraut])
def test_every_weight_of_a_published_layout_lands_where_it_belongs(
    tmp_path, save: Callable[[Path], dict[str, torch.Tensor]]
):
    expected = save(tmp_path)
    landed = load(tmp_path).family.model.state_dict()
    assert landed.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(landed[name], weight, rtol=0, atol=0)


@pytest.mark.parametrize("prefix", ["", "base_model.model."])
def test_the_adapter_of_colmodernvbert_loads_under_either_of_its_names(tmp_path, prefix):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    merged(base)
    encoder = load(base)
    rule = r".*text_model.*(Wqkv|Wo|Wi)|embedding_proj_layer"
    wrapped = with_lora(encoder.family.model, LoraConfig(r=4, target_modules=rule))
    torch.manual_seed(1)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    wrapped.eval().save_pretrained(adapter)
    expected = vectors(encoder)
    file = adapter / "adapter_model.safetensors"
    ours = {name.removeprefix("base_model.model."): weight for name, weight in load_file(file).items()}
    save_file({prefix + stored_name(name, MERGED): weight for name, weight in ours.items()}, file)
    published = "(.*(text_model).*(Wqkv|Wo|Wi).*$|.*(custom_text_proj).*$)"
    rewrite(adapter, "adapter_config.json", target_modules=published, base_model_name_or_path=str(base))
    np.testing.assert_allclose(vectors(load(adapter)), expected, rtol=0, atol=1e-5)


# Code and sizes of a repository's own


def test_a_checkpoint_that_brings_its_own_code_is_refused_whatever_it_calls_its_weights(tmp_path):
    """webAI-ColVec1.1 is a qwen3_5 by its type, and fuses layers in a class of its own."""
    save_old(tmp_path, "qwen3_vl")
    own = {"AutoModel": "modeling.ColQwen35Bidirection"}
    rewrite(tmp_path, architectures=["ColQwen35Bidirection"], auto_map=own)
    with pytest.raises(EncoderNotFound, match=r"brings its own code \(ColQwen35Bidirection\), which is never run: "):
        load(tmp_path)
    rewrite(tmp_path, architectures=["ColQwen3"])
    load(tmp_path)


def test_vectors_are_cut_before_they_are_of_unit_length(tmp_path):
    save_old(tmp_path, "qwen3_vl")
    whole, cut = load(tmp_path), load(tmp_path, dim=16)
    first = vectors(whole)[:, :16]
    np.testing.assert_allclose(vectors(cut), first / np.linalg.norm(first, axis=1, keepdims=True), rtol=0, atol=1e-6)
    assert (cut.info.dim, cut.info.options.endswith(" --dim 16")) == (16, True)
    assert cut.encode_queries(["oil"])[0].vectors.shape[1] == 16
    assert cut.info.fingerprint != whole.info.fingerprint == load(tmp_path, dim=32).info.fingerprint


def test_a_checkpoint_that_cuts_its_vectors_is_not_run_uncut(tmp_path):
    save_old(tmp_path, "qwen3_vl")
    rewrite(tmp_path, dims=16)
    with pytest.raises(WeightsMismatch, match=r"cuts its vectors to 16 of 32 components .* load it with dim=16"):
        load(tmp_path)
    assert load(tmp_path, dim=16).info.dim == 16
    rewrite(tmp_path, dims=32, matryoshka_dims=[8, 16])
    assert load(tmp_path).info.dim == 32
    with pytest.raises(ValueError, match=r"dim is 12; vectors of .* can have 8, 16 or 32 components"):
        load(tmp_path, dim=12)
    with pytest.raises(ValueError, match="dim is 33; "):
        load(tmp_path, dim=33)


# What is missing, in true words


def without_projection(folder: Path, model_type: str) -> dict[str, torch.Tensor]:
    """A base as google/paligemma-3b-mix-448 is one of colpali v1.0; returns the projection that it had."""
    save_old(folder, model_type)
    file = folder / "model.safetensors"
    stored = load_file(file)
    projection = {name: weight for name, weight in stored.items() if name.startswith("custom_text_proj")}
    save_file({name: weight for name, weight in stored.items() if name not in projection}, file)
    return projection


def test_a_projection_that_an_adapter_brings_whole_is_found(tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    save_old(tmp_path / "whole", "qwen2_vl")
    expected = vectors(load(tmp_path / "whole"))
    projection = without_projection(base, "qwen2_vl")
    adapter.mkdir()
    lora = {f"model.layers.0.self_attn.q_proj.lora_{side}.weight": torch.zeros(shape) for side, shape in _ZERO.items()}
    state = {f"base_model.model.{name}": weight for name, weight in {**projection, **lora}.items()}
    save_file(state, adapter / "adapter_model.safetensors")
    rule = LoraConfig(r=4, target_modules=r"model\.layers\.0\..*q_proj", modules_to_save=["custom_text_proj"])
    rule.base_model_name_or_path = str(base)
    rule.save_pretrained(adapter)
    np.testing.assert_allclose(vectors(load(adapter)), expected, rtol=0, atol=1e-6)
    merge_adapters(adapter, tmp_path / "merged")
    np.testing.assert_allclose(vectors(load(tmp_path / "merged")), expected, rtol=0, atol=1e-5)


_ZERO = {"A": (4, 64), "B": (64, 4)}


def test_without_a_projection_the_message_names_the_base_and_what_lies_beside_it(tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    without_projection(base, "paligemma")
    with pytest.raises(
        WeightsMismatch, match="a paligemma model without a projection to page vectors. It is a plain mod"
    ):
        load(base)
    LoraConfig(target_modules=["q_proj"]).save_pretrained(adapter)
    rewrite(adapter, "adapter_config.json", base_model_name_or_path=str(base))
    save_file({}, adapter / "adapter_model.safetensors")
    with pytest.raises(
        WeightsMismatch, match="in its base, .*base, and its adapter brings none. Load a version of it that"
    ):
        load(adapter)
    file = base / "model.safetensors"
    save_file({**load_file(file), "multi_vector_projector.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(
        WeightsMismatch, match="It holds multi_vector_projector beside it, which colvision does not read"
    ):
        load(base)


def test_a_model_that_transformers_does_not_know_is_named_in_a_sentence(tmp_path):
    save_old(tmp_path, "modernvbert")
    config = json.loads((tmp_path / "config.json").read_text())
    rewrite(tmp_path, vision_config={**config["vision_config"], "model_type": "modernvbert_vision"})
    with pytest.raises(
        EncoderNotFound, match=r"describes a model that transformers [\d.]+ does not know \(.*newest rev"
    ) as told:
        load(tmp_path)
    assert len(str(told.value)) < 500


def test_what_is_fetched_of_a_repository():
    wanted = ["chat_template.jinja", "tokenizer.model", "tokenizer_config.json", "model-00001-of-00002.safetensors"]
    wanted += ["modules.json", "1_Dense/config.json", "1_Dense/model.safetensors"]  # of sentence-transformers
    wanted += ["artifact.metadata", "vocab.txt"]  # of Stanford's ColBERT
    unread = ["onnx/model.safetensors", "checkpoint-10/adapter_model.safetensors", "adapter_model.bin", "README.md"]
    unread += ["1_Dense/pytorch_model.bin", "checkpoint-10/1_Dense/model.safetensors"]
    assert list(filter_repo_objects([*wanted, *unread], allow_patterns=list(FILES))) == wanted


def test_the_tokenizer_that_is_read_counts_in_the_fingerprint(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    found = []
    for file, content in (("tokenizer.model", "a"), ("tokenizer.model", "bb"), ("tokenizer.json", "{}")):
        (tmp_path / file).write_text(content)
        found.append(fingerprint([tmp_path], ()))
    (tmp_path / "tokenizer.model").write_text("ccc")  # which is not read beside the other
    assert len(set(found)) == 3 and fingerprint([tmp_path], ()) == found[-1]
