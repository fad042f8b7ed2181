"""Encoders by name: found or not, complete or refused, and known again by their fingerprint."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from colvision.encoders import load_encoder
from colvision.encoders.repository import Hub
from colvision.encoders.vlm.checkpoint import find_checkpoint
from colvision.errors import EncoderError, EncoderNotFound, WeightsMismatch
from tests.helpers.families import load, vectors

pytestmark = pytest.mark.slow

PROJECTION = "embedding_proj_layer.weight"


@pytest.fixture(scope="module")
def pristine(checkpoint_folder) -> Path:
    return checkpoint_folder("colqwen2")


@pytest.fixture
def folder(pristine, tmp_path) -> Path:
    """A checkpoint that a test may spoil."""
    return Path(shutil.copytree(pristine, tmp_path / "checkpoint"))


def rewrite_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def rewrite_json(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def without(name: str) -> Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    return lambda weights: {key: weight for key, weight in weights.items() if key != name}


def test_a_missing_weight_is_refused_by_name(folder):
    rewrite_weights(folder, without(PROJECTION))
    with pytest.raises(WeightsMismatch, match=rf"1 missing \({PROJECTION}\)"):
        load(folder)


def test_an_unexpected_weight_is_refused_by_name(folder):
    rewrite_weights(folder, lambda weights: {**weights, "vlm.extra.weight": torch.zeros(2)})
    with pytest.raises(WeightsMismatch, match=r"1 unexpected \(vlm.extra.weight\)"):
        load(folder)


def test_a_weight_of_another_shape_is_refused_by_name(folder):
    rewrite_weights(folder, lambda weights: {**weights, PROJECTION: weights[PROJECTION][:-1].contiguous()})
    with pytest.raises(WeightsMismatch, match=rf"1 of another shape \({PROJECTION}\)"):
        load(folder)


def test_a_projection_of_another_dimension_than_declared_is_refused(folder):
    rewrite_json(folder / "config.json", embedding_dim=128)
    with pytest.raises(WeightsMismatch, match="of another shape"):
        load(folder)


def test_a_layout_that_leaves_the_language_model_random_is_refused(folder):
    def moved(weights):
        return {key.replace("vlm.language_model.", "vlm.decoder."): weight for key, weight in weights.items()}

    rewrite_weights(folder, moved)
    with pytest.raises(WeightsMismatch, match=r"\d\d missing \(.*, \.\.\.\); \d\d unexpected \(.*, \.\.\.\)"):
        load(folder)


def test_the_layout_that_kept_the_whole_vlm_loads_to_the_same_vectors(folder, pristine):
    """transformers 4 wrapped the backbone and its unused language head: `vlm.model. ...`, `vlm.lm_head.weight`."""

    def wrapped(weights):
        old = {key.replace("vlm.", "vlm.model."): weight for key, weight in weights.items()}
        return {**old, "vlm.lm_head.weight": torch.zeros(4, 64)}

    rewrite_weights(folder, wrapped)
    np.testing.assert_array_equal(vectors(load(folder)), vectors(load(pristine)))


def test_a_tokenizer_of_another_model_is_refused(folder):
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace("<|image_pad|>", "<|another|>"))
    with pytest.raises(WeightsMismatch, match="tokenizer"):
        load(folder)


def test_pickled_weights_are_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderNotFound, match=r"lacks model\.safetensors .*pickled"):
        load(folder)


def test_pickled_weights_are_known_by_their_content_before_a_model_is_made(folder):
    (folder / "model.safetensors").write_bytes(b"\x80\x02}q\x00(X\x06\x00\x00\x00weight" * 40)
    with pytest.raises(WeightsMismatch, match=r"model\.safetensors holds no weights .*pickled"):
        load(folder)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\ud800"])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
def test_a_damaged_configuration_or_table_of_weights_is_named(folder, name, text):
    (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(EncoderNotFound, match=rf"{name}.* copy it again"):
        load(folder)


@pytest.mark.parametrize("table", [{}, {"weight_map": {PROJECTION: "model.safetensors"}}, {"metadata": {}}])
def test_a_table_of_weights_that_misses_a_part_is_named(folder, table):
    (folder / "model.safetensors.index.json").write_text(json.dumps(table))
    with pytest.raises(EncoderNotFound, match="says no 'weight_map' or no 'metadata'"):
        load(folder)


def test_a_model_of_full_size_is_not_made_for_a_few_weights(folder):
    config = json.loads((folder / "config.json").read_bytes())
    config["vlm_config"]["text_config"] |= {"vocab_size": 50_000_000}  # 13 GB as float32
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsMismatch, match=r"holds \d+,\d+ weights, its config\.json describes \d,\d+,\d+,\d+:"):
        load(folder)


def test_a_file_that_transformers_stumbles_over_is_told_in_a_sentence(folder):
    (folder / "tokenizer.json").write_text('{"model": 7}')
    with pytest.raises((EncoderError, ValueError), match="checkpoint|tokenizer"):
        load(folder)


def test_a_missing_shard_is_named(folder):
    table = {"metadata": {}, "weight_map": {PROJECTION: "model-00001.safetensors", "vlm.x": "model-00002.safetensors"}}
    (folder / "model.safetensors").rename(folder / "model-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(table))
    with pytest.raises(EncoderNotFound, match=r"lacks model-00002\.safetensors"):
        load(folder)


def test_a_checkpoint_without_its_tokenizer_is_refused(folder):
    """transformers would make an empty tokenizer of it, without a word."""
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EncoderNotFound, match=r"lacks its tokenizer: copy tokenizer\.json"):
        load(folder)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_text('{"query_prefix": "Query: "}')])
def test_a_checkpoint_without_its_image_processor_is_refused(folder, spoil):
    spoil(folder / "processor_config.json")
    with pytest.raises(EncoderNotFound, match=r"lacks its image processor: copy preprocessor_config\.json"):
        load(folder)


def test_the_image_processor_may_have_its_own_file(folder, pristine):
    file = folder / "processor_config.json"
    settings = json.loads(file.read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(settings.pop("image_processor")))
    file.write_text(json.dumps(settings))
    np.testing.assert_array_equal(vectors(load(folder)), vectors(load(pristine)))


def test_prompts_are_the_checkpoints_own(folder):
    rewrite_json(folder / "processor_config.json", query_prefix="Question: ")
    [query] = load(folder).encode_queries(["oil"])
    assert "".join(query.tokens).startswith("Question:")


def test_the_family_is_read_from_the_configuration_never_from_the_name(folder, tmp_path):
    misnamed = folder.rename(tmp_path / "colpali-bert-mini")
    assert load(misnamed).info.name == "colpali-bert-mini"
    rewrite_json(misnamed / "config.json", model_type="bert")
    named_so = misnamed.rename(tmp_path / "colqwen2-v1.0-hf")
    with pytest.raises(EncoderNotFound, match="model_type 'bert'; colvision reads colmodernvbert, colpali, colqwen2, "):
        load(named_so)


def test_a_folder_without_a_checkpoint_says_what_belongs_there(tmp_path):
    with pytest.raises(EncoderNotFound, match=r"holds no config\.json: pass the folder that holds"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("name", ["minnie", "/no/such/folder", "too/many/parts", Path("no/folder")])
def test_a_name_that_can_be_nothing_is_refused(name):
    with pytest.raises(EncoderNotFound, match="expected 'mini', a checkpoint folder or a hub id"):
        load_encoder(name)


def run_python(code: str, **environment: str) -> str:
    """The code in a fresh process: what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ASK_FOR = """
from colvision.encoders import load_encoder
from colvision.errors import ColvisionError
try:
    load_encoder({name!r})
except ColvisionError as error:
    print(type(error).__name__, error)
import sys
print("torch" in sys.modules)
"""


def test_a_hub_id_that_is_not_cached_says_offline_what_to_place_where(tmp_path):
    printed = run_python(ASK_FOR.format(name="nobody/nothing"), HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(tmp_path))
    assert printed.startswith(
        "EncoderNotFound encoder 'nobody/nothing' is neither a folder here nor in the hub's cache"
    )
    assert "place its config.json, *.safetensors, tokenizer and processor files in a folder" in printed
    assert printed.endswith("False\n")


def test_without_the_extra_the_message_installs_it():
    printed = run_python("import sys; sys.modules['transformers'] = None" + ASK_FOR.format(name="nobody/nothing"))
    assert printed.startswith("MissingExtra") and "pip install 'colvision[vlm]'" in printed


def test_a_cached_hub_checkpoint_is_found_at_its_revision(pristine, tmp_path):
    repository = tmp_path / "models--nobody--tiny"
    for commit, folder in (("a" * 40, pristine), ("b" * 40, pristine)):
        shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    hub = Hub(cache=tmp_path, fetch=False)
    assert find_checkpoint("nobody/tiny", hub=hub).source == "nobody/tiny@" + "a" * 40
    checkpoint = find_checkpoint("nobody/tiny@" + "b" * 40, hub=hub)
    assert (checkpoint.folder.name, checkpoint.source) == ("b" * 40, "nobody/tiny@" + "b" * 40)
    assert (checkpoint.name, checkpoint.model_type) == ("nobody/tiny", "colqwen2")


def test_importing_the_encoders_imports_no_torch():
    assert run_python("import sys, colvision.encoders; print('torch' in sys.modules)") == "False\n"


def test_float16_is_refused_on_a_cpu(pristine):
    with pytest.raises(ValueError, match="float16 is many times slower"):
        load_encoder(pristine, device="cpu", dtype="float16")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype 'int8' is not one of"),
        ({"device": "tpu"}, "device 'tpu' is not on this machine"),
        ({"max_patches": 0}, "max_patches is 0"),
        ({"max_patches": 7, "device": "cpu"}, "ColQwen needs at least 8"),
    ],
)
def test_options_that_cannot_be_met_are_refused(pristine, options, message):
    with pytest.raises(ValueError, match=message):
        load_encoder(pristine, **options)


def test_mini_takes_no_options():
    with pytest.raises(ValueError, match="mini runs on the CPU as it is"):
        load_encoder("mini", max_patches=100)


def change_weights(folder: Path) -> None:
    rewrite_weights(folder, lambda weights: {**weights, PROJECTION: weights[PROJECTION] * 1.001})


def change_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["vlm_config"]["text_config"]["rms_norm_eps"] = 1e-6
    (folder / "config.json").write_text(json.dumps(config))


def change_pictures(folder: Path) -> None:
    file = folder / "processor_config.json"
    pictures = json.loads(file.read_text())["image_processor"]
    rewrite_json(file, image_processor={**pictures, "image_mean": [0.5, 0.5, 0.5]})


def change_tokenizer(folder: Path) -> None:
    rewrite_json(folder / "tokenizer.json", normalizer=None)


def change_prompt(folder: Path) -> None:
    rewrite_json(folder / "processor_config.json", query_prefix="Question: ")


@pytest.mark.parametrize("change", [change_weights, change_config, change_pictures, change_tokenizer, change_prompt])
def test_the_fingerprint_changes_with_whatever_changes_the_vectors(folder, pristine, change):
    change(folder)
    assert load(folder).info.fingerprint != load(pristine).info.fingerprint


def test_the_fingerprint_is_that_of_the_content_not_of_the_copy(folder, pristine):
    rewrite_json(folder / "config.json", transformers_version="5.99", _name_or_path="/somewhere/else")
    (folder / "README.md").write_text("unrelated")
    os.utime(folder / "model.safetensors", (0, 0))
    assert load(folder).info.fingerprint == load(pristine).info.fingerprint
