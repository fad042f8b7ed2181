"""Backbones in fewer bits: nearly the same vectors, another encoder to a library, the projection untouched."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.doctor import examine
from colvision.encoders.vlm.adapters import with_lora
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.quantised import Int8Linear, quantisation_arguments
from colvision.errors import MissingExtra
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import load

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(checkpoint_folder) -> Path:
    return checkpoint_folder("colqwen2")


@pytest.fixture(scope="module")
def int8(folder) -> VlmEncoder:
    return load(folder, quantise="int8")


def vectors(encoder: VlmEncoder) -> np.ndarray:
    """Of two pages and a query."""
    rng = np.random.default_rng(5)
    pages = [Page(Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))) for size in ((140, 84), (56, 112))]
    queries = encoder.encode_queries(["bleed the hydraulic pump"])
    return np.concatenate([each.vectors for each in (*encoder.encode_pages(pages), *queries)])


@pytest.mark.parametrize("name", FAMILIES)
def test_int8_stays_near_float_in_every_family(checkpoint_folder, get, name):
    exact, rough = get(name), load(checkpoint_folder(name), quantise="int8")
    exact_ones, rough_ones = vectors(exact), vectors(rough)
    cosines = np.sum(exact_ones * rough_ones, axis=1)
    assert np.median(cosines) > 0.995 and cosines.mean() > 0.99 and not np.array_equal(exact_ones, rough_ones)
    layers = {name for name, part in rough.family.model.named_modules() if isinstance(part, Int8Linear)}
    linear = {name for name, part in exact.family.model.named_modules() if type(part) is torch.nn.Linear}
    (projection,) = linear - layers
    assert projection in ("embedding_proj_layer", "multi_vector_head.proj")


def test_the_layer_rounds_and_does_nothing_else():
    torch.manual_seed(3)
    linear = torch.nn.Linear(48, 32).requires_grad_(False)
    states = torch.randn(2, 5, 48) * torch.tensor([[[1.0]], [[100.0]]])
    made = Int8Linear(linear)(states)
    assert made.shape == (2, 5, 32)
    weight = linear.weight / (scale := linear.weight.abs().amax(dim=1, keepdim=True) / 127)
    rows = states / (largest := states.abs().amax(dim=-1, keepdim=True) / 127)
    expected = (rows.round() * largest) @ (weight.round() * scale).T + linear.bias
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-4)
    assert float((made - linear(states)).norm() / linear(states).norm()) < 0.02


def test_the_layer_is_the_same_where_the_processor_adds_products_in_16_bits():
    """oneDNN does so without VNNI, and they saturate: as if this processor were one of those."""
    code = """
import torch
from colvision.encoders.vlm.quantised import Int8Linear
torch.manual_seed(5)
linear = torch.nn.Linear(128, 64).requires_grad_(False)
print(Int8Linear(linear)(torch.randn(32, 128) * torch.rand(32, 1)).tolist())
"""
    made = []
    for instructions in ("DEFAULT", "AVX2"):
        surroundings = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions}
        done = subprocess.run(
            [sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, check=True
        )
        made.append(torch.tensor(ast.literal_eval(done.stdout)))
    torch.testing.assert_close(*made, rtol=1e-5, atol=1e-5)


def test_a_row_of_zeros_gives_the_bias():
    linear = torch.nn.Linear(8, 4)
    torch.testing.assert_close(Int8Linear(linear)(torch.zeros(1, 8))[0], linear.bias)


def test_a_library_takes_it_for_another_encoder(folder, int8):
    assert int8.info.fingerprint != load(folder).info.fingerprint
    assert int8.info.loaded_from.options().endswith(" --quantise int8")
    assert int8.info.versions["dtype"] == "int8 in float32"


def test_the_doctor_passes_it_and_tells_its_drift(int8):
    report = examine(int8)
    assert report.passed, str(report)
    assert "more are rounded to fewer bits, see drift" in str(report)
    assert "cpu in int8 in float32: cosine to float32 on the CPU 0.99" in str(report)


def test_an_adapter_keeps_its_own_precision(folder, tmp_path):
    from peft import LoraConfig

    encoder = load(folder)
    rule = r"vlm\.language_model\..*\.(q_proj|v_proj)|embedding_proj_layer"
    wrapped = with_lora(encoder.family.model, LoraConfig(r=4, target_modules=rule))
    torch.manual_seed(1)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    wrapped.eval().save_pretrained(tmp_path)
    adapted = load(folder, adapter=tmp_path, quantise="int8")
    parts = dict(adapted.family.model.named_modules())
    assert not [name for name, part in parts.items() if ".lora_" in name and isinstance(part, Int8Linear)]
    assert not isinstance(parts["embedding_proj_layer"].base_layer, Int8Linear)
    assert np.sum(vectors(adapted) * vectors(encoder), axis=1).mean() > 0.995


def test_what_cannot_be_is_refused(folder, monkeypatch):
    with pytest.raises(ValueError, match="quantise is 'int4'; expected 'int8' or '4bit'"):
        load_encoder(folder, quantise="int4")
    with pytest.raises(ValueError, match="quantise='int8' is not for mps: int8 is for CUDA devices and CPUs"):
        quantisation_arguments("int8", torch.device("mps"), torch.float32)
    with pytest.raises(ValueError, match="quantise='4bit' is not for cpu: .* 4bit for CUDA devices"):
        load(folder, quantise="4bit")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for quantise in ("int8", "4bit"):
        with pytest.raises(MissingExtra, match=rf"'{quantise}' on cuda needs bitsandbytes.*colvision\[quantise\]"):
            quantisation_arguments(quantise, torch.device("cuda"), torch.bfloat16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="bitsandbytes is used on CUDA devices")
@pytest.mark.parametrize(("quantise", "stored", "near"), [("int8", torch.int8, 0.99), ("4bit", torch.uint8, 0.7)])
def test_on_a_gpu_bitsandbytes_leaves_the_projection_and_stays_near(folder, quantise, stored, near):
    pytest.importorskip("bitsandbytes")
    rough = load_encoder(folder, device="cuda", dtype="bfloat16", quantise=quantise)
    assert np.sum(vectors(load(folder)) * vectors(rough), axis=1).mean() > near
    weights = {name: weight.dtype for name, weight in rough.family.model.named_parameters()}
    assert weights["embedding_proj_layer.weight"] == torch.bfloat16
    assert weights["vlm.language_model.layers.0.self_attn.q_proj.weight"] == stored
    assert examine(rough).passed
