"""An answer in words, as it is written."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from colvision.core.page import parse_page

from ..failures import answers
from ..parameters import PageReference, Words
from ..services.answers import WrittenAnswer
from ..services.library import LibraryService
from ..threads import Threads
from ..views import AnswerEventView
from .responses import KEPT_BY_NOBODY

_LINES = "application/x-ndjson"


def answer_routes(service: LibraryService, drawing: Threads) -> APIRouter:
    router = APIRouter()
    quota = service.settings.quota

    @router.post(
        "/answers",
        response_class=Response,
        responses={
            **answers(404, 409, 502),
            200: {"model": AnswerEventView, "description": "lines of JSON", "content": {_LINES: {}}},
        },
    )
    async def write_answer(
        q: Annotated[Words, Query(min_length=1, max_length=quota.query_characters, description="the question")],
        page: Annotated[
            tuple[PageReference, ...],
            Query(min_length=1, max_length=quota.answer_pages, description="DOCUMENT:PAGE, whose picture is sent"),
        ],
    ) -> Response:
        """Sends the question and pictures of these pages to the endpoint that the server was started with, and gives
        its answer as it comes: lines of JSON.
        """
        if (writing := service.answers) is None:
            raise ValueError("this server writes no answers: start it with --answers URL --model NAME")
        written = await drawing.run(lambda: writing.ask(writing.prompt(q, [parse_page(each) for each in page])))
        return StreamingResponse(_event_lines(written), media_type=_LINES, headers=KEPT_BY_NOBODY)

    return router


async def _event_lines(written: WrittenAnswer) -> AsyncIterator[bytes]:
    """Where the client has gone the answer is closed at once: nobody waits for the thread that reads it."""
    events = written.events()
    try:
        while (event := await to_thread.run_sync(next, events, None, abandon_on_cancel=True)) is not None:
            yield json.dumps(asdict(event)).encode() + b"\n"
    finally:
        written.close()
