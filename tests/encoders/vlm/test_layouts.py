"""Checkpoints and adapters as colpali-engine stores them: right through the map of names, refused without it."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from colvision.encoders.vlm.adapters import with_lora
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts
from colvision.encoders.vlm.weights import StoredWeights, load_weights
from colvision.errors import EncoderNotFound, WeightsMismatch
from colvision.testing.checkpoints import stored_name
from tests.helpers.families import load, vectors
from tests.helpers.old_checkpoints import OLD, save_old

pytestmark = pytest.mark.slow

_LAYERS = "down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj"
# What the published adapters of each family were trained on (their `target_modules`), in the old names.
RULES = {
    "paligemma": rf"(.*(language_model).*({_LAYERS}).*$|.*(custom_text_proj).*$)",
    "qwen2_vl": rf"(.*(model).*({_LAYERS}).*$|.*(custom_text_proj).*$)",
    "qwen2_5_vl": rf"(.*(model).*({_LAYERS}).*$|.*(custom_text_proj).*$)",
    "qwen3_vl": rf"(.*(language_model).*({_LAYERS}).*$|.*(custom_text_proj).*$)",
    "idefics3": rf"(.*(model.text_model).*({_LAYERS}).*$|.*(linear).*$)",
    "modernvbert": r"(.*(text_model).*(Wqkv|Wo|Wi).*$|.*(custom_text_proj).*$)",
}
OURS = {
    "paligemma": rf".*language_model.*({_LAYERS})|embedding_proj_layer",
    "qwen2_vl": rf".*language_model.*({_LAYERS})|embedding_proj_layer",
    "qwen2_5_vl": rf".*language_model.*({_LAYERS})|embedding_proj_layer",
    "qwen3_vl": rf".*language_model.*({_LAYERS})|embedding_proj_layer",
    "idefics3": rf".*text_model.*({_LAYERS})|embedding_proj_layer",
    "modernvbert": r".*text_model.*(Wqkv|Wo|Wi)|embedding_proj_layer",
}


class Repositories(NamedTuple):
    """A base checkpoint, an adapter trained on it, and the vectors of a page with and without the adapter."""

    base: Path
    adapter: Path
    plain: np.ndarray
    adapted: np.ndarray


def save_adapter(encoder: VlmEncoder, folder: Path, model_type: str, base: Path) -> None:
    """What a training with colpali-engine leaves: LoRA weights under the old names, and the rule that made them."""
    wrapped = with_lora(encoder.family.model, LoraConfig(r=4, target_modules=OURS[model_type]))
    torch.manual_seed(1)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    wrapped.eval().save_pretrained(folder)
    file, names = folder / "adapter_model.safetensors", OLD[model_type][3]
    prefix = "base_model.model."
    old = {prefix + stored_name(key.removeprefix(prefix), names): weight for key, weight in load_file(file).items()}
    save_file(old, file)
    config = json.loads((folder / "adapter_config.json").read_text())
    config.update(target_modules=RULES[model_type], base_model_name_or_path=str(base))
    (folder / "adapter_config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module", params=OLD)
def stored(request, tmp_path_factory) -> tuple[str, Repositories]:
    folder = tmp_path_factory.mktemp(request.param)
    base, adapter = folder / "base", folder / "adapter"
    save_old(base, request.param)
    encoder = load(base)
    plain = vectors(encoder)
    save_adapter(encoder, adapter, request.param, base)
    return request.param, Repositories(base, adapter, plain, vectors(encoder))


@pytest.mark.parametrize("model_type", OLD)
def test_every_weight_lands_where_it_belongs(tmp_path, model_type):
    model = save_old(tmp_path, model_type)
    landed = load(tmp_path).family.model.state_dict()
    expected = model.state_dict()
    assert landed.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(landed[name], weight, rtol=0, atol=0)


def test_without_the_map_of_names_it_is_refused(stored):
    model_type, repositories = stored
    checkpoint = Checkpoint.read(repositories.base, "old")
    prompts = Prompts("<image>", "<image>", "", "", source="a test")
    model_class = OLD[model_type][1]
    only_projection = CheckpointLayout(prompts, ((r"^(custom_text_proj|linear)\.", "embedding_proj_layer."),))
    if model_type != "qwen3_vl":  # its names lack a prefix only, which transformers adds
        with pytest.raises(WeightsMismatch, match=r"does not fit .*: weights \d+ missing"):
            load_weights(model_class, StoredWeights(checkpoint, only_projection), torch.float32)
    with pytest.raises(WeightsMismatch, match="without a projection to page vectors"):
        nothing = CheckpointLayout(prompts, (("^nothing$", ""),))
        load_weights(model_class, StoredWeights(checkpoint, nothing), torch.float32)


def test_an_adapter_only_repository_is_found_with_its_base_and_gives_the_vectors_it_was_trained_for(stored):
    _, repositories = stored
    assert np.abs(repositories.plain - repositories.adapted).max() > 0.01
    encoder = load(repositories.adapter)
    np.testing.assert_allclose(vectors(encoder), repositories.adapted, rtol=0, atol=1e-5)
    assert encoder.info.name == "adapter"
    assert encoder.info.fingerprint == load(repositories.base, adapter=repositories.adapter).info.fingerprint
    assert encoder.info.fingerprint != load(repositories.base).info.fingerprint


def test_an_adapter_that_lost_a_layer_is_refused(stored, tmp_path):
    """Only the rule in its configuration can tell: what is left of it fits."""
    _, repositories = stored
    weights = load_file(repositories.adapter / "adapter_model.safetensors")
    lost = sorted(weights)[0].partition(".lora_")[0] + "."
    left = {name: weight for name, weight in weights.items() if not name.startswith(lost)}
    save_file(left, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text((repositories.adapter / "adapter_config.json").read_text())
    with pytest.raises(WeightsMismatch, match="2 missing"):
        load(tmp_path)


def test_an_adapter_with_weights_of_another_model_is_refused(stored, tmp_path):
    _, repositories = stored
    weights = load_file(repositories.adapter / "adapter_model.safetensors")
    weights["base_model.model.model.layers.99.self_attn.q_proj.lora_A.weight"] = torch.zeros(4, 64)
    save_file(weights, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text((repositories.adapter / "adapter_config.json").read_text())
    with pytest.raises(WeightsMismatch, match="1 unexpected"):
        load(tmp_path)


def rewrite(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.fixture
def small(tmp_path) -> Repositories:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    save_old(base, "qwen2_vl")
    encoder = load(base)
    save_adapter(encoder, adapter, "qwen2_vl", base)
    return Repositories(base, adapter, np.zeros(0), vectors(encoder))


def test_a_rule_that_finds_no_layer_is_refused(small):
    rewrite(small.adapter / "adapter_config.json", target_modules="no_such_layer")
    with pytest.raises(WeightsMismatch, match="targets layers 'no_such_layer', and the checkpoint has none of them"):
        load(small.adapter)


def test_an_adapter_whose_base_is_not_here_says_what_to_place_where(small):
    rewrite(small.adapter / "adapter_config.json", base_model_name_or_path="/no/such/base")
    with pytest.raises(EncoderNotFound, match=r"trained on, '/no/such/base', is not here: place that checkpoint"):
        load(small.adapter)
    assert vectors(load(small.base, adapter=small.adapter)).shape == small.adapted.shape


def test_an_adapters_repository_may_bring_its_own_tokenizer_and_prompts(small):
    for file in small.base.iterdir():
        if "token" in file.name or "processor" in file.name:
            (small.adapter / file.name).symlink_to(file)
    (small.adapter / "processor_config.json").write_text(json.dumps({"query_prefix": "Search: "}))
    [query] = load(small.adapter).encode_queries(["oil"])
    assert "".join(query.tokens).startswith("Search:")


def test_a_declared_dimension_that_is_not_the_stored_one_is_refused(small):
    rewrite(small.base / "config.json", dim=320)
    with pytest.raises(WeightsMismatch, match="declares vectors of 320 components and holds a projection to 32"):
        load(small.base)


def test_a_plain_model_that_was_never_trained_to_search_is_refused(small):
    weights = load_file(small.base / "model.safetensors")
    plain = {name: weight for name, weight in weights.items() if "custom_text_proj" not in name}
    save_file(plain, small.base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsMismatch, match="a qwen2_vl model without a projection"):
        load(small.base)


def test_an_adapter_of_ours_adds_to_the_one_that_the_repository_brings(small, tmp_path):
    """As fine-tuning leaves it: trained beside the first, written under the model's own names."""
    second = tmp_path / "second"
    encoder = load(small.adapter)
    projection = encoder.family.model.get_submodule("embedding_proj_layer")
    torch.manual_seed(2)
    lora = {side: torch.randn(shape) * 0.1 for side, shape in (("A", (4, 64)), ("B", (32, 4)))}
    second.mkdir()
    key = "base_model.model.custom_text_proj.lora_{}.weight"
    save_file({key.format(side): weight for side, weight in lora.items()}, second / "adapter_model.safetensors")
    LoraConfig(r=4, lora_alpha=4, target_modules=["custom_text_proj"]).save_pretrained(second)
    both = load(small.adapter, adapter=second)
    with torch.no_grad():
        projection.base_layer.weight += lora["B"] @ lora["A"]
    np.testing.assert_allclose(vectors(both), vectors(encoder), rtol=0, atol=1e-5)
    assert np.abs(vectors(both) - small.adapted).max() > 0.01
    assert both.info.name == "adapter + second"


# What a rule says of some layers


def layer(encoder: VlmEncoder, name: str) -> torch.nn.Module:
    return encoder.family.model.get_submodule(f"vlm.language_model.layers.{name}")


@pytest.mark.parametrize("name", ["model.layers.0.self_attn.q_proj", "0.self_attn.q_proj", r".*\.0\..*q_proj"])
def test_an_alpha_of_its_own_belongs_to_the_layer_that_its_stored_name_means(small, name):
    rewrite(small.adapter / "adapter_config.json", alpha_pattern={name: 40})
    encoder = load(small.adapter)
    assert layer(encoder, "0.self_attn.q_proj").scaling["adapter0"] == 40 / 4
    assert layer(encoder, "1.self_attn.q_proj").scaling["adapter0"] == 8 / 4


def test_a_rank_of_its_own_belongs_to_the_layer_that_its_stored_name_means(small):
    file = small.adapter / "adapter_model.safetensors"
    weights = load_file(file)
    for side, rows in (("A", slice(2)), ("B", (slice(None), slice(2)))):
        key = f"base_model.model.model.layers.0.self_attn.q_proj.lora_{side}.weight"
        weights[key] = weights[key][rows].contiguous()
    save_file(weights, file)
    rewrite(small.adapter / "adapter_config.json", rank_pattern={"model.layers.0.self_attn.q_proj": 2})
    assert layer(load(small.adapter), "0.self_attn.q_proj").r == {"adapter0": 2}


def test_layers_to_transform_are_those_of_the_stored_numbers(small):
    rewrite(
        small.adapter / "adapter_config.json",
        target_modules=["q_proj"],
        layers_to_transform=[1],
        layers_pattern="layers",
    )
    with pytest.raises(WeightsMismatch, match=r"weights \d+ unexpected"):
        load(small.adapter)
    file = small.adapter / "adapter_model.safetensors"
    save_file({name: each for name, each in load_file(file).items() if "layers.1.self_attn.q_proj" in name}, file)
    encoder = load(small.adapter)
    assert hasattr(layer(encoder, "1.self_attn.q_proj"), "lora_A")
    assert not hasattr(layer(encoder, "0.self_attn.q_proj"), "lora_A")


def test_all_linear_is_every_linear_layer_of_the_stored_model(small):
    encoder = load(small.base)
    wrapped = with_lora(encoder.family.model, LoraConfig(r=4, target_modules="all-linear"))
    torch.manual_seed(3)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    wrapped.eval().save_pretrained(small.adapter)
    file, prefix = small.adapter / "adapter_model.safetensors", "base_model.model."
    names = OLD["qwen2_vl"][3]
    save_file({prefix + stored_name(k.removeprefix(prefix), names): v for k, v in load_file(file).items()}, file)
    saved = {"target_modules": "all-linear", "base_model_name_or_path": str(small.base)}
    rewrite(small.adapter / "adapter_config.json", **saved)
    np.testing.assert_allclose(vectors(load(small.adapter)), vectors(encoder), rtol=0, atol=1e-5)


def test_biases_that_were_trained_are_refused_in_words(small):
    rewrite(small.adapter / "adapter_config.json", bias="lora_only")
    with pytest.raises(WeightsMismatch, match="was trained with bias='lora_only', which is not read: merge it first"):
        load(small.adapter)
