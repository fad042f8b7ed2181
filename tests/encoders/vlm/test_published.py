"""The layouts of published repositories, as tiny replicas: every weight lands, or the refusal says what is so."""

import json
import shutil
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
from colvision.testing import tiny_checkpoint
from colvision.testing.checkpoints import QWEN, Renames, stored_name
from tests.helpers.families import load, vectors
from tests.helpers.old_checkpoints import save_old, save_old_adapter
from tests.oracles.checkpoints import checkpoint

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
    rewrite(tmp_path, architectures=["ColQwen3"])  # what loads it counts, too
    with pytest.raises(EncoderNotFound, match=r"brings its own code \(ColQwen35Bidirection\), which is never run: "):
        load(tmp_path)
    rewrite(tmp_path, auto_map={"AutoModel": "modeling.ColQwen3", "AutoProcessor": "processing.OwnProcessor"})
    load(tmp_path)
    rewrite(tmp_path, architectures=None, auto_map={"AutoConfig": "modeling.OwnConfig"})
    with pytest.raises(EncoderNotFound, match=r"brings its own code \(of no named class\), which is never run: "):
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


# What lies there twice, and what contradicts itself


def add_weight(folder: Path, name: str, like: str, file: str = "model.safetensors") -> None:
    stored = load_file(folder / file)
    save_file({**stored, name: stored[like] + 1}, folder / file, metadata={"format": "pt"})


def test_two_names_of_one_weight_must_agree(tmp_path):
    """Which of them is read last would decide."""
    save_old(tmp_path, "idefics3")
    expected = vectors(load(tmp_path))
    add_weight(tmp_path, "custom_text_proj.weight", like="linear.weight")
    with pytest.raises(WeightsMismatch, match=r"custom_text_proj.weight and linear.weight, two names of one weight"):
        load(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    stored["custom_text_proj.weight"] = stored["linear.weight"].clone()
    save_file(stored, tmp_path / "model.safetensors", metadata={"format": "pt"})
    np.testing.assert_array_equal(vectors(load(tmp_path)), expected)


@pytest.mark.parametrize("is_native", [False, True])
def test_a_weight_in_two_files_is_refused(tmp_path, is_native):
    """One of them is left from another time, and the table of weights is not what decides."""
    if is_native:
        tiny_checkpoint(tmp_path, "colqwen2")
    else:
        save_old(tmp_path, "qwen2_vl")
    stored = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = sorted(stored)
    parts = {"a.safetensors": names[:20], "b.safetensors": names[20:]}
    table = {name: file for file, held in parts.items() for name in held}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": table}))
    for file, held in parts.items():
        save_file({name: stored[name] for name in held}, tmp_path / file, metadata={"format": "pt"})
    load(tmp_path)
    stale = {names[0]: stored[names[0]] + 1}
    save_file({**load_file(tmp_path / "b.safetensors"), **stale}, tmp_path / "b.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsMismatch, match=f"b.safetensors holds {names[0]}, which another file of this checkpoint"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"dim": 32, "embed_dim": 16}, "declares vectors of 16 components and holds a projection to 32"),
        ({"dims": "16"}, "cuts its vectors to 16 of 32 components"),
        ({"dims": 32, "truncate_dim": 16}, "cuts its vectors to 16 of 32 components"),
    ],
    ids=str,
)
def test_every_place_that_states_a_size_is_read(tmp_path, stated, message):
    save_old(tmp_path, "qwen3_vl")
    rewrite(tmp_path, **stated)
    with pytest.raises(WeightsMismatch, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("model_type", "stated", "message"),
    [
        ("qwen2_vl", {"patch_size": 16}, "its patch_size is 16, the model expects 14"),
        ("qwen3_vl", {"merge_size": 1}, "its merge_size is 1, the model expects 2"),
        ("qwen2_5_vl", {"temporal_patch_size": 1}, "its temporal_patch_size is 1, the model expects 2"),
        ("idefics3", {"max_image_size": {"longest_edge": 32}}, "is {'longest_edge': 32}, the model expects .* 64}"),
        ("modernvbert", {"max_image_size": {"longest_edge": 128}}, "is {'longest_edge': 128}, the model expects"),
        ("paligemma", {"size": {"height": 56, "width": 112}}, "its height is 56, the model expects 112"),
    ],
)
def test_an_image_processor_of_another_model_is_refused(tmp_path, model_type, stated, message):
    save_old(tmp_path, model_type)
    rewrite(tmp_path, "preprocessor_config.json", **stated)
    with pytest.raises(WeightsMismatch, match=f"the image processor in .* is not this model's: .*{message}"):
        load(tmp_path)


@pytest.fixture
def adapter(tmp_path) -> Path:
    """On a ColQwen2 in the folder beside it, by the names of its time."""
    save_old(tmp_path / "base", "qwen2_vl")
    return save_old_adapter(tmp_path / "base", tmp_path / "adapter", "qwen2_vl")


def test_an_adapter_that_names_itself_or_another_is_refused(adapter, tmp_path):
    other = Path(shutil.copytree(adapter, tmp_path / "other"))
    for named in (adapter, other):
        rewrite(adapter, "adapter_config.json", base_model_name_or_path=str(named))
        rewrite(other, "adapter_config.json", base_model_name_or_path=str(adapter))
        with pytest.raises(EncoderNotFound, match="'adapter' holds an adapter, not a checkpoint: load the checkpoint"):
            load(adapter)


def test_a_layer_of_an_adapter_under_two_names_is_refused(adapter):
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
    today = name.replace("model.layers", "model.language_model.layers")
    add_weight(adapter, today, like=name, file="adapter_model.safetensors")
    with pytest.raises(WeightsMismatch, match="two names of one weight, and they differ"):
        load(adapter)


def test_an_adapter_that_would_never_be_used_is_refused(adapter):
    """aLoRA begins after tokens that call it: without them peft runs the plain model, and says nothing."""
    rewrite(adapter, "adapter_config.json", alora_invocation_tokens=[1, 2])
    with pytest.raises(WeightsMismatch, match=r"works after certain tokens alone \(aLoRA\)"):
        load(adapter)


def test_a_folder_with_a_projection_and_prompts_of_its_own_is_no_adapter_to_another(tmp_path):
    """Given as one, both would be left out."""
    folder = checkpoint("st-colpali-adapter", tmp_path / "folder")
    with pytest.raises(EncoderNotFound, match="is a folder of sentence-transformers, .* load that folder itself"):
        load(folder / "base", adapter=folder)
