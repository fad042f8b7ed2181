"""NeoMME: patches that are cut by ourselves, as its own image processor cuts them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers.models.neomme.processing_neomme import NeoMMEProcessor

from colvision.encoders import load_encoder
from colvision.errors import WeightsMismatch
from tests.helpers.families import noise, pixel_values

pytestmark = pytest.mark.slow


def test_patches_of_neomme_are_cut_row_by_row_with_colours_innermost(get):
    family = get("neomme").family
    page = noise(96, 64)
    pixels = np.asarray(page.image, dtype=np.float32) / 255 * 2 - 1
    cut = pixel_values(family, family.fit(page.image))
    assert cut.shape == (6, 3 * 32 * 32)
    np.testing.assert_allclose(cut[3], pixels[32:64, 32:64].ravel(), atol=1e-6)


def test_positions_of_neomme_are_those_of_its_processor(get):
    family = get("neomme").family
    images = [noise(160, 96).image, noise(64, 64).image]  # 5 x 3 and 2 x 2 patches
    inputs = family.page_batch([family.fit(image) for image in images]).inputs
    for number, (rows, cols) in enumerate([(5, 3), (2, 2)]):
        expected = NeoMMEProcessor._image_positions(rows, cols)  # (tokens, axes)
        np.testing.assert_array_equal(inputs["position_ids"][:, number, : len(expected)], expected.T)


def test_the_tokens_of_a_neomme_page_are_marker_image_and_rows(get):
    family = get("neomme").family
    [ids] = family.page_batch([family.fit(noise(64, 96).image)]).inputs["input_ids"]
    shown = family.tokenizer.convert_ids_to_tokens(ids)
    assert shown == ["<doc>", "<img>", *2 * ["<img>", "<img>", "<img>", "<row>"]]


def test_a_query_of_neomme_scores_by_the_mean(get):
    short, long = get("neomme").encode_queries(["oil", "bleed the hydraulic pump"])
    for query in (short, long):
        assert query.weights.sum() == pytest.approx(1)


def test_a_template_that_drops_the_query_is_refused(checkpoint_folder, tmp_path):
    for file in checkpoint_folder("neomme").iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "chat_template.jinja").write_text("{{ query_token }}")
    with pytest.raises(WeightsMismatch, match="expected the query once"):
        load_encoder(tmp_path, device="cpu", dtype="float32")


# The original image processor needs torchvision, which has no build for a processor alone: here it is in numpy, after
# `NeoMMEImageProcessor` of transformers 5.23 (scale within the budget, pad below and right with black, cut row by row).


def original_size(height: int, width: int, *, max_pixels: int) -> tuple[int, int]:
    scale = min(1.0, math.sqrt(max_pixels / (height * width)))
    rounded = max(1, round(height * scale)), max(1, round(width * scale))
    if rounded[0] * rounded[1] <= max_pixels:
        return rounded
    return max(1, math.floor(height * scale)), max(1, math.floor(width * scale))


def original_patches(image: Image.Image, *, max_pixels: int) -> tuple[np.ndarray, int, int]:
    """(rows * cols, 32 * 32 * 3), rows, cols."""
    height, width = original_size(image.height, image.width, max_pixels=max_pixels)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    rows, cols = math.ceil(height / 32), math.ceil(width / 32)
    canvas = np.zeros((rows * 32, cols * 32, 3), dtype=np.uint8)
    canvas[:height, :width] = pixels
    cells = [canvas[32 * row : 32 * row + 32, 32 * col : 32 * col + 32] for row in range(rows) for col in range(cols)]
    return np.stack([cell.reshape(-1) for cell in cells]).astype(np.float32) / 255 * 2 - 1, rows, cols


@pytest.mark.parametrize(("height", "width"), [(96, 64), (128, 192), (64, 320), (384, 512), (1536, 2048)])
def test_a_page_of_whole_patches_is_cut_as_the_original_cuts_it(get, height, width):
    """Within the budget (48 patches) or scaled down to it: these pages need no black at their edges."""
    family, page = get("neomme").family, noise(height, width)
    expected, rows, cols = original_patches(page.image, max_pixels=48 * 32 * 32)
    inputs = family.page_batch([family.fit(page.image)])
    assert (inputs.grids[0].rows, inputs.grids[0].cols) == (rows, cols)
    np.testing.assert_allclose(family.to_device(inputs.inputs)["pixel_values"].numpy(), expected, rtol=0, atol=1e-6)


def test_a_page_between_patches_is_stretched_where_the_original_pads_it(get):
    """By half a patch at most on each side; the original's last row and column would be partly black."""
    family = get("neomme").family
    for height, width in np.random.default_rng(6).integers(64, 200, (200, 2)).tolist():
        _, rows, cols = original_patches(Image.new("RGB", (width, height)), max_pixels=48 * 32 * 32)
        fitted = family.fit(Image.new("RGB", (width, height), "white"))
        assert (rows - fitted.height // 32, cols - fitted.width // 32) in {(0, 0), (0, 1), (1, 0), (1, 1)}
        assert abs(fitted.height - height) <= 16 and abs(fitted.width - width) <= 16
        cut = pixel_values(family, fitted)
        assert cut.min() == 1, "no black where the page is white"


@pytest.mark.parametrize(
    ("settings", "size", "expected"),
    [
        ({"resample": 0}, (66, 34), {-1.0, 1.0}),
        ({"do_rescale": False, "do_normalize": False}, (64, 32), {0.0, 255.0}),
        ({"do_normalize": False}, (64, 32), {0.0, 1.0}),
        (
            {"rescale_factor": 1 / 510, "image_mean": [0.0, 0.0, 0.0], "image_std": [0.5, 0.5, 0.5]},
            (64, 32),
            {0.0, 1.0},
        ),
    ],
)
def test_settings_of_the_image_processor_are_followed(checkpoint_folder, tmp_path, settings, size, expected):
    for file in checkpoint_folder("neomme").iterdir():
        if file.name != "preprocessor_config.json":
            (tmp_path / file.name).symlink_to(file)
    config = json.loads(Path(checkpoint_folder("neomme"), "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**config, **settings}))
    family = load_encoder(tmp_path, device="cpu", dtype="float32").family
    stripes = np.zeros((*size, 3), dtype=np.uint8)
    stripes[:, ::2] = 255  # any other way of scaling would mix them
    cut = pixel_values(family, family.fit(Image.fromarray(stripes)))
    assert set(np.unique(cut).tolist()) == expected


def test_pages_that_are_not_to_be_resized_keep_their_size(checkpoint_folder, tmp_path):
    for file in checkpoint_folder("neomme").iterdir():
        if file.name != "preprocessor_config.json":
            (tmp_path / file.name).symlink_to(file)
    config = json.loads(Path(checkpoint_folder("neomme"), "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**config, "do_resize": False}))
    family = load_encoder(tmp_path, device="cpu", dtype="float32").family
    assert family.fit(noise(320, 256).image).size == (256, 320), "80 patches, beyond the 48 of `size`"


@pytest.mark.parametrize("prompt", ["<img>", "Look: <doc><img>"])
def test_a_page_prompt_that_would_shift_rows_and_columns_is_refused(checkpoint_folder, prompt):
    with pytest.raises(ValueError, match=r"must begin with <doc><img>: from there NeoMME counts rows and columns"):
        load_encoder(checkpoint_folder("neomme"), device="cpu", page_prompt=prompt)


def test_words_after_a_page_of_neomme_leave_rows_and_columns_as_they_are(checkpoint_folder, get):
    family = load_encoder(checkpoint_folder("neomme"), device="cpu", page_prompt="<doc><img> oil").family
    image = noise(160, 96).image
    found, plain = (each.page_batch([each.fit(image)]).inputs for each in (family, get("neomme").family))
    length = plain["position_ids"].shape[-1]
    assert found["position_ids"].shape[-1] > length
    np.testing.assert_array_equal(found["position_ids"][..., :length], plain["position_ids"])
