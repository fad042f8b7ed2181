"""What a figure was measured on."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Processor, cores, Python and what mini computes with, in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    name = platform.processor()
    if cpuinfo.exists():
        lines = (line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
        name = next((value.strip() for key, value in lines if key.strip() == "model name"), name)
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, onnxruntime {version('onnxruntime')}"


def commit() -> str:
    """The commit that is measured, `-dirty` with changes on top of it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        output = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return output.stdout.strip()
