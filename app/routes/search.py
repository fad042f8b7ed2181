"""What is searched for, why it was found, and what readers say of that."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from colvision.store.judgements import Verdict

from ..failures import answers
from ..parameters import Collection, DocumentInPath, DocumentName, PageNumber, Words, search_request
from ..services.library import LibraryService
from ..services.search import SearchRequest
from ..threads import Threads
from ..views import AnswerView, ExplanationView, FoundView
from .responses import KEPT_BY_NOBODY, content


def search_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()
    quota = service.settings.quota
    asked = Depends(search_request(quota))
    searching = Threads(quota.searches)

    @router.get("/search", responses=answers(404, 409, 410))
    @searching
    def search(
        asked_for: Annotated[SearchRequest, asked], k: Annotated[int, Query(ge=1, le=quota.hits)] = 10
    ) -> AnswerView:
        """The pages that match best."""
        return service.search.search(asked_for, k=k)

    @router.get("/explain", responses=answers(404, 409, 410))
    @searching
    def explain(asked_for: Annotated[SearchRequest, asked], page_of: DocumentName, page: PageNumber) -> ExplanationView:
        """Why a page of the document `page_of` matches; the parameters are those of the search."""
        return service.search.explain(asked_for, page_of, page)

    @router.get("/documents/{document}/find", responses=answers(404, 409))
    @searching
    def find(
        document: DocumentInPath, q: Annotated[Words, Query(min_length=1, max_length=quota.query_characters)]
    ) -> FoundView:
        """The pages of a document that have all the words `q`, scans included: every page is compared."""
        return service.search.find(document, q)

    @router.post("/judgements", status_code=204, responses=answers(404, 409, 507))
    def judge(
        q: Annotated[Words, Query(min_length=1, max_length=quota.query_characters)],
        document: DocumentName,
        page: PageNumber,
        collection: Annotated[Collection, Query(max_length=quota.name_characters)] = "default",
        verdict: Verdict = "",
    ) -> None:
        """Whether a page answers a question, in the words of its reader; "" takes that back."""
        service.search.judge(SearchRequest(q, collection), document, page, verdict)

    @router.get("/judgements", response_class=Response, responses=content("application/jsonl"))
    def read_judgements() -> Response:
        """Questions with the pages that answer them: JSON lines for `colvision evaluate`."""
        headers = {**KEPT_BY_NOBODY, "Content-Disposition": 'attachment; filename="judgements.jsonl"'}
        return Response(service.export_judgements(), media_type="application/jsonl", headers=headers)

    return router
