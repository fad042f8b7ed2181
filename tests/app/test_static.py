"""What runs in the browser fits together: names that stand in two files are the same in both."""

import re

import numpy as np
import pytest
from colvision.app.settings import STATIC

from colvision.explain import heatmap

NAME = r"cv-[a-z]+(?:-[a-z]+)*"  # of an element or of a class; all of ours begin alike


def text_of(ending):
    files = sorted(STATIC.glob(f"*.{ending}"))
    assert len(files) > 2
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


SCRIPTS, STYLES, PARTS = (text_of(ending) for ending in ("js", "css", "html"))
# Read: to import Gradio takes seconds.
FRAME = "".join((STATIC.parent / f"{name}.py").read_text(encoding="utf-8") for name in ("page", "components"))


# Ids by how they are named: by a script that asks for the element, by a selector, by another element.
ASKED_FOR = re.findall(r'byId\("([^"]*)"\)', SCRIPTS)
SELECTED = re.findall(rf"#({NAME})", SCRIPTS + STYLES)
REFERENCES = re.findall(r'\b(?:for|aria-controls|aria-labelledby|aria-describedby)="([^"]+)"', PARTS)
CLASSES = set(re.findall(rf"\.({NAME})", STYLES))
INSPECTOR = ("inspector", "reader", "page_view", "find", "thumbnails", "match_table", "component")


@pytest.fixture(scope="module")
def ids():
    """Those of the elements that there are when the scripts start: ours and the columns that Gradio makes."""
    found = re.findall(r'\bid="([^"]+)"', PARTS) + re.findall(r'\belem_id="([^"]+)"', FRAME)
    assert len(found) == len(set(found)) > 50, "an id stands twice"
    return set(found)


@pytest.mark.parametrize("names", [ASKED_FOR, SELECTED, REFERENCES], ids=["asked for", "selected", "referred to"])
def test_every_element_that_is_named_is_on_the_page(ids, names):
    assert names
    assert sorted(set(names) - ids) == []


def test_every_name_in_a_script_is_that_of_an_element_or_of_a_class(ids):
    """Also those that are asked for by way of a list."""
    assert sorted(set(re.findall(NAME, SCRIPTS)) - ids - CLASSES) == []


def test_every_id_and_every_class_is_used(ids):
    assert sorted(ids - {*ASKED_FOR, *SELECTED, *REFERENCES, *re.findall(rf'"({NAME})"', SCRIPTS)}) == []
    assert sorted(CLASSES - set(re.findall(NAME, SCRIPTS + PARTS + FRAME))) == []
    given = {name for names in re.findall(r'class="([^"]+)"', PARTS) for name in names.split()}
    assert sorted(name for name in given - CLASSES if name.startswith("cv-")) == []


def test_an_inspector_has_parts_and_no_ids_since_there_may_be_two_in_a_page():
    template = (STATIC / "inspector.html").read_text(encoding="utf-8")
    parts = re.findall(r'data-part="([^"]+)"', template)
    assert len(parts) == len(set(parts)) > 40 and not re.search(r'\b(id|for)="', template)
    scripts = "".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in INSPECTOR)
    assert sorted(set(re.findall(r'\bpart\("([^"]+)"\)', scripts)) - set(parts)) == []
    assert sorted(set(parts) - set(re.findall(r'"([a-z-]+)"', scripts))) == []
    assert not set("`\\") & set(template) and "${" not in template  # Gradio evaluates a template


def test_every_script_and_style_is_loaded():
    imported = set(re.findall(r'from "\./([a-z_]+)\.js"', SCRIPTS))
    assert imported | {"main", "component"} == {path.stem for path in STATIC.glob("*.js")}
    (styles,) = re.findall(r"^_STYLES = \((.*?)\)", FRAME, re.MULTILINE)
    assert set(re.findall(r"\w+", styles)) == {path.stem for path in STATIC.glob("*.css")}


@pytest.mark.parametrize("name", ["COLOURS", "FAINTEST", "COVER", "OUTLINE"])
def test_a_heatmap_has_the_same_colours_in_the_browser_and_in_a_saved_picture(name):
    (value,) = re.findall(rf"^(?:export )?const {name} = (.*?);", SCRIPTS, re.MULTILINE)
    numbers = [float(number) for number in re.findall(r"[\d.]+", value)]
    assert numbers == np.ravel(getattr(heatmap, f"_{name}")).astype(np.float64).tolist()
