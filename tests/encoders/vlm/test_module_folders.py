"""Folders of sentence-transformers 6: read as they are meant, or refused in words. That the vectors are its own is seen
in tests/oracles.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from colvision.cli import main
from colvision.core.embedding import VectorKind
from colvision.encoders import merge_adapters
from colvision.encoders.doctor import examine
from colvision.encoders.vlm.adapters import with_lora
from colvision.errors import EncoderError, EncoderNotFound, WeightsMismatch
from colvision.testing import tiny_checkpoint
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import encode, load, noise, vectors
from tests.oracles.checkpoints import checkpoint

pytestmark = pytest.mark.slow

MASK = "2_MultiVectorMask/config.json"
SETTINGS = "config_sentence_transformers.json"
TRANSFORMER = "sentence_bert_config.json"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    return checkpoint("st-colqwen2", tmp_path_factory.mktemp("module-folder"))


@pytest.fixture
def folder(pristine, tmp_path) -> Path:
    """One that a test may change."""
    return Path(shutil.copytree(pristine, tmp_path / "checkpoint"))


def change(folder: Path, name: str, **values: object) -> None:
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def with_step(folder: Path, kind: str, path: str = "") -> None:
    file = folder / "modules.json"
    file.write_text(json.dumps([*json.loads(file.read_text()), {"idx": 4, "name": "4", "path": path, "type": kind}]))


def change_steps(folder: Path, kind: str, **values: object) -> None:
    file = folder / "modules.json"
    steps = json.loads(file.read_text())
    file.write_text(json.dumps([each | values if each["type"].endswith(kind) else each for each in steps]))


def without_step(folder: Path, name: str) -> None:
    file = folder / "modules.json"
    file.write_text(json.dumps([each for each in json.loads(file.read_text()) if not each["type"].endswith(name)]))


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "two layers": (
        lambda f: with_step(f, "sentence_transformers.base.modules.dense.Dense", "4_Dense"), "it has 2 steps Dense"
    ),
    "an activation": (
        lambda f: change(f, "1_Dense/config.json", activation_function="torch.nn.modules.activation.Tanh"),
        "Dense layer has the activation Tanh",
    ),
    "the default activation": (
        lambda f: (f / "1_Dense/config.json").write_text('{"in_features": 64, "out_features": 8}'), "activation Tanh"
    ),
    "a residual": (lambda f: change(f, "1_Dense/config.json", use_residual=True), "adds its input to its output"),
    "a projection of pages": (
        lambda f: change(f, "1_Dense/config.json", module_input_name="sentence_embedding"), "something else than the"
    ),
    "own code": (lambda f: with_step(f, "modeling.Fusion"), "step modeling.Fusion is code of its own, .* never run"),
    "pooled tokens": (
        lambda f: with_step(f, "sentence_transformers.multi_vector_encoder.modules.HierarchicalTokenPooling"),
        "step HierarchicalTokenPooling is not known",
    ),
    "one vector": (
        lambda f: with_step(f, "sentence_transformers.base.modules.Pooling"), "its steps are Transformer, Dense"
    ),
    "vectors of any length": (lambda f: without_step(f, "Normalize"), "its steps are Transformer, Dense, MultiVector"),
    "a page of unit length": (
        lambda f: change(f, "3_Normalize/config.json", module_output_name="sentence_embedding"),
        "Normalize is not for the",
    ),
    "expansion": (
        lambda f: change(f, TRANSFORMER, query_expansion={"strategy": "fixed", "length": 32}), "up with mask tokens"
    ),
    "texts": (lambda f: change(f, TRANSFORMER, modality_config={"text": {}}), "reads texts alone: .*no chat template"),
    "an unknown setting": (
        lambda f: change(f, TRANSFORMER, config_kwargs={"num_hidden_layers": 1}), "sets num_hidden_layers in config_kwa"
    ),
    "images otherwise": (
        lambda f: change(f, TRANSFORMER, processing_kwargs={"image": {"do_resize": False}}), "sets do_resize of images"
    ),
    "a list of words that are none": (lambda f: change(f, MASK, skiplist_words=["bleed the"]), "skips 'bleed the'"),
    "no template": (lambda f: (f / "chat_template.jinja").unlink(), "lacks its chat template"),
    "no list": (lambda f: (f / "modules.json").write_text("{}"), "lists no modules|its steps are"),
    "no projection": (lambda f: (f / "1_Dense/model.safetensors").unlink(), r"1_Dense lacks model\.safetensors"),
    "no mask": (lambda f: (f / MASK).unlink(), "2_MultiVectorMask/config.json is not there: copy it"),
    "no prompts": (lambda f: (f / SETTINGS).unlink(), f"{SETTINGS} is not there: copy it"),
    "another score": (lambda f: change(f, SETTINGS, similarity_fn_name="cosine"), "its score is cosine, not a sum or"),
    "a setting of another kind": (lambda f: change(f, SETTINGS, prompts=["x"]), "one of its settings cannot be read"),
    "a length in letters": (lambda f: change(f, TRANSFORMER, query_length="32"), "says a length of '32' tokens"),
    "letters made small": (lambda f: change(f, TRANSFORMER, do_lower_case=True), "sets do_lower_case: colvision"),
    "a direction in passing": (
        lambda f: change(f, TRANSFORMER, model_kwargs={"is_causal": False}), "sets is_causal in model_kwargs"
    ),
    "texts otherwise": (
        lambda f: change(f, TRANSFORMER, processing_kwargs={"text": {"add_special_tokens": False}}),
        "sets add_special_tokens in processing_kwargs, text",
    ),
    "a vector of a page": (
        lambda f: change(f, TRANSFORMER, module_output_name="sentence_embedding"), "gives something else than the vec"
    ),
    "a backbone elsewhere": (
        lambda f: change_steps(f, "Transformer", path="0_Transformer"), "Transformer lies in 0_Transformer, not beside"
    ),
    "a projection elsewhere": (
        lambda f: change_steps(f, "Dense", path=str(f.parent / "1_Dense")), "Dense lies outside of its folder"
    ),
    "another model": (lambda f: change(f, TRANSFORMER, transformer_task="retrieval"), "step Dense is not known here"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_understood_is_refused_in_words(folder, case):
    spoil, message = REFUSED[case]
    spoil(folder)
    with pytest.raises(EncoderNotFound, match=message):
        load(folder)


def test_a_template_that_writes_no_page_is_refused(folder):
    (folder / "chat_template.jinja").write_text("{{ messages[-1].content[0].text }}")
    with pytest.raises(WeightsMismatch, match=r"writes a page as '.*': expected <\|image_pad\|> once"):
        load(folder)


def test_a_projection_of_other_weights_is_refused(folder):
    save_file({"linear.weight": torch.zeros(8, 32)}, folder / "1_Dense/model.safetensors")
    with pytest.raises(WeightsMismatch, match="of another shape"):
        load(folder)
    save_file({"other": torch.zeros(8, 64)}, folder / "1_Dense/model.safetensors")
    with pytest.raises(WeightsMismatch, match=r"1 missing \(linear.weight\); 1 unexpected \(other\)"):
        load(folder)


def test_prompts_come_from_the_chat_template_after_those_of_each_task(folder):
    encoder = load(folder)
    assert (encoder.family.prompts.query_prefix, encoder.family.prompts.source) == ("Query: ", "the chat template")
    change(folder, "config_sentence_transformers.json", prompts={"query": "Find: ", "document": "Page: "})
    (folder / "chat_template.jinja").write_text(
        "{% for message in messages %}{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}"
        "{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}{% endfor %}{% endfor %}"
    )
    prompts = load(folder).family.prompts
    assert prompts.page == "Page: <|vision_start|><|image_pad|><|vision_end|>"
    assert (prompts.query_prefix, prompts.query_suffix) == ("Find: ", "")


def test_patches_keep_their_places_where_tokens_of_the_prompt_have_no_vector(folder):
    page = noise(140, 84)
    change(folder, MASK, skiplist_words=[])
    [whole] = encode(load(folder), page)
    change(folder, MASK, skiplist_words=["<|im_start|>", ".", "<|vision_end|>"])
    [page_without] = encode(load(folder), page)
    assert len(page_without.vectors) == len(whole.vectors) - 3
    np.testing.assert_array_equal(page_without.vectors[page_without.grid.cells], whole.vectors[whole.grid.cells])
    assert (page_without.kind[page_without.grid.cells] == VectorKind.PATCH).all()


def test_only_the_tokens_to_keep_have_a_vector_of_a_page_and_queries_keep_theirs(folder):
    page = noise(140, 84)
    encoder = load(folder)
    [whole], [query] = encode(encoder, page), encoder.encode_queries(["oil"])
    change(folder, MASK, keep_only_token_ids=[encoder.family.image_token_id])
    kept = load(folder)
    [patches] = encode(kept, page)
    assert patches.vectors.shape == (whole.grid.cells.size, 8)
    np.testing.assert_array_equal(patches.vectors[patches.grid.cells], whole.vectors[whole.grid.cells])
    np.testing.assert_array_equal(kept.encode_queries(["oil"])[0].vectors, query.vectors)


def test_a_list_for_queries_takes_the_token_with_its_vector(folder):
    [whole] = load(folder).encode_queries(["oil. pump"])
    change(folder, MASK, skiplist_words=["."], skiplist_tasks=["query"])
    [query] = load(folder).encode_queries(["oil. pump"])
    left = [token != "." for token in whole.tokens]
    assert not all(left) and query.tokens == tuple(token for token in whole.tokens if token != ".")
    np.testing.assert_array_equal(query.vectors, whole.vectors[left])


def test_a_mean_of_maxima_weighs_tokens_by_their_number(folder):
    change(folder, "config_sentence_transformers.json", similarity_fn_name="meanmaxsim")
    [query] = load(folder).encode_queries(["oil"])
    np.testing.assert_allclose(query.weights, 1 / len(query.tokens))


def test_a_query_is_cut_at_the_length_of_the_checkpoint_its_prompt_left_whole(folder):
    change(folder, TRANSFORMER, query_length=20)
    [query] = load(folder).encode_queries([" ".join(["oil"] * 40)])
    assert len(query.tokens) == 20
    assert query.tokens[-10:] == ("<|endoftext|>",) * 10


@pytest.mark.parametrize("stated", [{"max_seq_length": 100}, {"processor_kwargs": {"model_max_length": 100}}], ids=str)
def test_a_length_for_both_sides_counts_where_one_has_none_of_its_own(folder, stated):
    change(folder, TRANSFORMER, **stated)
    modules = load(folder).family.modules
    assert (modules.query_length, modules.document_length) == (100, 100)
    change(folder, TRANSFORMER, query_length=20)
    assert load(folder).family.modules.query_length == 20


def test_a_page_that_may_be_longer_than_the_checkpoint_takes_says_which_resolution_does(folder):
    change(folder, TRANSFORMER, document_length=40)
    with pytest.raises(
        ValueError, match=r"may become 48 patches, .* leaves room for (\d+): load it with max_patches=\1"
    ):
        load(folder)
    assert load(folder, max_patches=12).family.max_patches == 12


def test_limits_of_pixels_that_stand_beside_the_image_processor_count(folder):
    cell = 28 * 28
    change(folder, TRANSFORMER, processor_kwargs={"min_pixels": 4 * cell, "max_pixels": 12 * cell})
    encoder = load(folder)
    assert encoder.family.max_patches == 12
    assert encode(encoder, noise(400, 300))[0].grid.cells.size <= 12


@pytest.mark.parametrize(
    "changed",
    [
        lambda f: change(f, MASK, skiplist_words=[]),
        lambda f: change(f, TRANSFORMER, query_length=50),
        lambda f: change(f, "config_sentence_transformers.json", similarity_fn_name="meanmaxsim"),
        lambda f: save_file(
            {name: 2 * weight for name, weight in load_file(f / "1_Dense/model.safetensors").items()},
            f / "1_Dense/model.safetensors",
        ),
    ],
)
def test_the_fingerprint_changes_with_what_stands_beside_the_model(folder, pristine, changed):
    changed(folder)
    assert load(folder).info.fingerprint != load(pristine).info.fingerprint


def test_a_marked_model_reads_both_ways_as_its_configuration_says(tmp_path):
    folder = checkpoint("st-pplx-late", tmp_path / "pplx")
    both = load(folder)
    assert both.checkpoint.direction.attention == "bidirectional"
    config = json.loads((folder / "config.json").read_text())
    del config["text_config"]["is_causal"]
    (folder / "config.json").write_text(json.dumps(config))
    causal = load(folder)  # what sentence-transformers runs where nothing is said, whatever published ones are
    assert causal.checkpoint.direction.attention == "causal"
    assert np.abs(vectors(both) - vectors(causal)).max() > 0.01


@pytest.mark.parametrize("family", ["colqwen2", "colmodernvbert"])
def test_the_doctor_finds_nothing_wrong(tmp_path, family):
    tiny_checkpoint(tmp_path / "tiny", family)
    merge_adapters(tmp_path / "tiny", tmp_path / "out", sentence_transformers=True)
    report = examine(load(tmp_path / "out"))
    assert report.passed, str(report)


def test_the_doctor_finds_nothing_wrong_with_few_tiles(tmp_path):
    """It once ran causally where there was no padding, and both ways beside a longer query."""
    report = examine(load(checkpoint("st-colultravbert", tmp_path / "folder")))
    assert report.passed, str(report)


def test_an_adapter_by_the_names_of_its_time_gives_the_same_vectors(tmp_path):
    """colpali v1.0 and v1.1 were trained on transformers 4, by other names of the same layers."""
    folder = checkpoint("st-colpali-adapter", tmp_path / "adapter")
    expected = vectors(load(folder))
    file, today = folder / "adapter_model.safetensors", "base_model.model.language_model."
    old = "base_model.model.model.language_model.model."
    save_file({name.replace(today, old): weight for name, weight in load_file(file).items()}, file)
    np.testing.assert_array_equal(vectors(load(folder)), expected)


def test_an_adapter_on_the_projection_of_a_folder_counts(folder, tmp_path):
    """One that is given: only that which sentence-transformers saved with the projection is in it already."""
    encoder = load(folder)
    plain = vectors(encoder)
    wrapped = with_lora(encoder.family.model, LoraConfig(r=2, target_modules=["embedding_proj_layer"]))
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.ones_(weight)
    wrapped.save_pretrained(tmp_path / "adapter")
    assert np.abs(vectors(load(folder, adapter=tmp_path / "adapter")) - plain).max() > 0.01


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "neomme"])
def test_the_form_of_sentence_transformers_has_the_vectors_of_the_checkpoint(tmp_path, family):
    tiny_checkpoint(tmp_path / "tiny", family)
    merge_adapters(tmp_path / "tiny", tmp_path / "out", sentence_transformers=True)
    ours, written = load(tmp_path / "tiny"), load(tmp_path / "out")
    np.testing.assert_allclose(vectors(written), vectors(ours), rtol=0, atol=1e-6)
    [query], [expected] = (encoder.encode_queries(["oil pump"]) for encoder in (written, ours))
    np.testing.assert_allclose(query.vectors, expected.vectors, rtol=0, atol=1e-6)
    assert query.tokens == expected.tokens


def test_adapters_are_folded_into_the_form_of_sentence_transformers(tmp_path):
    tiny_checkpoint(tmp_path / "tiny", "colqwen2")
    encoder = load(tmp_path / "tiny")
    plain = vectors(encoder)
    rule = r".*language_model.*(q_proj|down_proj)|embedding_proj_layer"
    wrapped = with_lora(encoder.family.model, LoraConfig(r=2, target_modules=rule))
    torch.manual_seed(0)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    wrapped.save_pretrained(tmp_path / "adapter")
    adapted = vectors(load(tmp_path / "tiny", adapter=tmp_path / "adapter"))
    merge_adapters(tmp_path / "tiny", tmp_path / "out", adapter=tmp_path / "adapter", sentence_transformers=True)
    np.testing.assert_allclose(vectors(load(tmp_path / "out")), adapted, rtol=0, atol=1e-5)
    assert np.abs(adapted - plain).max() > 0.01
    assert not [name for name in load_file(tmp_path / "out" / "model.safetensors") if "lora" in name]


def test_what_the_folder_says_of_its_tokens_is_written_again(folder, tmp_path):
    change(folder, TRANSFORMER, query_length=20, processor_kwargs={"max_pixels": 12 * 28 * 28})
    merge_adapters(folder, tmp_path / "out", query_prefix="Search: ", sentence_transformers=True)
    written = load(tmp_path / "out")
    assert written.family.modules is not None
    assert list(written.family.modules.skipped) == [".", "<|vision_end|>"]
    assert (written.family.modules.query_length, written.family.max_patches) == (20, 12)
    assert written.family.prompts.query_prefix == "Search: "


def test_an_adapter_on_a_folder_of_sentence_transformers_is_merged_into_one(folder, tmp_path):
    """The form that it has is the form that it keeps: its steps lie beside the weights."""
    wrapped = with_lora(load(folder).family.model, LoraConfig(r=2, target_modules=r".*language_model.*q_proj"))
    torch.manual_seed(0)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    wrapped.save_pretrained(tmp_path / "adapter")
    adapted = load(folder, adapter=tmp_path / "adapter")
    merge_adapters(folder, tmp_path / "out", adapter=tmp_path / "adapter")
    merged = load(tmp_path / "out")
    np.testing.assert_allclose(vectors(merged), vectors(adapted), rtol=0, atol=1e-5)
    assert np.abs(vectors(adapted) - vectors(load(folder))).max() > 0.01
    assert merged.family.modules.skipped == adapted.family.modules.skipped != ()


@pytest.mark.parametrize("name", ["st-colpali-adapter", "st-colultravbert", "st-pplx-late"])
def test_every_kind_of_folder_is_written_again(tmp_path, name):
    """An adapter with its projection beside it; vectors that are hidden states, of few tiles; markers and limits."""
    folder = checkpoint(name, tmp_path / "checkpoint")
    merge_adapters(folder, tmp_path / "out", sentence_transformers=True)
    ours, merged = load(folder), load(tmp_path / "out")
    # Folded, sums come in another order, which weights this sharp make much of; in float64 the two are equal.
    tolerance = 1e-3 if ours.checkpoint.adapters else 1e-6
    for page in (noise(140, 84), noise(700, 400)):
        [expected], [written] = encode(ours, page), encode(merged, page)
        np.testing.assert_allclose(written.vectors, expected.vectors, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(written.grid.cells, expected.grid.cells)
    [expected], [written] = (encoder.encode_queries(["oil pump"]) for encoder in (ours, merged))
    np.testing.assert_allclose(written.vectors, expected.vectors, rtol=0, atol=tolerance)
    assert not [file for file in (tmp_path / "out").rglob("*") if "adapter" in file.name]
    if name == "st-colultravbert":  # transformers' image processor for few tiles is not the one that cuts them here
        settings = json.loads((tmp_path / "out" / "preprocessor_config.json").read_text())
        assert (settings["image_processor_type"], settings["max_image_tiles"]) == ("UltraVBertImageProcessor", 6)


def test_what_the_form_of_the_checkpoint_has_no_place_for_is_refused(checkpoint_folder, tmp_path):
    base = checkpoint_folder("colqwen2")
    with pytest.raises(ValueError, match="in the form of sentence-transformers alone: leave them out"):
        merge_adapters(base, tmp_path / "out", query_prefix="Search: ")
    with pytest.raises(EncoderError, match=r"without an adapter: give one .*, or ask for the form of sentence-transf"):
        merge_adapters(checkpoint("st-colmodernvbert", tmp_path / "modules"), tmp_path / "out", query_prefix="Find: ")
    with pytest.raises(EncoderError, match="no vision-language model with a projection on top"):
        merge_adapters(checkpoint_folder("neomme"), tmp_path / "out", sentence_transformers=True)
    assert not (tmp_path / "out").exists()


def test_the_command_writes_the_form_of_sentence_transformers(checkpoint_folder, tmp_path):
    arguments = ["merge", str(checkpoint_folder("colqwen2")), str(tmp_path / "out"), "--sentence-transformers"]
    answer = CliRunner().invoke(main, [*arguments, "--query-prefix", "Search: ", "--dtype", "bfloat16"])
    assert answer.exit_code == 0, answer.output
    assert answer.stdout == f"{tmp_path / 'out'} holds the merged checkpoint: --encoder {tmp_path}/out\n"
    assert load(tmp_path / "out").family.prompts.query_prefix == "Search: "
    for file in ("model.safetensors", "1_Dense/model.safetensors"):
        assert {weight.dtype for weight in load_file(tmp_path / "out" / file).values()} == {torch.bfloat16}
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code != 0 and "holds something: give a folder that is empty" in again.output
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_could_not_be_written_whole_is_not_there(checkpoint_folder, tmp_path):
    """PaliGemma's processor cannot be made to write this page prompt."""
    with pytest.raises(ValueError, match="PaliGemma's processor writes <bos> after the image"):
        merge_adapters(
            checkpoint_folder("colpali"), tmp_path / "out", sentence_transformers=True, page_prompt="Look: <image>"
        )
    assert list(tmp_path.iterdir()) == []
