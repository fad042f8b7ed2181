"""What is known of a document: given at ingest, changed by giving it again, kept over replacements."""

import math
import re

import pytest

from colvision.core.metadata import SIGNS, check_metadata, holds, metadata_text, parse_metadata
from colvision.library import Library
from colvision.testing import save_document
from tests.helpers.stores import TOY


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("x=2021", "2021"),
        ("x=1.10", "1.10"),
        ("x=12E4", "12E4"),
        ("x=12345678901234567890", "12345678901234567890"),
        ("x=true", "true"),
        ("x=", ""),
        (" x = Halle 3 ", "Halle 3"),
        ("x=a=b", "a=b"),
        ("x=O\u0308ler", "Öler"),
    ],
)
def test_a_pair_is_kept_as_it_was_typed(pair, value):
    assert parse_metadata([pair]) == {"x": value}


EQUAL, LESS, MORE, NEITHER = "=<=>=", "!=<<=", "!=>>=", "!="  # which signs hold


@pytest.mark.parametrize(
    ("known", "asked", "signs"),
    [
        ("2021", "2021", EQUAL),
        (2021, "2021", EQUAL),  # given in Python, or by an older colvision that guessed
        ("2021", 2021, EQUAL),
        (2021, 2021.0, EQUAL),
        ("1.10", "1.1", "!=<=>="),  # other texts, the same number
        (1.1, "1.10", EQUAL),
        ("12E4", "12e4", EQUAL),
        (120000.0, "12E4", EQUAL),
        ("12E4", "120000", "!=<=>="),
        ("12345678901234567890", "12345678901234567891", LESS),
        ("9", "10", LESS),
        ("1.10", "1.9", LESS),
        (-3, "-2.5", LESS),
        ("007", "7", NEITHER),
        ("unknown", "2010", NEITHER),
        ("unknown", 2010, NEITHER),
        ("2021-05-03", "2021-01-01", MORE),
        ("de", "DE", EQUAL),
        ("Ö", "O\u0308", EQUAL),
        ("Straße", "STRASSE", EQUAL),
        (True, "true", EQUAL[:1]),
        ("True", True, EQUAL[:1]),
        (True, 1, NEITHER),
        (False, "0", NEITHER),
        ("9" * 400, "1", NEITHER),
    ],
)
def test_a_comparison_decides_what_a_value_counts_as(known, asked, signs):
    held = {sign for sign in SIGNS if holds(known, sign, asked)}
    assert held == set(re.findall("!=|<=|>=|=|<|>", signs))


@pytest.mark.parametrize("name", ["page", "Document", "folder"])
def test_a_name_that_filters_use_themselves_is_refused(name):
    with pytest.raises(ValueError, match="filters ask for the"):
        parse_metadata([f"{name}=3"])
    with pytest.raises(ValueError, match="filters ask for the"):
        check_metadata({name: 3})
    assert metadata_text({name: 3}), "what an older colvision has noted can be written again"


@pytest.mark.parametrize("pair", ["2021", "=2021", " =x"])
def test_a_pair_without_a_name_is_refused(pair):
    with pytest.raises(ValueError, match="expected name=value"):
        parse_metadata([pair])


@pytest.mark.parametrize("metadata", [{"": 1}, {3: 1}, {"a": None}, {"a": [1]}, {"a": math.nan}, {"a": "\udcff"}])
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
    (file,) = library.ingest(path, metadata={"year": 2022, "valid": "", "rev": "1.10"}).same
    assert [tuple(each) for each in file.changes] == [
        ("rev", None, "1.10"),
        ("valid", True, None),
        ("year", 2021, 2022),
    ]
    assert str(file).endswith("the same bytes as before; rev: 1.10; valid: True -> nothing; year: 2021 -> 2022")
    after = library.document("pump.tiff")
    assert (after.metadata, after.id) == ({"site": "Halle 3", "year": 2022, "rev": "1.10"}, before.id)
    assert "nothing to do" in str(library.ingest(path, metadata={}).files[0])
    assert "nothing to do" in str(library.ingest(path, metadata=parse_metadata(["year=2022", "rev=1.10"])).files[0])
    assert library.document("pump.tiff").metadata["year"] == 2022
    assert library.set_metadata("pump.tiff", {"year": 2023}).metadata == {"year": 2023}


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
    (file,) = library.ingest(save_document(path, [["spare"]]), metadata={"year": 2023, "site": "X"}).replaced
    assert str(file) == "pump.tiff: replaced, 1 page; site: X; year: 2021 -> 2023"
    assert library.document("pump.tiff").metadata == {"year": 2023, "site": "X"}


def test_metadata_that_cannot_be_is_refused_before_a_file_is_read(library, quick_path):
    with pytest.raises(ValueError, match="metadata 'a'"):
        library.ingest(quick_path / "no such file.pdf", metadata={"a": None})
