"""Runs the notebooks and keeps their outputs, small: `python -m notebooks.remake [NAME ...]`, or `make notebooks`.

A reader on a code host sees what they show without running anything. Pictures are shrunk; a cell with the tag
`remove_output`, such as one that starts a server, keeps nothing.
"""

import base64
import hashlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent
_WIDTH = 560  # pixels of a picture, as JPEG
_QUALITY = 72
_SECONDS = 1800  # for a cell, on a busy machine


def remake(path: Path) -> None:
    """From top to bottom, in a process of its own."""
    notebook = nbformat.read(path, as_version=4)
    there = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(
        notebook, timeout=_SECONDS, startup_timeout=_SECONDS, coalesce_streams=True, resources=there
    ).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, start=1):
        cell.execution_count = number
        cell.metadata.pop("execution", None)  # when it ran: another time at every run
        is_removed = "remove_output" in cell.metadata.get("tags", [])
        told = [output for output in cell.outputs if output.get("name") != "stderr"]  # of this machine, not of the code
        cell.outputs = [] if is_removed else [_small(output) for output in told]
    notebook.metadata = {name: notebook.metadata[name] for name in ("kernelspec",)} | {
        "language_info": {"name": "python"},
        "colvision": {"code": digest(cells)},
    }
    nbformat.write(notebook, path)


def digest(cells: list[nbformat.NotebookNode]) -> str:
    """Of the code that made the outputs: a test compares it with the code that stands there."""
    return hashlib.sha256("\0".join(cell.source for cell in cells).encode()).hexdigest()[:16]


def _small(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if "execution_count" in output:
        output.execution_count = None
    if "text" in output:
        output.text = re.sub(re.escape(tempfile.gettempdir()) + r"[/\\]\w+", "...", output.text)
    data = output.get("data", {})
    if "image/png" in data:
        picture = Image.open(io.BytesIO(base64.b64decode(data.pop("image/png")))).convert("RGB")
        picture.thumbnail((_WIDTH, 4 * _WIDTH), Image.Resampling.LANCZOS)
        small = io.BytesIO()
        picture.save(small, "JPEG", quality=_QUALITY, optimize=True)
        data["image/jpeg"] = base64.b64encode(small.getvalue()).decode()
        data["text/plain"] = re.sub(r" at 0x[0-9A-F]+|mode=\w+ ", "", data.get("text/plain", ""))
    return output


if __name__ == "__main__":
    os.environ.setdefault("TQDM_DISABLE", "1")
    named = {Path(name).stem for name in sys.argv[1:]}
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not named or path.stem in named:
            remake(path)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} KB")
