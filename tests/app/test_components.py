"""Gradio components, without a browser: what they take, and what the browser is told."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from colvision.app.components import MappedPage, PageInspector, PatchClick, ShownPage
from colvision.app.page import build_page
from colvision.app.settings import Quota
from PIL import Image

from colvision.app import components
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document

pytestmark = pytest.mark.slow  # Gradio takes seconds to import


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))


@pytest.fixture
def explanation(tmp_path):
    with open_library(tmp_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(tmp_path / "pump.tiff", [["oil", "filter"]]))
        yield library.explain(library.search("oil filter")[0])


def test_an_explanation_of_a_library_is_shown_with_its_image_and_its_words(explanation):
    inspector = PageInspector(explanation, word="oil", height=300)
    told = ShownPage(**inspector.value)
    with Image.open(told.image.path) as kept:
        assert kept.size == explanation.image.size
    assert [match.word for match in told.why.matches] == ["oil", "filter"]
    assert (told.why.rows, told.why.cols) == explanation.similarity_map.shape[1:]
    assert told.why.score == pytest.approx(explanation.score)
    assert (inspector.props["word"], inspector.props["height"]) == ("oil", 300)
    json.dumps(inspector.get_config())


def test_an_explanation_without_its_page_image_is_refused(explanation):
    with pytest.raises(ValueError, match="no image of this page"):
        PageInspector(replace(explanation, image=None))


def test_another_page_an_empty_one_and_what_a_function_gets(explanation):
    inspector = PageInspector()
    assert inspector.value is None and inspector.postprocess(None) is None
    page = MappedPage(np.zeros((6, 4, 3), np.uint8), np.eye(2, 3)[None], ["oil"], name="drawn", scale=(0, 2))
    shown = inspector.postprocess(page)
    assert (shown.name, shown.ends, shown.why.scale.shown_to) == ("drawn", "", 2)
    assert inspector.preprocess(shown) is shown


async def listening():
    with gr.Blocks(analytics_enabled=False) as demo:
        inspector = PageInspector()
        for listen in (inspector.select, inspector.click, inspector.change):
            listen(lambda: None)
    return demo


def test_events_are_those_of_gradio_and_typed():
    demo = asyncio.run(listening())  # where no loop runs, Gradio makes some that it never closes
    assert [target[1] for fn in demo.fns.values() for target in fn.targets] == ["select", "click", "change"]
    click = PatchClick(None, {"row": 1, "col": 2, "word": "oil", "similarity": 0.5})
    assert (click.row, click.col, click.word, click.similarity) == (1, 2, "oil", 0.5)


async def the_page():
    return build_page(Quota())


def test_the_application_has_the_same_component_in_its_page():
    blocks = asyncio.run(the_page()).blocks.values()
    assert [block.elem_id for block in blocks if isinstance(block, PageInspector)] == ["cv-inspector"]


def test_a_change_of_one_setting_leaves_the_page_as_it_is():
    from gradio.blocks import postprocess_update_dict

    update = postprocess_update_dict(PageInspector(), PageInspector(word="oil").constructor_args)
    assert update == {"props": {"word": "oil"}, "__type__": "update"}


def test_gradio_writes_no_stub_beside_the_component():
    assert not Path(components.__file__).with_suffix(".pyi").exists()
