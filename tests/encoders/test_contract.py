"""Our own encoders keep the contract of every encoder, and a little more."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.testing import check_encoder, tiny_checkpoint

pytestmark = pytest.mark.slow

Loader = Callable[[], Encoder]


def load_mini(folder: Path) -> Loader:
    return lambda: load_encoder("mini")


def load_colqwen2(folder: Path) -> Loader:
    checkpoint = tiny_checkpoint(folder / "colqwen2")
    return lambda: load_encoder(checkpoint, device="cpu", dtype="float32")


@pytest.fixture(scope="module", params=[load_mini, load_colqwen2])
def load(request, tmp_path_factory) -> Loader:
    return request.param(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def encoder(load) -> Encoder:
    return load()


def valve(height: int, width: int) -> Page:
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).text((8, 8), "valve", fill="black")
    return Page(image)


def test_it_keeps_the_contract(encoder):
    check_encoder(encoder)


def test_a_page_lies_upright_and_a_wide_one_across(encoder):
    tall, wide = encoder.encode_pages([valve(400, 200), valve(200, 400)])
    assert tall.grid.rows > wide.grid.rows
    assert tall.grid.cols < wide.grid.cols


def test_a_collection_remembers_the_version_of_what_computes(encoder):
    computes = "onnxruntime" if encoder.info.name == "mini" else "torch"
    assert encoder.info.versions[computes] == version(computes)


def test_a_second_load_is_the_same_encoder(load, encoder):
    again = load()
    assert again.info.fingerprint == encoder.info.fingerprint
    assert again.info.quantisation_range == encoder.info.quantisation_range
    [one], [other] = (each.encode_pages([valve(220, 160)]) for each in (again, encoder))
    np.testing.assert_array_equal(one.grid.cells, other.grid.cells)
    np.testing.assert_array_equal(one.kind, other.kind)
    np.testing.assert_allclose(one.vectors, other.vectors, rtol=0, atol=1e-6)
