"""Which layers a fine-tuning trains, and the adapter that it writes, on tiny random models of the real classes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file

from colvision.core.page import Page
from colvision.encoders.vlm.adapters import stored_modules, with_lora
from colvision.encoders.vlm.checkpoint import find_checkpoint
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.errors import EncoderError
from colvision.finetune.lora import BaseCheckpoint, attach, pattern_of, target_names, write_adapter
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import load
from tests.helpers.old_checkpoints import OLD, save_old
from tests.helpers.training_step import PICTURES, TEXTS, step

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_changes_the_language_model_and_the_projection_alone(checkpoint_folder, name):
    encoder = load(checkpoint_folder(name))
    model = encoder.family.model
    before = {key: weight.detach().clone() for key, weight in model.named_parameters()}
    lora = attach(model, rank=4, seed=0)
    step(encoder)  # LoRA's second matrix begins at zero: only then does the first one have a gradient
    encoder.family.model.zero_grad()
    started = {key: weight.detach().clone() for key, weight in model.named_parameters()}
    step(encoder)
    moved = {key for key, weight in model.named_parameters() if not torch.equal(weight, started[key])}
    assert moved == {key for key in started if ".lora_" in key}
    layers = {key.partition(".lora_")[0] for key in moved}
    assert layers == set(lora.names)
    assert not [layer for layer in layers if re.search("visi|visual|connector|multi_modal|patch_embed", layer)]
    for key, weight in model.named_parameters():
        if ".lora_" not in key:
            torch.testing.assert_close(weight, before[key.replace(".base_layer", "")], rtol=0, atol=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_layer_of_the_language_model_is_trained(get, name):
    """The projection, and all linear layers of its blocks: at least attention and a feed-forward part in each."""
    model = get(name).family.model
    names = target_names(model)
    pattern = pattern_of(names)
    assert {part for part, _ in model.named_modules() if re.fullmatch(pattern, part)} == set(names)
    blocks = {int(re.search(r"\.(\d+)\.", part)[1]) for part in names if re.search(r"\.\d+\.", part)}
    assert blocks == set(range(len(blocks))) and len(blocks) >= 2
    assert [part for part in names if not re.search(r"\.\d+\.", part)] == [names[-1]]


def test_the_layers_of_the_picture_encoder_that_have_the_same_names_are_left_alone(get):
    """ColPali's vision tower has a q_proj, too: a list of layer names would train it."""
    model = get("colpali").family.model
    same = [name for name, _ in model.named_modules() if name.endswith("q_proj")]
    towers = {name.split(".")[1] for name in same}
    assert towers == {"language_model", "vision_tower"}
    assert {name.split(".")[1] for name in target_names(model) if name.endswith("q_proj")} == {"language_model"}


# The adapter


@pytest.fixture(scope="module")
def trained_adapter(checkpoint_folder, tmp_path_factory):
    """(folder of an adapter after two steps, the model that it came from)."""
    encoder = load(checkpoint_folder("colqwen2"))
    lora = attach(encoder.family.model, rank=4, seed=0)
    step(encoder)
    step(encoder)
    folder = tmp_path_factory.mktemp("adapter")
    write_adapter(lora, folder, BaseCheckpoint("nobody/tiny", "c0ffee"), {})
    return folder, encoder


def vectors(encoder: VlmEncoder) -> np.ndarray:
    pages = [page.vectors for page in encoder.encode_pages(Page(image) for image in PICTURES)]
    return np.concatenate(pages + [query.vectors for query in encoder.encode_queries(TEXTS)])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft asks for it
def test_saved_reloaded_and_merged_it_is_the_same_model(checkpoint_folder, trained_adapter):
    folder, encoder = trained_adapter
    expected = vectors(encoder)
    assert np.abs(expected - vectors(load(checkpoint_folder("colqwen2")))).max() > 0.01
    reloaded = load(checkpoint_folder("colqwen2"), adapter=folder)
    np.testing.assert_allclose(vectors(reloaded), expected, rtol=0, atol=1e-6)
    merged = load(checkpoint_folder("colqwen2"))
    merged.family.model = PeftModel.from_pretrained(merged.family.model, str(folder)).merge_and_unload()
    np.testing.assert_allclose(vectors(merged), expected, rtol=0, atol=1e-6)


def test_the_adapter_is_pefts_own_format_and_names_base_and_revision(trained_adapter):
    folder, _ = trained_adapter
    assert {file.name for file in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("nobody/tiny", "c0ffee")
    assert config["peft_type"] == "LORA" and isinstance(config["target_modules"], str)


@pytest.mark.parametrize("model_type", ["qwen2_vl", "paligemma"])
def test_an_adapter_of_an_old_checkpoint_has_the_names_of_that_checkpoint(tmp_path, model_type):
    save_old(tmp_path / "old", model_type)
    encoder, checkpoint = load(tmp_path / "old"), find_checkpoint(tmp_path / "old")
    lora = attach(encoder.family.model, rank=4, seed=0)
    step(encoder)
    (tmp_path / "out").mkdir()
    stored = stored_modules(checkpoint, encoder.family.layouts[checkpoint.model_type])
    write_adapter(lora, tmp_path / "out", BaseCheckpoint.of(tmp_path / "old", checkpoint), stored)
    names = {name.rpartition(".lora_")[0] for name in load_file(tmp_path / "out" / "adapter_model.safetensors")}
    assert "base_model.model.custom_text_proj" in names
    reloaded = load(tmp_path / "old", adapter=tmp_path / "out")
    np.testing.assert_allclose(vectors(reloaded), vectors(encoder), rtol=0, atol=1e-6)
    assert np.abs(vectors(encoder) - vectors(load(tmp_path / "old"))).max() > 0.01


def trained_on(checkpoint: Path, out: Path) -> VlmEncoder:
    """The encoder after two steps of training; its adapter is in `out`."""
    encoder, found = load(checkpoint), find_checkpoint(checkpoint)
    lora = attach(encoder.family.model, rank=4, seed=0)
    step(encoder)
    step(encoder)
    layout = encoder.family.layouts[found.model_type]
    out.mkdir()
    write_adapter(
        lora, out, BaseCheckpoint.of(checkpoint, found), {} if layout.is_native else stored_modules(found, layout)
    )
    return encoder


@pytest.mark.parametrize("model_type", OLD)
def test_a_second_adapter_is_trained_on_one_that_was_published_alone(tmp_path, model_type):
    """As colqwen2.5-v0.2, colpali-v1.3 and colSmol are: a base without retrieval, and an adapter that names it."""
    save_old(tmp_path / "base", model_type)
    published = trained_on(tmp_path / "base", tmp_path / "published")
    first = load_file(tmp_path / "published" / "adapter_model.safetensors")
    encoder = load(tmp_path / "published")
    lora = attach(encoder.family.model, rank=8, seed=1)
    np.testing.assert_allclose(vectors(encoder), vectors(published), rtol=0, atol=1e-6)
    before = {name: weight.detach().clone() for name, weight in encoder.family.model.named_parameters()}
    step(encoder)
    step(encoder)
    moved = {name for name, weight in encoder.family.model.named_parameters() if not torch.equal(weight, before[name])}
    assert {name.removeprefix("base_model.model.") for name in lora.trained()} == moved
    found = find_checkpoint(tmp_path / "published")
    (tmp_path / "mine").mkdir()
    stored = stored_modules(found, encoder.family.layouts[found.model_type])
    write_adapter(lora, tmp_path / "mine", BaseCheckpoint.of(tmp_path / "published", found), stored)
    second = load_file(tmp_path / "mine" / "adapter_model.safetensors")
    assert first.keys() == second.keys()
    tuned = load(tmp_path / "published", adapter=tmp_path / "mine")
    np.testing.assert_allclose(vectors(tuned), vectors(encoder), rtol=0, atol=1e-6)
    with lora.switched_off():
        np.testing.assert_allclose(vectors(encoder), vectors(published), rtol=0, atol=1e-6)
    assert np.abs(vectors(tuned) - vectors(published)).max() > 0.01


def test_an_adapter_with_a_projection_of_its_own_asks_to_be_merged_first(checkpoint_folder, tmp_path):
    encoder = load(checkpoint_folder("colqwen2"))
    config = LoraConfig(r=4, target_modules=r".*language_model.*q_proj", modules_to_save=["embedding_proj_layer"])
    with_lora(encoder.family.model, config).save_pretrained(tmp_path)
    adapted = load(checkpoint_folder("colqwen2"), adapter=tmp_path)
    with pytest.raises(EncoderError, match="a projection of its own.* `colvision merge`, and fine-tune that"):
        attach(adapted.family.model, rank=4, seed=0)
