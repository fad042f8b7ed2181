"""What is known of a document: given at ingest, changed by giving it again, kept over replacements."""

import math

import pytest

from colvision.core.metadata import metadata_text, parse_metadata
from colvision.library import Library
from colvision.testing import save_document
from tests.helpers.stores import TOY


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("x=2021", 2021),
        ("x=-0.5", -0.5),
        ("x=1e3", 1000.0),
        ("x=true", True),
        ("x=007", "007"),
        ("x=1_000", "1_000"),
        ("x=1e999", "1e999"),
        ("x=", ""),
        (" x = Halle 3 ", "Halle 3"),
        ("x=a=b", "a=b"),
    ],
)
def test_a_pair_is_read_as_what_it_looks_like(pair, value):
    found = parse_metadata([pair])["x"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("pair", ["2021", "=2021", " =x"])
def test_a_pair_without_a_name_is_refused(pair):
    with pytest.raises(ValueError, match="expected name=value"):
        parse_metadata([pair])


@pytest.mark.parametrize("metadata", [{"": 1}, {3: 1}, {"a": None}, {"a": [1]}, {"a": math.nan}])
def test_what_no_metadata_can_be_is_refused(metadata):
    with pytest.raises(ValueError, match="metadata"):
        metadata_text(metadata)


@pytest.fixture
def library(store):
    return Library(store, TOY)


def test_metadata_is_noted_at_ingest_and_changed_by_the_same_bytes_again(library, quick_path):
    path = save_document(quick_path / "pump.tiff", [["bleed"]])
    library.ingest(path, metadata={"site": "Halle 3", "year": 2021, "valid": True})
    before = library.document("pump.tiff")
    assert before.metadata == {"site": "Halle 3", "year": 2021, "valid": True}
    assert "nothing to do" in str(library.ingest(path).files[0])
    assert "nothing to do" in str(library.ingest(path, metadata=dict(before.metadata)).files[0])
    (file,) = library.ingest(path, metadata={"year": 2022}).same
    assert file.metadata_changed and "new metadata" in str(file)
    after = library.document("pump.tiff")
    assert (after.metadata, after.id) == ({"year": 2022}, before.id)
    assert library.ingest(path, metadata={}).files[0].metadata_changed
    assert library.document("pump.tiff").metadata == {}


def test_a_search_that_began_before_metadata_changed_keeps_what_it_saw(store, library, quick_path):
    path = save_document(quick_path / "pump.tiff", [["bleed"]])
    library.ingest(path, metadata={"year": 2021})
    before = store.snapshot("default")
    library.ingest(path, metadata={"year": 2022})
    assert [row.metadata for row in before.documents.values()] == [{"year": 2021}]
    assert [row.metadata for row in store.snapshot("default").documents.values()] == [{"year": 2022}]


def test_another_version_keeps_what_is_known_unless_it_says_otherwise(library, quick_path):
    path = save_document(quick_path / "pump.tiff", [["bleed"]])
    library.ingest(path, metadata={"year": 2021})
    library.ingest(save_document(path, [["valve"]]))
    assert library.document("pump.tiff").metadata == {"year": 2021}
    library.ingest(save_document(path, [["spare"]]), metadata={"year": 2023})
    assert library.document("pump.tiff").metadata == {"year": 2023}


def test_metadata_that_cannot_be_is_refused_before_a_file_is_read(library, quick_path):
    with pytest.raises(ValueError, match="metadata 'a'"):
        library.ingest(quick_path / "no such file.pdf", metadata={"a": None})
