"""Which renderer draws a file, and its version."""

import shutil
import subprocess
from functools import lru_cache
from typing import Literal, get_args

from colvision.errors import MissingExtra
from colvision.pdf.sandbox.protocol import FileKind, Renderer

RendererChoice = Literal["pdfium", "poppler"]

_VERSION_SECONDS = 10.0


def check_renderer(choice: RendererChoice) -> None:
    """Raises `ValueError` for another word, `MissingExtra` where poppler is chosen and not installed."""
    if choice not in get_args(RendererChoice):
        raise ValueError(f"renderer {choice!r} is not one of 'pdfium', 'poppler'")
    if choice == "poppler" and not _poppler_version():
        raise MissingExtra(
            "poppler (pdftoppm, pdfinfo) is not installed, or does not run: install it (apt install poppler-utils, "
            "brew install poppler), or leave out the renderer, and PDFium draws"
        )


def choose_renderer(kind: FileKind, choice: RendererChoice) -> Renderer:
    """What draws a file of this kind. Raises as `check_renderer`, whatever the kind."""
    check_renderer(choice)
    return choice if kind == "pdf" else "pillow"


def name_and_version(renderer: Renderer) -> str:
    """For the record of a document: "pdfium 5.15.2" (that of pypdfium2), "poppler 22.12.0", "pillow 12.3.0"."""
    from importlib.metadata import version  # 20 ms, which the worker process would pay as well

    if renderer == "poppler":
        return f"poppler {_poppler_version()}"
    return f"{renderer} {version({'pdfium': 'pypdfium2', 'pillow': 'pillow'}[renderer])}"


def renderer_of_record(record: str, choice: RendererChoice) -> str:
    """For the record of a document that is read again, from its last one."""
    return name_and_version("pillow" if record.startswith("pillow") else choice)


def _poppler_version() -> str:
    """Its version, empty where poppler is not installed or does not run."""
    pdftoppm, pdfinfo = shutil.which("pdftoppm"), shutil.which("pdfinfo")
    try:
        return _read_version(pdftoppm) if pdftoppm and pdfinfo else ""
    except (OSError, subprocess.SubprocessError):
        return ""


@lru_cache
def _read_version(pdftoppm: str) -> str:
    answer = subprocess.run([pdftoppm, "-v"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=True)
    return answer.stderr.partition("version ")[2].split("\n")[0].strip()
