"""The doctor passes sound encoders and names each planted fault; a library is filled only by what it passed."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.core.embedding import Floats, PatchGrid
from colvision.encoders import load_encoder
from colvision.encoders.doctor import DoctorReport, ensure_valid, examine
from colvision.encoders.vlm.adapters import with_lora
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.family import Family, PageBatch, ProcessorConfig
from colvision.encoders.vlm.models.colqwen import ColQwen2
from colvision.errors import EncoderError
from colvision.testing import ToyEncoder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(checkpoint_folder) -> Path:
    return checkpoint_folder("colqwen2")


def load(folder: Path, **options: object) -> VlmEncoder:
    return load_encoder(folder, device="cpu", dtype="float32", **options)


def failed(report: DoctorReport) -> list[str]:
    return [finding.name for finding in report.findings if finding.passed is False]


def as_family(folder: Path, family: type[Family]) -> VlmEncoder:
    """The checkpoint as a family that differs from its own in one thing."""
    sound = load(folder)
    source = ProcessorConfig(folder, sound.family.layouts["colqwen2"])
    return VlmEncoder(family(sound.family.model, source), sound.checkpoint)


@pytest.mark.parametrize("name", ["colpali", "colqwen3.5", "colsmol", "neomme"])
def test_a_sound_encoder_passes(get, name):
    report = examine(get(name))
    assert report.passed, str(report)
    assert str(report).endswith("nothing is wrong")


def test_an_encoder_without_an_inside_to_ask_about_is_judged_by_its_vectors():
    report = examine(ToyEncoder())
    assert "weights" not in {finding.name for finding in report.findings}
    assert "alone and in a batch" in {finding.name for finding in report.findings}


def test_bfloat16_passes_and_its_drift_is_reported(folder):
    report = examine(load_encoder(folder, device="cpu", dtype="bfloat16"))
    assert failed(report) == []
    assert "cpu in bfloat16: cosine to float32 on the CPU 0.9" in str(report)


# Planted faults


def test_a_shuffled_projection_is_found(folder):
    encoder = load(folder)
    with torch.no_grad():
        weight = encoder.family.model.embedding_proj_layer.weight
        weight.copy_(weight[torch.randperm(len(weight), generator=torch.manual_seed(1))])
    report = examine(encoder)
    assert failed(report) == ["weights", "drift"]
    assert "1 of 59 are not those of the files: embedding_proj_layer.weight" in str(report)


@pytest.fixture(scope="module")
def adapter(folder, tmp_path_factory) -> Path:
    saved = tmp_path_factory.mktemp("adapter")
    rule = r"vlm\.language_model\..*\.(q_proj|v_proj)|embedding_proj_layer"
    wrapped = with_lora(load(folder).family.model, LoraConfig(r=4, target_modules=rule))
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    wrapped.save_pretrained(saved)
    return saved


def test_an_adapter_that_is_there_passes(folder, adapter):
    report = examine(load(folder, adapter=adapter))
    assert failed(report) == []
    assert "10 of them an adapter's" in str(report)


def test_a_dropped_adapter_is_found(folder, adapter):
    """What transformers 5 does to old repositories: their LoRA weights are gone, and nothing is raised."""
    with_adapter = load(folder, adapter=adapter)
    dropped = VlmEncoder(load(folder).family, with_adapter.checkpoint)
    assert "weights" in failed(examine(dropped))


def test_an_adapter_that_is_switched_off_is_found(folder, adapter):
    encoder = load(folder, adapter=adapter)
    for part in encoder.family.model.modules():
        if isinstance(part, LoraLayer):
            part.enable_adapters(enabled=False)
    assert "weights" in failed(examine(encoder))


def test_positions_in_one_line_are_found(folder):
    class InOneLine(ColQwen2):
        def positions(self, ids: Tensor, mask: Tensor, pixels: object) -> Tensor:
            return Family.positions(self, ids, mask, {})

    report = examine(as_family(folder, InOneLine))
    assert "positions" in failed(report)
    assert "numbered in one line" in str(report)


def test_a_model_that_takes_no_notice_of_positions_is_found(folder):
    """As `ColQwen2ForRetrieval` when nobody passes them."""
    encoder = load(folder)

    def drop(module: torch.nn.Module, args: object, inputs: dict[str, Tensor]) -> tuple[object, dict[str, Tensor]]:
        return args, {name: value for name, value in inputs.items() if name != "position_ids"}

    encoder.family.model.register_forward_pre_hook(drop, with_kwargs=True)
    report = examine(encoder)
    assert "positions" in failed(report)
    assert "takes no notice" in str(report)


def zero_padded(query: Floats, pages: list[Floats]) -> Floats:
    """As transformers and colpali-engine score: pages padded with zeros to the longest."""
    longest = max(map(len, pages))
    padded = np.stack([np.pad(page, ((0, longest - len(page)), (0, 0))) for page in pages])
    return np.einsum("td,pnd->ptn", query, padded).max(axis=2).sum(axis=1)


def test_scoring_with_zeros_for_padding_is_found(folder):
    report = examine(load(folder), score=zero_padded)
    assert failed(report) == ["padding"]
    assert "scores -1.000 alone and 0.0" in str(report)


def test_a_transposed_grid_is_found(folder):
    class Transposed(ColQwen2):
        def page_batch(self, images: list[Image.Image]) -> PageBatch:
            batch = super().page_batch(images)
            turned = [PatchGrid(grid.cells.reshape(grid.cols, grid.rows).T.copy()) for grid in batch.grids]
            return PageBatch(batch.inputs, turned, batch.kinds)

    assert "planted patches" in failed(examine(as_family(folder, Transposed)))


def test_padding_that_is_attended_to_is_found(folder):
    class Unmasked(ColQwen2):
        def pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
            ids, _ = super().pad(rows)
            return ids, torch.ones_like(ids)

    assert "queries" in failed(examine(as_family(folder, Unmasked)))


def test_an_encoder_to_which_all_pages_are_the_same_is_found(folder):
    encoder = load(folder)
    with torch.no_grad():
        encoder.family.model.embedding_proj_layer.weight.zero_()
        encoder.family.model.embedding_proj_layer.bias.fill_(1)
    assert "different pages" in failed(examine(encoder))


# Before a library is filled


def test_an_encoder_is_examined_once(folder, tmp_path):
    ensure_valid(load(folder), folder=tmp_path)
    (passed,) = tmp_path.iterdir()
    broken = load(folder)
    with torch.no_grad():
        broken.family.model.embedding_proj_layer.weight.neg_()
    ensure_valid(broken, folder=tmp_path)  # the same files in the same versions: not looked at again
    passed.unlink()
    with pytest.raises(EncoderError, match=r"not fit to fill a library; `colvision doctor` found:\n[^\0]*FAIL"):
        ensure_valid(broken, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_encoders_without_an_inside_are_not_examined(tmp_path):
    ensure_valid(load_encoder("mini"), folder=tmp_path)
    ensure_valid(ToyEncoder(), folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_library_is_not_filled_by_an_encoder_that_fails(folder, tmp_path, quick_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    picture = Image.new("RGB", (140, 196), "white")
    ImageDraw.Draw(picture).text((10, 10), "pump", font=ImageFont.load_default(30), fill="black")
    picture.save(tmp_path / "page.png")
    broken = load(folder)
    with torch.no_grad():
        broken.family.model.embedding_proj_layer.weight.neg_()
    with colvision.open_library(quick_path / "library", encoder=broken) as library:
        with pytest.raises(EncoderError, match="not fit to fill a library"):
            library.ingest(tmp_path / "page.png")
        assert library.documents() == []
    with colvision.open_library(quick_path / "library", encoder=load(folder)) as library:
        library.ingest(tmp_path / "page.png")
        assert library.search("pump")[0].page == 1


def test_the_command_tells_and_fails_by_its_exit_code(folder, tmp_path):
    answer = CliRunner().invoke(main, ["doctor", str(folder), "--device", "cpu", "--dtype", "float32"])
    assert answer.exit_code == 0, answer.output
    assert "planted patches" in answer.stdout and "nothing is wrong" in answer.stdout
    spoiled = Path(shutil.copytree(folder, tmp_path / "spoiled"))
    (spoiled / "tokenizer.json").unlink()
    answer = CliRunner().invoke(main, ["doctor", str(spoiled)])
    assert answer.exit_code == 1 and "lacks its tokenizer" in answer.stderr
