"""Pixels go to the device as bytes, and become there what transformers' image processors make of them."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colvision.encoders import load_encoder
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import TILES, load, noise, pixel_values

pytestmark = pytest.mark.slow

SHAPES = [(300, 120), (90, 400), (33, 35), (160, 160), (700, 500), (1, 60), (2000, 3)]  # (height, width)
ELSEWHERE = [name for name in FAMILIES if name != "neomme"]  # its processor needs torchvision: see test_neomme.py


def fitted(family) -> list[Image.Image]:
    return [family.fit(noise(*shape, seed).image) for seed, shape in enumerate(SHAPES)]


def of_transformers(family, images: list[Image.Image]) -> np.ndarray:
    nested = [[image] for image in images] if hasattr(family.image_processor, "max_image_size") else images
    return family.image_processor(images=nested, return_tensors="np")["pixel_values"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_each_page_is_to_the_bit_what_transformers_makes_of_it(get, name):
    family = get(name).family
    for image in fitted(family):
        ours, theirs = pixel_values(family, image), of_transformers(family, [image])
        np.testing.assert_array_equal(ours.reshape(theirs.shape), theirs)


@pytest.mark.parametrize("name", ["colqwen2", "colqwen2.5"])
def test_pages_of_colqwen2_lie_beside_each_other_padded(get, name):
    family = get(name).family
    images = fitted(family)
    for image, row in zip(images, pixel_values(family, *images), strict=True):
        theirs = of_transformers(family, [image])
        np.testing.assert_array_equal(row[: len(theirs)], theirs)
        assert not row[len(theirs) :].any()


@pytest.mark.parametrize("name", [name for name in ELSEWHERE if name not in ("colqwen2", "colqwen2.5")])
def test_a_batch_is_to_the_bit_what_transformers_makes_of_it(get, name):
    family = get(name).family
    images = fitted(family)
    np.testing.assert_array_equal(pixel_values(family, *images), of_transformers(family, images))


@pytest.mark.parametrize("name", TILES)
def test_tiles_need_no_mask_of_pixels(get, name):
    """transformers' has ones for every tile and zeros for none: what its models take for granted without it."""
    family = get(name).family
    for image in fitted(family):
        assert family.image_processor(images=[[image]], return_tensors="np")["pixel_attention_mask"].all()


@pytest.mark.parametrize("name", FAMILIES)
def test_in_bfloat16_pixels_are_rounded_once(checkpoint_folder, get, name):
    half = load_encoder(checkpoint_folder(name), device="cpu", dtype="bfloat16").family
    exact = torch.from_numpy(pixel_values(get(name).family, *fitted(half)))
    ours = half.to_device(half.page_batch(fitted(half)).inputs)["pixel_values"]
    assert ours.dtype == torch.bfloat16
    assert torch.equal(ours, exact.bfloat16())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_page_travels_in_a_byte_a_pixel_and_channel(get, name):
    family = get(name).family
    batch = family.page_batch(fitted(family))
    assert batch.inputs["pixels"].dtype == torch.uint8
    assert batch.inputs["pixels"].numel() == batch.inputs["shapes"].prod(dim=1).sum()
    assert not any(tensor.is_floating_point() for tensor in batch.inputs.values())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *product(
            ("colpali", "colqwen2.5", "colsmol"), ({"do_rescale": False}, {"do_normalize": False}, {"resample": 0})
        ),
        ("colsmol", {"do_image_splitting": False}),
        ("colsmol", {"size": {"longest_edge": 250}}),  # no whole number of tiles
    ],
)
def test_settings_of_the_image_processor_are_followed(checkpoint_folder, tmp_path, name, settings):
    for file in checkpoint_folder(name).iterdir():
        if file.name != "preprocessor_config.json":
            (tmp_path / file.name).symlink_to(file)
    config = json.loads(Path(checkpoint_folder(name), "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**config, **settings}))
    family = load(tmp_path).family
    for image in fitted(family):
        theirs = of_transformers(family, [image])
        np.testing.assert_array_equal(pixel_values(family, image).reshape(theirs.shape), theirs)
        assert family.count_patches(*image.size) == family.prepare(image).patches


def test_a_page_is_scaled_as_neomme_asks_where_it_is_not_of_whole_patches(get):
    family, image = get("neomme").family, noise(70, 100).image
    np.testing.assert_array_equal(family.fit(image), image.resize((96, 64), Image.Resampling.BILINEAR))
