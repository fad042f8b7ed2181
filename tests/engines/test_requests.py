"""What each engine's own client sends is what was reviewed, and what it makes of an answer leads back to a page."""

from importlib.util import find_spec

import pytest

from colvision.core.first_stage import FoundPage
from tests.engines.example import FOUND, PAGE
from tests.engines.recorded import EXPECTED, RECORDED


@pytest.mark.filterwarnings("ignore")  # the clients' own
@pytest.mark.parametrize("name", RECORDED)
def test_the_requests_of_an_engines_client_are_those_that_were_reviewed(name):
    package, record = RECORDED[name]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: `make engines` installs it and runs this")
    files, answers = record()
    kept = {path.relative_to(EXPECTED).as_posix() for path in EXPECTED.rglob(f"{name}*") if path.is_file()}
    kept |= {path.relative_to(EXPECTED).as_posix() for path in (EXPECTED / name).rglob("*") if path.is_file()}
    assert set(files) == kept
    for file, text in files.items():
        assert text == (EXPECTED / file).read_text(encoding="utf-8"), f"{file}: python -m tests.engines.recorded"
    assert answers.found == [FoundPage(PAGE.document_id, PAGE.page, 7.0, FOUND["encoder"])]
    assert (answers.pages, answers.ids) == (1, [PAGE.id])
