"""What an encoder is to the other packages: the protocol it follows, and what a collection remembers of it."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from colvision.core.embedding import Floats, PageEmbedding, QueryEmbedding
from colvision.core.health import Note
from colvision.core.page import Page


@dataclass(frozen=True, slots=True)
class Calibration:
    """Monotone map from a similarity to a token's contribution; the winning patches do not depend on it.

    Identity when `slope` is 0 (ColPali, ColQwen: plain late interaction); else the logistic
    1 / (1 + exp(-slope * (similarity - midpoint))): the probability that the best patch is a true match. Tokens with a
    digit have a midpoint of their own, `digits_midpoint`, where an encoder matches them with other similarities.
    """

    slope: float = 0.0
    midpoint: float = 0.0
    digits_midpoint: float | None = None

    @property
    def is_probability(self) -> bool:
        return self.slope > 0

    def midpoints(self, tokens: Sequence[str]) -> Floats:
        """(t,) of each token."""
        digits = self.midpoint if self.digits_midpoint is None else self.digits_midpoint
        return np.array([digits if any(map(str.isdigit, each)) else self.midpoint for each in tokens], np.float32)

    def __call__(self, similarity: Floats, midpoints: Floats | None = None) -> Floats:
        """Any shape; `midpoints` of the tokens in a shape that goes with it, the `midpoint` of words without."""
        if not self.is_probability:
            return similarity
        logit = np.clip(self.slope * (similarity - (self.midpoint if midpoints is None else midpoints)), -60.0, 60.0)
        probability: Floats = (1.0 / (1.0 + np.exp(-logit))).astype(np.float32)
        return probability


@dataclass(frozen=True, slots=True)
class CheckpointRef:
    """What `load_encoder` was given, of all that decides the vectors: enough to load the same encoder again.

    `name` and `adapter` are absolute paths, or a hub id with its commit.
    """

    name: str
    max_patches: int | None = None
    adapter: str | None = None
    quantise: str | None = None
    query_prefix: str | None = None
    page_prompt: str | None = None
    attention: str | None = None
    dim: int | None = None

    def options(self, name: str = "") -> str:
        """As the command line takes them, with another `name` where one is given."""
        given = {option: value for option, value in asdict(self).items() if option != "name" and value is not None}
        options = [f"--{option.replace('_', '-')} {shlex.quote(str(value))}" for option, value in given.items()]
        return " ".join([f"--encoder {name or shlex.quote(self.name)}", *options])


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What a collection remembers of the encoder that filled it.

    `fingerprint` changes with weights, prompts, resolution, direction, calibration and the adapters that pages go
    through, not with one for queries alone: with the same fingerprint stored pages are valid. `quantisation_range` is
    the largest absolute vector component that int8 codes can hold; `versions` of libraries are recorded, never
    compared to refuse. `pool` is how many patches share a vector (1: every patch has its own). `loaded_from` is None
    for mini, and for encoders that only a program knows how to make. `former`: fingerprints of earlier versions of the
    same -> what has changed since, in words; no collection keeps it.
    """

    name: str
    fingerprint: str
    dim: int
    quantisation_range: float
    calibration: Calibration = Calibration()
    versions: Mapping[str, str] = field(default_factory=dict)
    pool: int = 1
    loaded_from: CheckpointRef | None = None
    former: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.dim < 1 or not 0 < self.quantisation_range <= 1:
            raise ValueError(
                f"encoder {self.name!r}: dim {self.dim}, quantisation_range {self.quantisation_range} (expected 0..1]"
            )

    @property
    def options(self) -> str:
        """What chooses this encoder on the command line; "" where nothing does."""
        if self.loaded_from is not None:
            return self.loaded_from.options()
        return "--encoder mini" if self.name == "mini" else ""


@runtime_checkable
class KnowsLimits(Protocol):
    """What an encoder may have besides: it says what of a page it cannot read, as far as the text layer tells."""

    def unreadable(self, page: Page) -> tuple[Note, ...]: ...


@runtime_checkable
class DescribesPage(Protocol):
    """What an encoder may have besides: it says how many vectors a page of a usual size becomes."""

    def describe_page(self) -> str: ...


def unreadable_on(page: Page, encoder: "Encoder") -> tuple[Note, ...]:
    """What an encoder says of a page; nothing, if it does not know its limits."""
    return encoder.unreadable(page) if isinstance(encoder, KnowsLimits) else ()


@runtime_checkable
class ReadsText(Protocol):
    """What an encoder may have besides: whether it reads a page's text alone, so that an image says nothing to it."""

    @property
    def reads_text(self) -> bool: ...


def reads_text(encoder: "Encoder") -> bool:
    """Whether an encoder reads the text of pages, not their images."""
    return encoder.reads_text if isinstance(encoder, ReadsText) else False


READ_SINCE = Note("textless", "was encoded before its text was read: run `colvision reencode`")


def textless(page: Page) -> tuple[Note, ...]:
    """What an encoder that reads text alone notes of a page: that it has none, as far as anybody has read it."""
    if page.text.strip() or any(word.text.strip() for word in page.words):
        return ()
    return (Note("textless", "has no text for this encoder: run `colvision ocr`, or ingest it with --ocr"),)


@runtime_checkable
class LeavesCores(Protocol):
    """What an encoder may have besides, where it computes elsewhere than on this machine's cores: how many processes
    may draw pages for it.
    """

    @property
    def drawing_processes(self) -> int: ...


def drawing_processes(encoder: "Encoder") -> int:
    """How many processes may draw pages for an encoder; one, if it works on the cores that would draw."""
    return encoder.drawing_processes if isinstance(encoder, LeavesCores) else 1


@runtime_checkable
class Encoder(Protocol):
    """Pages and queries in, vectors out. Iterables in, iterators out, order and count kept.

    `colvision.testing.check_encoder` tries all that is promised here, for a test of one's own encoder.
    """

    @property
    def info(self) -> EncoderInfo: ...

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        """One embedding a page, in order. A page's vectors do not depend on the pages beside it."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        """One embedding a text, in order. Raises `ValueError` for a text without a letter or digit."""
        ...
