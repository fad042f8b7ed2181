"""The words of pages with their places: packed into some bytes a word, beside the rows of the pages."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colvision.core.page import Box, PrintedWord
from colvision.store.catalogue import Catalogue

_SCALE = 65_535  # steps of a page's width and height: a thirtieth of a pixel
_SURE = 255  # a confidence of 1


def pack(words: Sequence[PrintedWord]) -> bytes:
    """Planes of left, top, width, height (uint16) and confidence (uint8), each as the difference from the word before,
    then the texts, a line each; all of it compressed.
    """
    boxes = np.array([word.box for word in words], np.float64).reshape(-1, 4)
    steps = np.round(boxes * _SCALE).astype(np.int64)
    steps[:, 2:] -= steps[:, :2]
    places = np.diff(steps, axis=0, prepend=np.zeros((1, 4), np.int64)).T.astype("<u2")  # (4, words)
    planes = (
        np.ascontiguousarray(places).view(np.uint8).reshape(4, -1, 2).transpose(0, 2, 1)
    )  # low bytes, then high bytes
    confidences = np.round(np.array([word.confidence for word in words]) * _SURE).astype(np.uint8)
    texts = "\n".join(word.text.replace("\n", " ") for word in words).encode()
    return zlib.compress(len(words).to_bytes(4, "little") + planes.tobytes() + confidences.tobytes() + texts, 9)


def unpack(data: bytes) -> tuple[PrintedWord, ...]:
    plain = zlib.decompress(data)
    count = int.from_bytes(plain[:4], "little")
    numbers = np.frombuffer(plain, np.uint8, 9 * count, offset=4)
    planes = numbers[: 8 * count].reshape(4, 2, count).transpose(0, 2, 1)
    places: NDArray[np.uint16] = np.ascontiguousarray(planes).view("<u2").reshape(4, count)
    steps = np.cumsum(places.T, axis=0, dtype=np.int64) & _SCALE  # as the differences were cut to 16 bits
    steps[:, 2:] += steps[:, :2]
    texts = plain[4 + 9 * count :].decode().split("\n")
    return (
        tuple(
            PrintedWord(text, Box(*box), confidence)
            for text, box, confidence in zip(
                texts, (steps / _SCALE).tolist(), (numbers[8 * count :] / _SURE).tolist(), strict=True
            )
        )
        if count
        else ()
    )


def add(db: Catalogue, key: int, data: bytes) -> None:
    """Keeps the packed words of the page `key`, in the place of what was there."""
    db.execute("INSERT OR REPLACE INTO page_words (key, words) VALUES (?, ?)", [key, data])


def of_page(db: Catalogue, key: int) -> bytes | None:
    """The packed words of a page; None where none are kept."""
    found = db.all("SELECT words FROM page_words WHERE key = ?", [key])
    return bytes(found[0][0]) if found else None
