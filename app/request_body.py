"""The body of a request as a file, as it arrives: the bytes themselves, or the one file of a form (`curl -F`)."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from colvision.errors import DamagedFile, LimitExceeded, UnsupportedFile

from .settings import LimitReached

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what is wrong with a form is told to its sender

_BINARY = {"type": "string", "format": "binary"}
_FORM = b"multipart/form-data"
_LINES = b"application/x-www-form-urlencoded"  # what curl calls a body that is not said to be anything else
_ENVELOPE = 2**16  # bytes of a form beside its file
_AS_IT_IS = "send the bytes themselves: curl --data-binary @FILE, or curl -F file=@FILE"
FILE_BODY = {  # what the schema says of a route that takes one
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]},
            },
        },
    }
}
_LINE_ENDS = b"\0\r\n"  # every file that we read holds one of these


def declared_size(request: Request, limit: int) -> int | None:
    """How many bytes the body will have at most, None where the sender does not say.

    Nothing is read. Raises `UnsupportedFile` for a body that is neither bytes nor a form, `LimitExceeded` where the
    file in it is larger than `limit` bytes.
    """
    kind, _ = _content_type(request)
    if kind.startswith(b"multipart/") and kind != _FORM:
        raise UnsupportedFile(f"a body of the kind {kind.decode('latin-1')} is not taken: {_AS_IT_IS}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedFile("a body that is compressed on its way is not taken: send it without Content-Encoding")
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return None
    size = int(length)
    if size > limit + (_ENVELOPE if kind == _FORM else 0):
        raise LimitExceeded(f"the file is larger than the limit of {limit >> 20:,} MB: make it smaller, or split it")
    return min(size, limit)


async def save_request_body(request: Request, path: Path, name: str, *, count: Callable[[int], None]) -> None:
    """Writes the file that the body holds to `path`; `name` is what its sender calls it.

    `count` hears how many bytes come next, before they are written: what it raises ends the arrival. Raises
    `LimitReached` where the sender has gone, `DamagedFile` and `UnsupportedFile` for a body that holds no file.
    """
    try:
        with path.open("wb") as file:
            async for part in _file_in(request):
                count(len(part))
                file.write(part)
    except ClientDisconnect as error:
        raise LimitReached(f"{name} has not arrived: its sender hung up") from error


async def _file_in(request: Request) -> AsyncIterator[bytes]:
    kind, boundary = _content_type(request)
    if kind == _FORM:
        form, beside = _Form(boundary), 0
        async for data in request.stream():
            parts = form.file_in(data)
            beside += len(data) - sum(map(len, parts))
            if beside > _ENVELOPE:
                raise LimitExceeded(f"the form holds too much beside its file: {_AS_IT_IS}")
            for part in parts:
                yield part
        form.close()
        return
    has_lines = kind != _LINES
    size = 0
    async for data in request.stream():
        size += len(data)
        has_lines = has_lines or any(each in data for each in _LINE_ENDS)
        yield data
    if size and not has_lines:
        raise UnsupportedFile(f"the line ends of the file are gone, as with curl -d: {_AS_IT_IS}")


def _content_type(request: Request) -> tuple[bytes, bytes]:
    """The kind of the body, and what stands between the parts of a form."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    return kind, options.get(b"boundary", b"")


class _Form:
    """Takes the one file out of a form while that arrives."""

    def __init__(self, boundary: bytes) -> None:
        if not boundary:
            raise UnsupportedFile(f"the form does not say what stands between its parts (boundary): {_AS_IT_IS}")
        self._files = 0
        self._ended = False
        self._header = [b"", b""]  # name, value
        self._headers: dict[bytes, bytes] = {}
        self._file: list[bytes] = []
        with _readable():
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_begin": self._begin_header,
                    "on_header_field": lambda data, start, end: self._add_to_header(0, data[start:end]),
                    "on_header_value": lambda data, start, end: self._add_to_header(1, data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_part,
                    "on_part_data": lambda data, start, end: self._file.append(data[start:end]),
                    "on_end": self._end,
                },
            )

    def file_in(self, data: bytes) -> list[bytes]:
        """What of the file is in the next bytes of the form."""
        with _readable():
            self._parser.write(data)
        found, self._file = self._file, []
        return found

    def close(self) -> None:
        if not self._ended:
            raise DamagedFile("the form has not arrived as a whole: send it again")
        if not self._files:
            raise UnsupportedFile(f"the form holds no file: {_AS_IT_IS}")

    def _begin_header(self) -> None:
        self._header = [b"", b""]

    def _add_to_header(self, part: int, data: bytes) -> None:
        self._header[part] += data

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[name.lower()] = value

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"filename" not in options:
            field = options.get(b"name", b"").decode("utf-8", "replace")[:80]
            raise LimitReached(
                f"the form's field {field!r} is no file: parameters stand in the address, and curl -F file=@FILE "
                "sends a file"
            )
        coding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if coding not in (b"binary", b"8bit", b"7bit"):
            raise UnsupportedFile(f"the file in the form is encoded ({coding.decode('latin-1')}): {_AS_IT_IS}")
        self._files += 1
        if self._files > 1:
            raise LimitReached("the form holds several files: send each with a request of its own")

    def _end(self) -> None:
        self._ended = True


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except FormParserError as error:
        raise UnsupportedFile(f"the form cannot be read ({error}): {_AS_IT_IS}") from error
