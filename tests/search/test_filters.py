"""Filters: which pages may be found, in Python and as a text."""

import numpy as np
import pytest

from colvision.errors import DocumentNotFound
from colvision.search import Filter, parse_filter
from colvision.search.filters import AllOf, AnyOf, Columns, Compare, PageRange
from tests.helpers.stores import document_row

LIBRARY = [
    document_row(1, "pump.pdf", machine="Pump", year=2012, lang="de", tested=True),
    document_row(2, "fan.pdf", "/manuals/Lüfter/en/manual.pdf", machine="fan", year=2009, lang="en"),
    document_row(
        3, "old.pdf", "C:\\manuals\\press\\en\\manual.pdf", machine="pump", year="1987", rev="1.10", part="12-345"
    ),
]
COLUMNS = Columns(LIBRARY, np.repeat([0, 1, 2], 4), np.tile(np.arange(1, 5, dtype=np.int32), 3))


def found(where):
    """The pages that a filter lets through, as "document page"."""
    given = parse_filter(where) if isinstance(where, str) else where
    mask = given.mask(COLUMNS)
    pairs = zip(COLUMNS.document[mask].tolist(), COLUMNS.page[mask].tolist(), strict=True)
    return [f"{LIBRARY[owner].name[:-4]} {page}" for owner, page in pairs]


def documents(where):
    return sorted({page.split()[0] for page in found(where)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("machine=pump", ["old", "pump"]),
        ("machine = 'PUMP' and year>=2010", ["pump"]),
        ("machine!=pump", ["fan"]),
        ('year="1987"', ["old"]),
        ("year=1987", ["old"]),
        ("year<2010", ["fan", "old"]),
        ("year in 1980-2009, 2012", ["fan", "old", "pump"]),
        ("year in 2010-2020", ["pump"]),
        ("year='2012'", ["pump"]),
        ("rev=1.10", ["old"]),
        ("rev=1.1", []),
        ("rev!=1.1", ["old"]),
        ("rev in 1-2", ["old"]),
        ("rev in 0.5-1.1", ["old"]),
        ("rev in 1.2-1.9", []),
        ("part in 12-345", ["old"]),
        ("lang>=de", ["fan", "pump"]),
        ("machine>5", []),
        ("lang in de,en", ["fan", "pump"]),
        ("lang in de, en and year > 2009", ["pump"]),
        ("tested=true", ["pump"]),
        ("tested=1", []),
        ("machine=fan or machine=pump and lang=de", ["fan", "pump"]),
        ("(machine=fan or machine=pump) and lang=de", ["pump"]),
        ("document=fan.pdf", ["fan"]),
        ("document in id1,fan.pdf", ["fan", "pump"]),
        ("document != id1", ["fan", "old"]),
        ("document=Lüfter/en/manual.pdf", ["fan"]),
        ("document=Lu\u0308fter/en/MANUAL.pdf", ["fan"]),
        ("document=en/manual.pdf", ["fan", "old"]),
        ("document in press/en/old.pdf,pump.pdf", ["old", "pump"]),
        ("folder=press", ["old"]),
        ("folder in 'LU\u0308FTER'", ["fan"]),
        ("folder=press/en", ["old"]),
        ("folder=manuals", ["fan", "old"]),
        ("folder!=en", ["pump"]),
        ("MACHINE=pump or lang=de", None),
    ],
)
def test_a_text_lets_through_the_documents_it_names(text, expected):
    if expected is None:
        with pytest.raises(ValueError, match="no document has metadata 'MACHINE'"):
            documents(text)
    else:
        assert documents(text) == expected


def test_pages_are_chosen_by_number_and_range_beside_documents():
    assert found("document=fan.pdf and page in 1,3-4") == ["fan 1", "fan 3", "fan 4"]
    assert found("page=2-3 and machine=fan") == ["fan 2", "fan 3"]
    assert found("page>=4") == ["pump 4", "fan 4", "old 4"]


def test_conditions_in_python_say_the_same_as_the_text():
    given = Filter.of({"machine": ["pump", "fan"], "year": {">=": 2010, "<": 2020}, "page": [1, 2]})
    assert (
        found(given)
        == found("machine in pump,fan and year>=2010 and year<2020 and page in 1,2")
        == ["pump 1", "pump 2"]
    )
    either = Filter.of({"lang": "en"}) | Filter.of({"page": 1}) & Filter.of({"lang": "de"})
    assert found(either) == found("lang=en or page=1 and lang=de")


def test_values_in_quotes_keep_signs_and_words():
    assert parse_filter("site='Halle 3, A (alt)' or x=\"and\"") == AnyOf(
        (Compare("site", "=", ("Halle 3, A (alt)",)), Compare("x", "=", ("and",)))
    )
    assert parse_filter("page in 3-9 and site=2-4") == AllOf((PageRange(3, 9), Compare("site", "=", ("2-4",))))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a name such as machine, document or page, found the end"),
        ("machine", "after 'machine', found the end"),
        ("machine=", "expected a value for 'machine', found the end"),
        ("machine=pump year=2010", "expected `and`, `or` or the end, found 'year' at letter 14"),
        ("(machine=pump", r"expected \), found the end"),
        ("machine in pump,", "expected a value for 'machine'"),
        ("machine==pump", "expected a value for 'machine', found '='"),
        ("site=it's", "put values in quotes"),
        ("page=9-3", "the smaller number first"),
        ("page>3-9", "a range of pages goes with = or `in`"),
        ("(" * 30 + "a=1", "more than 20 parentheses"),
    ],
)
def test_a_text_that_does_not_read_so_is_refused_with_its_place(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_filter(text)


def test_a_name_that_no_document_knows_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"'yaer'; filters here know document, folder, page, lang, machine, part"):
        documents("yaer=2010")


def test_what_a_filter_names_is_there():
    with pytest.raises(DocumentNotFound, match=r"'lathe/manual\.pdf'"):
        documents("document in pump.pdf,lathe/manual.pdf")
    with pytest.raises(DocumentNotFound, match=r"'pmup\.pdf'"):
        documents("machine=fan and document!=pmup.pdf")
    with pytest.raises(ValueError, match="no document came from a folder 'pres'; they came from en"):
        documents("folder=pres")
    for pages in ("page=three", "page in 1.5-three", "page in 1-2.5"):
        with pytest.raises(ValueError, match="is no number of a page"):
            documents(pages)
    with pytest.raises(ValueError, match="no operator '>'; use one of = !="):
        documents("document>p")


def test_an_empty_filter_is_refused():
    with pytest.raises(ValueError, match="at least one condition"):
        Filter.of({})
    with pytest.raises(ValueError, match="at least one value"):
        Filter.of({"lang": []})
    with pytest.raises(ValueError, match="no operator '~'"):
        Filter.of({"lang": {"~": "d"}})
