"""The application, `colvision app`: in a checkout its code stands in app/ at the top, a wheel carries it here."""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2] / "app")]
