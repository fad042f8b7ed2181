"""A page becomes no more patches than its model was trained with, whatever the image processor's file allows."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colvision.cli import main
from colvision.encoders.doctor import examine
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import load, noise

pytestmark = pytest.mark.slow

TRAINED = {"colqwen2": 768, "colqwen2.5": 768, "colqwen3": 1280, "colqwen3.5": 1280}
A4 = {"colqwen2": 736, "colqwen2.5": 736, "colqwen3": 1260, "colqwen3.5": 1260}  # patches, of a page of 2.1 Mpx


@pytest.fixture(params=TRAINED)
def published(request, checkpoint_folder, tmp_path) -> tuple[str, Path]:
    """With an image processor's file as several repositories have it: 12,845,056 pixels."""
    folder = Path(shutil.copytree(checkpoint_folder(request.param), tmp_path / request.param))
    file = next(
        folder / name for name in ("preprocessor_config.json", "processor_config.json") if (folder / name).is_file()
    )
    settings = json.loads(file.read_bytes())
    settings.get("image_processor", settings)["size"] = {"shortest_edge": 3136, "longest_edge": 12_845_056}
    file.write_text(json.dumps(settings))
    return request.param, folder


def resolution(encoder: VlmEncoder) -> tuple[bool | None, str]:
    [found] = [finding for finding in examine(encoder).findings if finding.name == "resolution"]
    return found.passed, found.message


def test_a_file_that_allows_more_is_held_to_what_the_models_were_trained_with(published):
    name, folder = published
    family = load(folder).family
    assert family.max_patches == TRAINED[name]
    patches = family.count_patches(*family.fitted_size(2480, 3508))
    assert 0.9 * TRAINED[name] < patches <= TRAINED[name]


def test_a_file_that_allows_less_is_kept_to(get):
    assert {get(name).family.max_patches for name in TRAINED} == {48}


def test_more_may_be_asked_for_and_is_what_was_before(published):
    """The same fingerprint as before there was a limit: its library goes on with this option."""
    name, folder = published
    stated = 12_845_056 // (28 if TRAINED[name] == 768 else 32) ** 2
    before = load(folder, max_patches=stated, attention="causal")
    prompts = before.family.prompts
    said = (before.checkpoint.checkpoint.model_type, "1", prompts.page, prompts.query_prefix, prompts.query_suffix)
    expected = fingerprint([folder], (*said, str(stated)))
    assert before.family.max_patches == stated and before.info.fingerprint == expected
    [(formerly, change)] = load(folder).info.former.items()
    assert formerly == expected
    assert f"makes at most {TRAINED[name]:,} patches of a page for {stated:,}, as it was trained" in change


def test_the_doctor_tells_what_an_a4_page_becomes(published):
    name, folder = published
    encoder = load(folder)
    passed, message = resolution(encoder)
    assert passed and message == encoder.describe_page()
    assert message.startswith(f"an A4 page is {A4[name]:,} patches, {A4[name] + 12:,} vectors with its prompt; at most")
    assert "as the models were trained; the checkpoint's image processor allows" in message
    assert "the options given; the models were trained with" in load(folder, max_patches=100).describe_page()


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in TRAINED])
def test_other_families_keep_to_what_their_files_state(get, name):
    passed, message = resolution(get(name))
    assert passed and "(as the checkpoint states)" in message


def test_the_doctor_finds_an_image_processor_that_makes_more(published):
    name, folder = published
    encoder = load(folder)
    encoder.family.image_processor.size = {"shortest_edge": 3136, "longest_edge": 12_845_056}
    passed, message = resolution(encoder)
    assert passed is False and f"at most {TRAINED[name]:,} patches" in message


def test_the_first_line_of_an_ingest_tells_it(get, checkpoint_folder, quick_path):
    noise(200, 150).image.save(quick_path / "page.png")
    words = ["ingest", quick_path / "page.png", "--encoder", checkpoint_folder("colqwen2"), "--device", "cpu"]
    answer = CliRunner().invoke(
        main, [*map(str, words), "--dtype", "float32", "--library", str(quick_path / "library")]
    )
    assert answer.exit_code == 0, answer.output
    encoder = get("colqwen2")
    assert f"{encoder.info.name}: {encoder.describe_page()}\n" in answer.stderr
