"""The words around pages and queries: those that the published checkpoints were trained with, stated, or given."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from colvision.encoders import load_encoder
from colvision.encoders.doctor import examine
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import load
from tests.helpers.old_checkpoints import save_old

pytestmark = pytest.mark.slow

PALI_PAGE, PALI_SUFFIX = "<image><bos>Describe the image.\n", 10 * "<pad>" + "\n"
SMOL_PAGE = "<|im_start|>User: Describe the image.<image><end_of_utterance>"
SMOL_SUFFIX = 10 * "<end_of_utterance>" + "\n"
PUBLISHED = {  # page, before a query, after it
    "paligemma": (PALI_PAGE, "<bos>Question: ", PALI_SUFFIX),
    "idefics3": (SMOL_PAGE, "Query: ", SMOL_SUFFIX),
}
EARLIER = {  # as colvision had them once: of colpali-engine 0.3.4 and 0.3.9, later than the checkpoints
    "paligemma": ("<image><bos><bos>Describe the image.\n", "<bos>Query: ", PALI_SUFFIX),
    "idefics3": ("<|im_start|>user\n<image>Describe the image.<end_of_utterance>", "Query: ", SMOL_SUFFIX),
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory) -> dict[str, Path]:
    """Checkpoints as colpali-engine stores them."""
    folders = {model_type: tmp_path_factory.mktemp(model_type) for model_type in PUBLISHED}
    for model_type, folder in folders.items():
        save_old(folder, model_type)
    return folders


@pytest.fixture(scope="module")
def loaded(engines) -> dict[str, VlmEncoder]:
    return {model_type: load(folder) for model_type, folder in engines.items()}


def said(encoder: VlmEncoder) -> tuple[str, str, str]:
    prompts = encoder.family.prompts
    return prompts.page, prompts.query_prefix, prompts.query_suffix


@pytest.mark.parametrize("model_type", PUBLISHED)
def test_repositories_of_colpali_engine_are_prompted_as_they_were_published(loaded, model_type):
    assert said(loaded[model_type]) == PUBLISHED[model_type]


def test_colpali_of_either_form_has_the_same_prompts_and_one_bos(loaded, get):
    assert said(loaded["paligemma"]) == said(get("colpali"))
    family = loaded["paligemma"].family
    assert family.token_ids(family.prompts.page).count(family.tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("model_type", PUBLISHED)
def test_the_fingerprint_of_the_prompts_of_then_is_known(engines, loaded, model_type):
    most = str(loaded[model_type].family.max_patches)
    then = fingerprint([engines[model_type]], (model_type, "1", *EARLIER[model_type], most))
    assert loaded[model_type].info.fingerprint != then
    assert loaded[model_type].info.former == {then: "colvision now gives it the prompts that it was trained with"}


def test_prompts_of_then_can_be_asked_for(engines, loaded):
    page, prefix, _ = EARLIER["paligemma"]
    encoder = load(engines["paligemma"], page_prompt=page, query_prefix=prefix.removeprefix("<bos>"))
    assert said(encoder) == EARLIER["paligemma"]
    assert encoder.info.fingerprint in loaded["paligemma"].info.former and encoder.info.former == {}


@pytest.mark.parametrize("name", FAMILIES)
def test_prompts_that_are_given_come_first_and_are_part_of_the_fingerprint(checkpoint_folder, get, name):
    own = get(name).family.prompts
    page = f"{own.page}Look."
    encoder = load(checkpoint_folder(name), query_prefix="Search: ", page_prompt=page)
    start = "<bos>" if name == "colpali" else ""
    assert said(encoder) == (page, f"{start}Search: ", own.query_suffix)
    assert encoder.family.prompts.source_of("page") == "the options given"
    [query] = encoder.encode_queries(["oil"])
    assert "".join(query.tokens).removeprefix(start).startswith("Search:")
    assert encoder.info.fingerprint != get(name).info.fingerprint
    assert "--query-prefix 'Search: '" in encoder.info.options
    again = load_encoder(checkpoint_folder(name), device="cpu", query_prefix="", dtype="float32")
    assert again.family.prompts.query_prefix == start and again.info.options.endswith("--query-prefix ''")


def test_a_page_prompt_without_the_place_of_the_page_is_refused(checkpoint_folder):
    with pytest.raises(ValueError, match=r"page's prompt 'Look at this' must hold <\|image_pad\|> once"):
        load(checkpoint_folder("colqwen2"), page_prompt="Look at this")


# The doctor


def findings(encoder: VlmEncoder) -> dict[str, tuple[bool | None, str]]:
    found = {finding.name: (finding.passed, finding.message) for finding in examine(encoder).findings}
    return {name: found[name] for name in ("page prompt", "query prompt")}


@pytest.mark.parametrize("model_type", PUBLISHED)
def test_the_doctor_tells_both_prompts_and_where_they_come_from(loaded, model_type):
    page, prefix, suffix = PUBLISHED[model_type]
    source = loaded[model_type].family.prompts.source
    assert source.startswith("colpali-engine 0.3.")
    assert findings(loaded[model_type]) == {
        "page prompt": (True, f"{page!r} ({source})"),
        "query prompt": (True, f"{prefix!r} ({source}), {suffix!r} ({source})"),
    }


def test_the_doctor_names_the_file_that_states_a_prompt(checkpoint_folder, tmp_path):
    folder = Path(shutil.copytree(checkpoint_folder("colpali"), tmp_path / "checkpoint"))
    (folder / "processor_config.json").write_text(json.dumps({"query_prefix": "Find: "}))
    passed, message = findings(load(folder))["query prompt"]
    assert passed and message.startswith("'<bos>Find: ' (processor_config.json), '<pad>")
    message = findings(load(folder, query_prefix="Search: "))["query prompt"][1]
    assert message.startswith("'<bos>Search: ' (the options given), '<pad>")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_doctor_finds_prompts_that_are_not_the_checkpoints(checkpoint_folder, name):
    encoder = load(checkpoint_folder(name))
    own = encoder.family.prompts
    encoder.family.prompts = replace(own, page=f"Describe. {own.page}", query_prefix=f"{own.query_prefix}Find: ")
    found = findings(encoder)
    assert [passed for passed, _ in found.values()] == [False, False]
    assert f"; expected {own.page!r}" in found["page prompt"][1]
    assert f"; expected {own.query_prefix!r}" in found["query prompt"][1]


def test_the_doctor_finds_a_prompt_that_the_tokenizer_reads_letter_by_letter(checkpoint_folder):
    encoder = load(checkpoint_folder("colqwen2"), query_prefix="<query>")
    passed, message = findings(encoder)["query prompt"]
    assert passed is False and message.endswith("; <query>: no token of the tokenizer, so the model reads its letters")
