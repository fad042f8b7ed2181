"""What tests share. One way to import it: `from tests.helpers.stores import add`."""

from pathlib import Path

ROOT = Path(__file__).parents[2]  # of the repository
