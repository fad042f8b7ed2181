"""What tests share. One way to import it: `from colvision.testing.toy import ToyEncoder`."""

from pathlib import Path

ROOT = Path(__file__).parents[2]  # of the repository
