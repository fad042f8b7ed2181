"""The tower in whole numbers sees what the trained one does, on every processor the same."""

import numpy as np
import pypdfium2 as pdfium
import pytest
import torch
from safetensors.torch import load_file

from colvision.core.page import Page, PdfGeometry
from colvision.encoders.mini.encoder import PAGE_TOWER, SHIPPED
from colvision.encoders.mini.page_image import resize_page
from colvision.encoders.mini.page_tower import PageTower
from colvision.encoders.mini.training import model
from colvision.encoders.mini.training.export import FLOAT_PAGE_TOWER, page_tower
from colvision.encoders.mini.training.quantise import write_quantised
from colvision.errors import WeightsMismatch
from tests.helpers import ROOT

pytestmark = pytest.mark.slow

REFERENCE = ROOT / "tests" / "encoders" / "mini" / "reference.npz"  # made by tests/encoders/mini/reference.py
PRINT = -1.0  # logit of ink from which on a patch is kept


@pytest.fixture(scope="module")
def tower():
    return PageTower(SHIPPED / PAGE_TOWER)


@pytest.fixture(scope="module")
def trained():
    return page_tower(load_file(SHIPPED / FLOAT_PAGE_TOWER))


@pytest.fixture(scope="module", params=["sample-manual", "sample-manual-scan"])
def image(request):
    with pdfium.PdfDocument(ROOT / "data" / f"{request.param}.pdf") as pdf:
        sheet = pdf[10]
        return resize_page(Page(sheet.render(scale=2).to_pil(), geometry=PdfGeometry((0, 0, *sheet.get_size()))))


def see(trained, images):
    ink = 1 - torch.from_numpy(images).float()[:, None] / 255
    output = trained(ink)
    return output.vectors.permute(0, 2, 3, 1).numpy(), output.ink.numpy(), output.letters.permute(0, 2, 3, 1).numpy()


def test_eight_bits_see_what_the_trained_tower_sees(tower, trained, image):
    found = tower.read(image[None])
    vectors, ink, letters = see(trained, image[None])
    printed = ink > PRINT
    alike = (found.vectors * vectors).sum(axis=-1)[printed]
    assert printed.sum() > 300
    assert alike.mean() > 0.99
    assert np.quantile(alike, 0.01) > 0.95
    assert ((found.ink > PRINT) == printed).mean() > 0.97
    assert (found.letters.argmax(axis=-1) == letters.argmax(axis=-1)).mean() > 0.98


def test_images_read_together_are_read_as_they_are_alone(tower, image):
    parts = np.stack([image[:320, :320], image[320:640, 320:640], image[-320:, -320:]])
    together = tower.read(parts)
    for number, part in enumerate(parts):
        alone = tower.read(part[None])
        for field in ("vectors", "ink", "letters"):
            np.testing.assert_allclose(getattr(together, field)[number], getattr(alone, field)[0], atol=1e-4)


def test_this_processor_sees_what_others_saw():
    """The promise of a fingerprint: a library that one machine filled is searched, and added to, by another."""
    with np.load(REFERENCE) as kept:
        found = PageTower(SHIPPED / PAGE_TOWER).read(kept["image"][None])
        printed = kept["ink"] > PRINT
        alike = (found.vectors[0] * kept["vectors"].astype(np.float32)).sum(axis=-1)[printed]
        assert printed.sum() > 100
        assert alike.min() > 0.999
        np.testing.assert_allclose(found.ink[0][printed], kept["ink"][printed], atol=0.05)


@pytest.mark.filterwarnings("ignore:.*:FutureWarning")  # torch's exporter meets those of its own
@pytest.mark.long
def test_a_tower_is_quantised_from_any_weights(tmp_path):
    torch.manual_seed(0)
    tower = model.PageTower().eval().requires_grad_(False)
    for weight in tower.parameters():
        if weight.ndim == 4:  # torch's own start fades out from layer to layer: all pages would look alike
            weight.normal_(std=(3 / weight[0].numel()) ** 0.5)
    images = np.random.default_rng(0).integers(0, 256, (3, 96, 96), dtype=np.uint8)
    write_quantised(tower, images, tmp_path / "page.onnx")
    found = PageTower(tmp_path / "page.onnx").read(images)
    vectors, *_ = see(tower, images)
    assert (found.vectors * vectors).sum(axis=-1).mean() > 0.95
    assert str(ROOT).encode() not in (tmp_path / "page.onnx").read_bytes()


def test_a_checkpoint_without_all_of_the_tower_is_refused():
    tensors = load_file(SHIPPED / FLOAT_PAGE_TOWER)
    for wrong in ({}, {"more": torch.zeros(1)} | tensors, dict(list(tensors.items())[1:])):
        with pytest.raises(SystemExit, match="take the checkpoint of a run"):
            page_tower(wrong)


def test_a_damaged_network_is_told(tmp_path):
    damaged = tmp_path / "page.onnx"
    damaged.write_bytes((SHIPPED / PAGE_TOWER).read_bytes()[:-5000])
    with pytest.raises(WeightsMismatch, match="install colvision again"):
        PageTower(damaged).read(np.zeros((1, 32, 32), np.uint8))
