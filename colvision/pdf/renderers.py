"""Which renderer draws a file, and its version."""

import shutil
import subprocess
from functools import lru_cache
from typing import Literal

from colvision.errors import MissingExtra
from colvision.pdf.sandbox.protocol import FileKind, Renderer

RendererChoice = Literal["auto", "poppler", "pdfium"]

_VERSION_SECONDS = 10.0


def choose_renderer(kind: FileKind, choice: RendererChoice) -> Renderer:
    """What draws a file of this kind. Raises `MissingExtra` where poppler is chosen and not installed."""
    if choice not in ("auto", "poppler", "pdfium"):
        raise ValueError(f"renderer {choice!r} is not one of 'auto', 'poppler', 'pdfium'")
    if kind != "pdf":
        return "pillow"
    if choice == "pdfium":
        return "pdfium"
    if _poppler_version():
        return "poppler"
    if choice == "poppler":
        raise MissingExtra(
            "poppler (pdftoppm, pdfinfo) is not installed: take renderer='auto', which falls back on PDFium, "
            "or install it (apt install poppler-utils, brew install poppler)"
        )
    return "pdfium"


def name_and_version(renderer: Renderer) -> str:
    """For the record of a document: "poppler 22.12.0", "pdfium 5.15.2" (that of pypdfium2), "pillow 12.3.0"."""
    from importlib.metadata import version  # 20 ms, which the worker process would pay as well

    if renderer == "poppler":
        return f"poppler {_poppler_version()}"
    return f"{renderer} {version({'pdfium': 'pypdfium2', 'pillow': 'pillow'}[renderer])}"


def _poppler_version() -> str:
    """Its version, empty where poppler is not installed or does not run."""
    pdftoppm, pdfinfo = shutil.which("pdftoppm"), shutil.which("pdfinfo")
    return _read_version(pdftoppm) if pdftoppm and pdfinfo else ""


@lru_cache
def _read_version(pdftoppm: str) -> str:
    try:
        answer = subprocess.run([pdftoppm, "-v"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stderr.partition("version ")[2].split("\n")[0].strip()
