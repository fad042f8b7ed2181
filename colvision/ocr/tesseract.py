"""Tesseract, the program, where it is installed: one process a page, under limits, without a shell."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from colvision.core.page import Box, PrintedWord
from colvision.errors import EncoderError
from colvision.ocr.engine import MAX_WORDS, OcrFailure

_SECONDS = 120.0  # by the clock for one page, which takes one or two
_MEMORY_BYTES = 4 * 2**30  # of address space; a page of 2 megapixels takes 0.3 GB
_ASK_SECONDS = 20.0
_WORD_LEVEL = "5"  # of TSV rows
_SURE = 100.0
_DPI = 150  # of a page image; it only decides what is a speck
_PLAIN = ("eng", "Latin")  # languages that are read with where none is named: the first that there is
_NO_LANGUAGE = ("osd", "equ", "snum")  # data that comes with it and reads no text


@dataclass(frozen=True, slots=True)
class _Program:
    path: str
    version: str
    languages: tuple[str, ...]


def find_tesseract() -> _Program | None:
    """The program on the path, with its version and languages; None where there is none that runs."""
    path = shutil.which("tesseract")
    try:
        if path is None:
            return None
        version = re.search(r"tesseract v?([\d.]+)", _ask(path, "--version"))
        listed = _ask(path, "--list-langs").splitlines()[1:]
    except (OSError, subprocess.SubprocessError):
        return None
    languages = tuple(name for name in map(str.strip, listed) if name and name not in _NO_LANGUAGE)
    return _Program(path, version[1].strip(".") if version else "", languages) if languages else None


def _ask(path: str, option: str) -> str:
    done = subprocess.run([path, option], capture_output=True, text=True, timeout=_ASK_SECONDS, check=True)
    return done.stdout or done.stderr  # older ones answer there


class Tesseract:
    """Reads with the languages given, or with English. Raises `EncoderError` for one that is not installed."""

    def __init__(self, program: _Program, languages: tuple[str, ...] = ()) -> None:
        missing = [name for name in languages if name not in program.languages]
        if missing:
            raise EncoderError(
                f"tesseract has no data for {', '.join(missing)}, only for {', '.join(program.languages)}: install it "
                "(apt install tesseract-ocr-deu for deu)"
            )
        plain = [name for name in _PLAIN if name in program.languages] or list(program.languages)
        self._path, self._version, self._languages = program.path, program.version, languages or (plain[0],)

    @cached_property
    def name(self) -> str:
        return f"tesseract {self._version} {'+'.join(self._languages)}"

    def read(self, image: Image.Image) -> tuple[PrintedWord, ...]:
        data = io.BytesIO()
        image.convert("L").save(data, "PPM")
        command = [self._path, "stdin", "stdout", "--dpi", str(_DPI), "-l", "+".join(self._languages), "tsv"]
        # Its own threads wait for each other at full load.
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        try:
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            ) as process:
                _limit(process.pid)
                try:
                    answer, _ = process.communicate(data.getvalue(), timeout=_SECONDS)
                except BaseException:
                    process.kill()
                    raise
        except subprocess.TimeoutExpired as error:
            raise OcrFailure(f"took tesseract longer than {_SECONDS:g} s") from error
        except OSError as error:
            raise OcrFailure(f"could not be read: tesseract does not run ({error.strerror})") from error
        if process.returncode:
            raise OcrFailure(f"could not be read: tesseract ended with code {process.returncode}")
        return _words(answer.decode("utf-8", "replace"), image.size)


def _limit(process: int) -> None:
    if sys.platform == "linux":
        import resource

        resource.prlimit(process, resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.prlimit(process, resource.RLIMIT_CORE, (0, 0))


def _words(tsv: str, size: tuple[int, int]) -> tuple[PrintedWord, ...]:
    """Of Tesseract's table: blocks, paragraphs, lines and words in reading order."""
    width, height = size
    words = []
    for row in csv.DictReader(io.StringIO(tsv), delimiter="\t", quoting=csv.QUOTE_NONE):
        text = (row["text"] or "").strip()
        if row["level"] != _WORD_LEVEL or not text:
            continue
        left, top, right, bottom = int(row["left"]), int(row["top"]), int(row["width"]), int(row["height"])
        box = Box(left / width, top / height, min((left + right) / width, 1.0), min((top + bottom) / height, 1.0))
        words.append(PrintedWord(text, box, min(max(float(row["conf"]) / _SURE, 0.0), 1.0)))
    return tuple(words[:MAX_WORDS])
