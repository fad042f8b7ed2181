"""Adapters folded into a checkpoint's weights: the vectors of the two beside each other, in one folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from colvision.cli import main
from colvision.encoders import merge_adapters
from colvision.encoders.vlm.adapters import with_lora
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.errors import EncoderError, InputError
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import encode, load, noise
from tests.helpers.old_checkpoints import OLD, save_old, save_old_adapter

pytestmark = pytest.mark.slow

TEXTS = ["bleed the hydraulic pump", "oil"]
LANGUAGE = r".*(layers|blocks)\.\d+\..*(q_proj|v_proj|o_proj|Wo|Wqkv|up_proj|down_proj)"


def vectors(encoder: VlmEncoder) -> np.ndarray:
    """Of two pages and two queries."""
    pages = [page.vectors for page in encode(encoder, noise(140, 84, seed=5), noise(60, 200, seed=6))]
    return np.concatenate(pages + [query.vectors for query in encoder.encode_queries(TEXTS)])


def save_adapter(base: Path, folder: Path, seed: int = 1, **config: object) -> Path:
    """An adapter in peft's format with random weights that matter, by the names of the model."""
    model = load(base).family.model
    torch.manual_seed(seed)
    wrapped = with_lora(model, LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": LANGUAGE, **config}))
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name or "modules_to_save" in name:
            torch.nn.init.normal_(weight, std=0.1)
    wrapped.save_pretrained(folder)
    return folder


def in_two_files(folder: Path) -> dict[str, str]:
    """Splits a checkpoint's weights; returns which of them lies in which file."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    table = {key: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, key in enumerate(weights)}
    for name in set(table.values()):
        save_file({key: weights[key] for key in table if table[key] == name}, folder / name, metadata={"format": "pt"})
    index = {"metadata": {"total_size": 0}, "weight_map": table}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return table


@pytest.mark.parametrize("name", FAMILIES)
def test_the_merged_checkpoint_gives_the_vectors_of_base_and_adapter(checkpoint_folder, name, tmp_path):
    base = checkpoint_folder(name)
    adapter = save_adapter(base, tmp_path / "adapter")
    unmerged = vectors(load(base, adapter=adapter))
    merge_adapters(base, tmp_path / "merged", adapter=adapter)
    merged = load(tmp_path / "merged")
    np.testing.assert_allclose(vectors(merged), unmerged, rtol=0, atol=1e-5)
    assert np.abs(unmerged - vectors(load(base))).max() > 0.01
    assert not [name for name, _ in merged.family.model.named_parameters() if "lora" in name]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("model_type", OLD)
def test_an_adapter_that_was_published_alone_is_merged_into_the_base_that_it_names(tmp_path, model_type):
    save_old(tmp_path / "base", model_type)
    published = save_old_adapter(tmp_path / "base", tmp_path / "published", model_type)
    unmerged = vectors(load(published))
    merge_adapters(published, tmp_path / "merged")
    np.testing.assert_allclose(vectors(load(tmp_path / "merged")), unmerged, rtol=0, atol=1e-5)
    assert np.abs(unmerged - vectors(load(tmp_path / "base"))).max() > 0.01
    base, merged = (load_file(tmp_path / each / "model.safetensors") for each in ("base", "merged"))
    assert base.keys() == merged.keys()
    changed = {key.removesuffix(".weight") for key, weight in base.items() if not torch.equal(weight, merged[key])}
    assert changed == set(json.loads((published / "adapter_config.json").read_text())["target_modules"])


@pytest.mark.parametrize(
    "config",
    [
        {"use_rslora": True, "r": 8, "lora_alpha": 4},
        {"use_dora": True},
        {"modules_to_save": ["embedding_proj_layer"]},
        {"alpha_pattern": {"q_proj": 32}},
    ],
    ids=str,
)
def test_every_kind_of_adapter_that_is_read_is_merged(checkpoint_folder, config, tmp_path):
    base = checkpoint_folder("colqwen2")
    adapter = save_adapter(base, tmp_path / "adapter", **config)
    unmerged = vectors(load(base, adapter=adapter))
    merge_adapters(base, tmp_path / "merged", adapter=adapter)
    np.testing.assert_allclose(vectors(load(tmp_path / "merged")), unmerged, rtol=0, atol=1e-5)
    assert np.abs(unmerged - vectors(load(base))).max() > 0.01


def test_two_adapters_are_merged_at_once_into_the_files_that_the_base_has(tmp_path):
    save_old(tmp_path / "base", "qwen2_vl")
    first, second = (save_old_adapter(tmp_path / "base", tmp_path / str(n), "qwen2_vl", seed=n) for n in (1, 2))
    table = in_two_files(tmp_path / "base")
    unmerged = vectors(load(first, adapter=second))
    assert np.abs(unmerged - vectors(load(first))).max() > 0.01
    merge_adapters(first, tmp_path / "merged", adapter=second)
    np.testing.assert_allclose(vectors(load(tmp_path / "merged")), unmerged, rtol=0, atol=1e-5)
    index = json.loads((tmp_path / "merged" / "model.safetensors.index.json").read_text())
    parts = {name: load_file(tmp_path / "merged" / name) for name in set(table.values())}
    assert index["weight_map"] == table == {key: name for name, part in parts.items() for key in part}
    assert index["metadata"]["total_size"] == sum(weight.nbytes for part in parts.values() for weight in part.values())


def test_bfloat16_takes_half_of_the_disk(checkpoint_folder, tmp_path):
    base = checkpoint_folder("colqwen2")
    adapter = save_adapter(base, tmp_path / "adapter")
    for dtype in ("float32", "bfloat16"):
        merge_adapters(base, tmp_path / dtype, adapter=adapter, dtype=dtype)
    files = {dtype: tmp_path / dtype / "model.safetensors" for dtype in ("float32", "bfloat16")}
    assert {weight.dtype for weight in load_file(files["bfloat16"]).values()} == {torch.bfloat16}
    assert files["bfloat16"].stat().st_size < 0.6 * files["float32"].stat().st_size
    rounded, exact = (vectors(load(tmp_path / dtype)) for dtype in ("bfloat16", "float32"))
    assert 1e-4 < np.abs(rounded - exact).max() < 0.1


def test_the_command_says_how_the_merged_checkpoint_is_loaded(checkpoint_folder, tmp_path):
    base = checkpoint_folder("colqwen2")
    adapter = save_adapter(base, tmp_path / "adapter")
    (tmp_path / "out folder").mkdir()  # empty: written into
    arguments = ["merge", str(base), str(tmp_path / "out folder"), "--adapter", str(adapter)]
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 0, answer.output
    assert (
        answer.stdout == f"{tmp_path / 'out folder'} holds the merged checkpoint: --encoder '{tmp_path}/out folder'\n"
    )
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code != 0 and "holds something: give a folder that is empty" in again.output


def test_what_cannot_be_merged_is_refused(checkpoint_folder, tmp_path):
    base = checkpoint_folder("colqwen2")
    with pytest.raises(EncoderError, match="mini takes no adapters"):
        merge_adapters("mini", tmp_path / "out")
    with pytest.raises(EncoderError, match="a checkpoint without an adapter: give one to merge"):
        merge_adapters(base, tmp_path / "out")
    with pytest.raises(InputError, match="holds something"):
        merge_adapters(base, base)
    first, second = (save_adapter(base, tmp_path / name, use_dora=name == "second") for name in ("first", "second"))
    config = json.loads((first / "adapter_config.json").read_text())
    (first / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": str(base)}))
    with pytest.raises(EncoderError, match="one is a DoRA do not add up"):
        merge_adapters(first, tmp_path / "out", adapter=second)
    assert not (tmp_path / "out").exists()
