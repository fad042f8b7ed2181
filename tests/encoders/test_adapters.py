"""LoRA adapters beside a checkpoint: all of their weights on the checkpoint that they were trained on, or refused."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from colvision.encoders import load_encoder
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.repository import Hub
from colvision.encoders.vlm.adapters import with_lora
from colvision.encoders.vlm.checkpoint import find_checkpoint
from colvision.errors import EncoderNotFound, MissingExtra, WeightsMismatch
from colvision.testing import tiny_checkpoint
from tests.helpers.families import load, vectors

pytestmark = pytest.mark.slow

LAYERS = r"vlm\.language_model\..*\.(q_proj|v_proj)|embedding_proj_layer"


@pytest.fixture(scope="module")
def pristine(checkpoint_folder) -> Path:
    return checkpoint_folder("colqwen2")


def rewrite_json(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.fixture(scope="module")
def adapted(pristine, tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A LoRA adapter as peft saves it, and the page vectors of the model that it was saved from."""
    from peft import LoraConfig

    encoder = load(pristine)
    config = LoraConfig(r=4, target_modules=LAYERS)
    wrapped = with_lora(encoder.family.model, config)
    torch.manual_seed(1)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    folder = tmp_path_factory.mktemp("adapter")
    wrapped.eval().save_pretrained(folder)
    return folder, vectors(encoder)


def test_an_adapter_gives_the_vectors_of_the_model_it_was_saved_from(pristine, adapted):
    folder, expected = adapted
    with_adapter = load(pristine, adapter=folder)
    np.testing.assert_allclose(vectors(with_adapter), expected, rtol=0, atol=1e-6)
    plain = load(pristine)
    assert np.abs(vectors(plain) - expected).max() > 0.01
    assert with_adapter.info.fingerprint != plain.info.fingerprint
    assert with_adapter.info.name == f"{pristine.name} + {folder.name}"


def test_an_adapter_of_the_old_layout_is_refused(pristine, adapted, tmp_path):
    """Its layers would be filled with fresh, idle LoRA weights and the trained ones dropped, without an exception."""
    old = Path(shutil.copytree(adapted[0], tmp_path / "old"))
    weights = load_file(old / "adapter_model.safetensors")
    renamed = {key.replace("vlm.language_model.", "model."): weight for key, weight in weights.items()}
    save_file(renamed, old / "adapter_model.safetensors")
    with pytest.raises(WeightsMismatch, match=r"adapter 'old' does not fit .* 8 missing .* 8 unexpected"):
        load(pristine, adapter=old)


def test_an_adapter_for_layers_that_are_not_there_is_refused(pristine, adapted, tmp_path):
    other = Path(shutil.copytree(adapted[0], tmp_path / "other"))
    rewrite_json(other / "adapter_config.json", target_modules=["no_such_layer"])
    with pytest.raises(WeightsMismatch, match="adapter 'other' does not fit"):
        load(pristine, adapter=other)


def test_an_adapter_of_another_rank_is_refused(pristine, adapted, tmp_path):
    other = Path(shutil.copytree(adapted[0], tmp_path / "other"))
    rewrite_json(other / "adapter_config.json", r=8)
    with pytest.raises(WeightsMismatch, match=r"10 of another shape"):
        load(pristine, adapter=other)


def test_an_adapter_without_peft_asks_for_the_extra(pristine, adapted, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match=r"needs peft, .* pip install 'colvision\[vlm\]'"):
        load(pristine, adapter=adapted[0])


def test_an_empty_adapter_folder_is_refused(pristine, tmp_path):
    with pytest.raises(EncoderNotFound, match=r"holds no adapter_config\.json"):
        load(pristine, adapter=tmp_path)


# Which checkpoint it belongs to


def test_an_adapter_alone_asks_for_its_checkpoint(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(EncoderNotFound, match=r"holds an adapter, not a checkpoint: .* pass adapter="):
        load_encoder(tmp_path)


@pytest.fixture(scope="module")
def cached(pristine, adapted, tmp_path_factory) -> tuple[Hub, Path]:
    """The hub's cache with two revisions of a base, and a folder with an adapter for one that is not the newest."""
    cache = tmp_path_factory.mktemp("cache")
    repository = cache / "models--nobody--tiny"
    for commit in ("a" * 40, "b" * 40):
        shutil.copytree(pristine, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    adapter = Path(shutil.copytree(adapted[0], tmp_path_factory.mktemp("alone") / "adapter"))
    rewrite_json(adapter / "adapter_config.json", base_model_name_or_path="nobody/tiny", revision="b" * 40)
    return Hub(cache=cache, fetch=False), adapter


def test_an_adapter_is_put_on_the_revision_that_it_names(cached):
    hub, adapter = cached
    found = find_checkpoint(adapter, hub=hub)
    assert (found.folder.name, found.adapter, found.source) == ("b" * 40, adapter, str(adapter))
    rewrite_json(adapter / "adapter_config.json", revision=None)
    assert find_checkpoint(adapter, hub=hub).folder.name == "a" * 40
    rewrite_json(adapter / "adapter_config.json", revision="c" * 40)
    with pytest.raises(EncoderNotFound, match=f"trained on, 'nobody/tiny@{'c' * 40}', is not here"):
        find_checkpoint(adapter, hub=hub)


def test_a_revision_of_a_folder_cannot_be_known_and_is_refused(pristine, adapted, tmp_path):
    adapter = Path(shutil.copytree(adapted[0], tmp_path / "adapter"))
    rewrite_json(adapter / "adapter_config.json", base_model_name_or_path=str(pristine), revision="main")
    with pytest.raises(EncoderNotFound, match=r"for revision 'main' of .*, which is a folder here .* pass adapter="):
        load_encoder(adapter)


def test_an_adapter_of_ours_is_refused_on_another_checkpoint_of_the_same_shape(pristine, adapted, tmp_path):
    adapter = Path(shutil.copytree(adapted[0], tmp_path / "adapter"))
    files = fingerprint([pristine], ())
    (adapter / "finetune.json").write_text(json.dumps({"base": {"name": "nobody/tiny", "files": files}}))
    np.testing.assert_allclose(vectors(load(pristine, adapter=adapter)), adapted[1], rtol=0, atol=1e-6)
    other = tiny_checkpoint(tmp_path / "other", seed=1)
    with pytest.raises(WeightsMismatch, match=rf"was trained on nobody/tiny \(files {files[:12]}\), not on .*other"):
        load(other, adapter=adapter)
    (adapter / "finetune.json").unlink()
    load(other, adapter=adapter)  # it fits, and nothing tells that it should not be there
