import pytest

from colvision.maxsim import inverted_lists
from tests.faults.run import LISTS_PAGES


@pytest.fixture(autouse=True)
def small_collections_have_lists(monkeypatch):
    """As `run` has it in processes of their own."""
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", LISTS_PAGES)
