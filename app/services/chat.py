"""A chat endpoint of OpenAI's form, asked by its one route: messages in, pieces of a text out.

It goes straight to the address that the user gave: no proxy of the environment, and no redirect is followed.
"""

import http.client
import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from colvision.errors import ColvisionError

_ROUTE = "/chat/completions"
_CONNECT_SECONDS = 10.0
_LINE_BYTES = 2**20  # of a stream
_BODY_BYTES = 4 * 2**20  # of an answer that is not streamed
_SAID_CHARACTERS = 300  # of an error's text that is passed on
_SEEN = b"data:"


class ChatFailed(ColvisionError):
    """The endpoint gave no answer, or none that can be read; the message says what it said."""


class ChatEndpoint:
    """The `model` at `url`, such as http://127.0.0.1:11434/v1; `key` is sent as a bearer token, "" for none.

    Raises `ValueError` for an address that is none.
    """

    def __init__(self, url: str, model: str, key: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ValueError(f"{url!r} is no endpoint: expected an address such as http://127.0.0.1:11434/v1")
        if not model:
            raise ValueError("name the model of the endpoint, too: --model NAME")
        self.model = model
        self.host = parts.netloc
        self._is_secure = parts.scheme == "https"
        self._path = parts.path.rstrip("/").removesuffix(_ROUTE) + _ROUTE
        self._key = key

    @property
    def name(self) -> str:
        """The model and where it runs."""
        return f"{self.model} at {self.host}"

    def ask(self, messages: Sequence[dict[str, Any]], *, silence: float, seconds: float) -> "ChatAnswer":
        """Sends the messages. The answer may take `seconds` in all, `silence` of them without a word.

        Raises `ChatFailed`.
        """
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        connection = kind(self.host, timeout=_CONNECT_SECONDS)
        body = json.dumps({"model": self.model, "messages": messages, "stream": True}).encode()
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            connection.connect()
            opened = connection.sock  # which is the response's where the server keeps no connection
            opened.settimeout(silence)
            connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ChatFailed(f"{self.name} {_reason(error, silence)}") from error
        answer = ChatAnswer(self.name, opened, response, silence, time.monotonic() + seconds)
        if response.status != 200:
            refusal = answer.refusal()
            answer.close()
            raise refusal
        return answer


class ChatAnswer:
    """An answer that comes in pieces; close it when it is not wanted any more, from any thread."""

    def __init__(
        self,
        name: str,
        opened: socket.socket,
        response: http.client.HTTPResponse,
        silence: float,
        end: float,
    ) -> None:
        self._name = name
        self._socket = opened
        self._response = response
        self._silence = silence
        self._end = end

    def pieces(self) -> Iterator[str]:
        """Raises `ChatFailed` where it ends before it is complete."""
        try:
            if self._response.headers.get_content_type() == "text/event-stream":
                yield from self._streamed()
            else:
                yield _text(self._parse(self._response.read(_BODY_BYTES)), "message")
        except (OSError, http.client.HTTPException) as error:
            raise ChatFailed(f"{self._name} {_reason(error, self._silence)}") from error
        finally:
            self.close()

    def _streamed(self) -> Iterator[str]:
        while line := self._response.readline(_LINE_BYTES):
            if time.monotonic() > self._end:
                raise ChatFailed(f"{self._name} was still writing when its time was over: ask for less")
            data = line.removeprefix(_SEEN).strip()
            if data == b"[DONE]":
                return
            if line.startswith(_SEEN) and data:
                yield _text(self._parse(data), "delta")

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            told = json.loads(data)
        except ValueError as error:
            raise self._unreadable() from error
        if not isinstance(told, dict):
            raise self._unreadable()
        if told.get("error"):
            raise ChatFailed(f"{self._name} failed: {_said(told)}")
        if not isinstance(told.get("choices"), list):
            raise self._unreadable()
        return told

    def _unreadable(self) -> ChatFailed:
        return ChatFailed(f"{self._name} answers in another form than OpenAI's chat completions: check --answers")

    def refusal(self) -> ChatFailed:
        """Of an answer with another status than 200."""
        told: Any = None
        with suppress(OSError, ValueError, http.client.HTTPException):
            told = json.loads(self._response.read(_BODY_BYTES))
        status = self._response.status
        if 300 <= status < 400:
            return ChatFailed(f"{self._name} answers from another address ({status}): give that one with --answers")
        return ChatFailed(f"{self._name} refused the question ({status}): {_said(told) or self._response.reason}")

    def close(self) -> None:
        """Ends a reading that waits in another thread, too."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._response.close()  # after that: who reads holds its lock
        self._socket.close()


def _text(told: dict[str, Any], part: str) -> str:
    choices = told["choices"]
    content = choices[0].get(part, {}).get("content") if choices and isinstance(choices[0], dict) else None
    return content if isinstance(content, str) else ""


def _said(told: Any) -> str:  # noqa: ANN401  whatever came as JSON
    error = told.get("error", told.get("detail", "")) if isinstance(told, dict) else ""
    text = error.get("message", "") if isinstance(error, dict) else error
    return "".join(each if each.isprintable() else " " for each in str(text))[:_SAID_CHARACTERS]


def _reason(error: Exception, silence: float) -> str:
    if isinstance(error, TimeoutError):
        return f"said nothing for {silence:.0f} s: is it loading, or too busy? Ask again"
    if isinstance(error, ConnectionRefusedError):
        return "does not answer: start it, or check --answers"
    return f"broke off ({getattr(error, 'strerror', None) or error or type(error).__name__}): ask again"
