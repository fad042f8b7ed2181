"""What the application is started with, and what it allows: every limit that a user can meet is named here."""

import os
import re
import sys
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from colvision.environment import ENCODER_VARIABLE, OCR_VARIABLE, TOKEN_VARIABLE
from colvision.errors import ColvisionError
from colvision.pdf import Limits

STATIC = Path(__file__).resolve().parent / "static"  # what runs in the browser
SAMPLE_NAMES = ("sample-manual.pdf", "sample-manual-scan.pdf")

LOOPBACK = ("127.0.0.1", "::1", "localhost")
NOT_THE_FILE = 75  # the worker's exit code where the library or its disk ended it: EX_TEMPFAIL of sysexits.h
_SUB_PATH = r"(?!/(api|app|assets|static|mcp)(/|$))(/[\w.~-]+)*/?"
_PUBLIC_URL = re.compile(rf"https?://([\w.-]+|\[[\da-f:]+\])(:\d{{1,5}})?{_SUB_PATH}", re.ASCII | re.IGNORECASE)
_LEAST_TOKEN = 16  # characters: what cannot be guessed over a network


class LimitReached(ColvisionError):
    """What the user asked for is beyond a limit of the application; the message says which."""


class Busy(LimitReached):
    """Too much is asked at once: it can be asked again in `retry_seconds`."""

    retry_seconds = 10


class TooSlow(LimitReached):
    """A request came so slowly that it was not waited for."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What one user may ask of the application; `Limits` adds what one page may cost."""

    file_bytes: int = 500 * 2**20
    pages: int = 5_000  # of one document
    queue: int = 50  # files that wait or are being read
    free_bytes: int | None = None  # the disk keeps at least this much; None: what an ingest leaves free as well
    query_characters: int = 300
    where_characters: int = 500  # of a filter
    hits: int = 50
    exported_pages: int = 100  # at once
    candidates: int = 50  # best pages that the server's reranker is given
    answer_pages: int = 4  # that an answer is read from
    answer_characters: int = 20_000
    answer_seconds: int = 300  # until it is complete
    answer_silence_seconds: int = 120  # in which nothing of it comes: a model is loaded first, and reads pictures
    answers: int = 4  # written at once
    name_characters: int = 60  # of a collection
    metadata_characters: int = 500  # of what is noted with a file
    judgements: int = 20_000
    query_image_bytes: int = 20 * 2**20  # of an image that is the query
    query_image_pixels: int = 100_000_000
    query_images: int = 100  # that are kept, so that a link to an answer goes on working
    arriving_images: int = 20  # that are sent at once
    searches: int = 64  # answered at once, and explanations; the others wait
    drawings: int = 8  # page images scaled at once
    readers: int = field(default_factory=lambda: max(2, os.cpu_count() or 1))  # processes that open files for requests
    connections: int = 400

    def limits(self) -> Limits:
        """The same limits, as the reading of files knows them."""
        return Limits(file_bytes=self.file_bytes, pages=self.pages)

    def query_image_limits(self) -> Limits:
        """Those of an image that is the query."""
        return Limits(file_bytes=self.query_image_bytes, pages=self.pages, image_pixels=self.query_image_pixels)

    def in_words(self) -> str:
        """What the drop zone says."""
        return f"PDF or images, up to {self.file_bytes >> 20} MB and {self.pages:,} pages each"


@dataclass(frozen=True, slots=True)
class Settings:
    """`worker` is the command that reads queued files; the library's folder and our process number are added.

    It runs no module of the folder that the application happens to be started in. `public_url` is the address that
    browsers open where a proxy stands before the application, "" where none does; `root_path` is the path alone that
    one serves it below, and `forwarded_allow_ips` are the proxies whose X-Forwarded headers are believed, addresses or
    networks with commas between them, "*" for all. `reranker` is the one that searches
    may use, "" for none: no client names a folder or a checkpoint. `answers` is the endpoint of the `answers_model`
    that writes answers, with its key, "" for none: nothing is sent anywhere. `search_device` and `device_memory` are
    those of `open_library`.
    """

    library: Path
    host: str = "127.0.0.1"
    port: int = 7860
    token: str = ""
    public_url: str = ""
    reranker: str = ""
    search_device: str | None = None
    device_memory: int | None = None
    root_path: str = ""
    forwarded_allow_ips: str = ""
    answers: str = ""
    answers_model: str = ""
    answers_key: str = field(default="", repr=False)
    quota: Quota = Quota()
    worker: tuple[str, ...] = field(default=(sys.executable, "-P", "-m", "colvision.app.worker"))

    @property
    def may_watch(self) -> bool:
        """Whether clients may name folders of this machine: only where its own user alone is one."""
        return is_loopback(self.host) and not self.public_url

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; expected 0 (any that is free) to 65535")
        _check_public_url(self.public_url)
        if self.root_path and not is_sub_path(self.root_path):
            raise ValueError(f"--root-path is {self.root_path!r}; expected a path such as /colvision")
        self._check_proxies()
        if bool(self.answers) != bool(self.answers_model):
            raise ValueError("--answers URL and --model NAME go together: the endpoint, and which of its models")
        if self.token and len(self.token) < _LEAST_TOKEN:
            raise ValueError(f"{TOKEN_VARIABLE} has {len(self.token)} characters; use at least {_LEAST_TOKEN}")
        if not is_loopback(self.host) and not self.token:
            raise ValueError(
                f"{self.host} is none of {', '.join(LOOPBACK)}, and whoever reaches it can read and delete "
                f"the library: set {TOKEN_VARIABLE} to a secret of your own, or leave out --host"
            )

    def _check_proxies(self) -> None:
        networks(self.forwarded_allow_ips)
        if self.public_url and (self.root_path or self.forwarded_allow_ips):
            raise ValueError("--public-url says all of the address: leave out --root-path and --forwarded-allow-ips")
        if self.forwarded_allow_ips and not self.token:  # any page that a browser here shows could name a host of ours
            raise ValueError(
                f"--forwarded-allow-ips without {TOKEN_VARIABLE} would let other sites in: set it, or give --public-url"
            )


def _check_public_url(url: str) -> None:
    if url and not _PUBLIC_URL.fullmatch(url):
        raise ValueError(
            f"the public address is {url!r}; expected what browsers open, such as https://manuals.example/colvision, "
            "and not below /api, /app, /assets, /mcp or /static, which the application has itself"
        )


def is_sub_path(path: str) -> bool:
    """Whether a path can be one that a proxy serves the application below."""
    return bool(path.strip("/")) and re.fullmatch(_SUB_PATH, path, re.ASCII) is not None


def networks(listed: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks with commas between them, "*" for all. Raises `ValueError` for what is none."""
    names = [name.strip() for name in listed.split(",") if name.strip()]
    try:
        each = [("0.0.0.0/0", "::/0") if name == "*" else (name,) for name in names]
        return tuple(ip_network(one) for those in each for one in those)
    except ValueError as error:
        raise ValueError(f"--forwarded-allow-ips: {error}; expected such as 127.0.0.1,10.0.0.0/8") from error


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address, under one of the names that the guard lets through."""
    return host in LOOPBACK


def encoder_from_environment() -> str | None:
    """The one that `COLVISION_ENCODER` names; None for the one that filled the library."""
    return os.environ.get(ENCODER_VARIABLE) or None


def ocr_from_environment() -> str | None:
    """The engine that `COLVISION_OCR` names; None for none."""
    return os.environ.get(OCR_VARIABLE) or None


def sample_files() -> tuple[Path, ...]:
    """The sample manual, as a born-digital PDF and as a scan; () where it was not installed with the package."""
    here = Path(__file__).resolve().parent
    for folder in (here / "sample", here.parent / "data"):
        found = tuple(folder / name for name in SAMPLE_NAMES if (folder / name).is_file())
        if found:
            return found
    return ()
