"""Documents: what is known of them, how they come, and the jobs that read them."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import contextmanager_in_threadpool
from pydantic import Field

from colvision.core.metadata import parse_metadata

from ..failures import answers
from ..parameters import Collection, DocumentInPath, FileName, Line, NumberInPath
from ..request_body import FILE_BODY, declared_size, save_request_body
from ..services.library import LibraryService
from ..threads import Threads
from ..views import DocumentView, JobView

_FACTS = 100  # that are noted with one file


def document_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()
    quota = service.settings.quota

    @router.get("/documents/{document}", responses=answers(404, 409))
    def read_document(document: DocumentInPath) -> DocumentView:
        """One document, by name or id."""
        return service.document(document)

    @router.delete("/documents/{document}", responses=answers(404, 409, 507))
    def delete_document(document: DocumentInPath) -> DocumentView:
        """Removes a document, its file, page images and vectors."""
        return service.delete(document)

    @router.patch("/documents/{document}", responses=answers(404, 409, 507))
    def rename_document(document: DocumentInPath, name: FileName) -> DocumentView:
        """Calls a document otherwise; its id, its file and where it came from stay."""
        return service.rename(document, name)

    @router.put("/documents/{document}/metadata", responses=answers(404, 409, 507))
    def set_metadata(
        document: DocumentInPath,
        meta: Annotated[
            tuple[Annotated[Line, Field(max_length=quota.metadata_characters)], ...],
            Query(max_length=_FACTS, description="NAME=VALUE, noted with the document"),
        ] = (),
    ) -> DocumentView:
        """Notes with a document this and nothing else; nothing is read again."""
        return service.set_metadata(document, parse_metadata(meta))

    @router.post("/documents/{document}/resume", status_code=202, responses=answers(404, 409, 507))
    def resume_document(document: DocumentInPath) -> JobView:
        """Queues the pages of a document that are missing or failed."""
        return service.uploads.resume(document)

    return router


def upload_routes(service: LibraryService, reading: Threads) -> APIRouter:
    router = APIRouter()
    quota = service.settings.quota

    @router.post("/documents", status_code=202, responses=answers(408, 409, 413, 415, 507), openapi_extra=FILE_BODY)
    async def add_document(
        request: Request,
        name: FileName,
        collection: Annotated[Collection, Query(max_length=quota.name_characters)] = "default",
        meta: Annotated[
            tuple[Annotated[Line, Field(max_length=quota.metadata_characters)], ...],
            Query(max_length=_FACTS, description="NAME=VALUE, noted with the document"),
        ] = (),
        replace: Annotated[bool, Query(description="take the place of the document of this name")] = False,
    ) -> JobView:
        """The body is the file itself, or a form with it; `name` is what its document will be called. A new collection
        is made.
        """
        uploads, metadata = service.uploads, parse_metadata(meta)
        uploads.check_metadata(metadata)
        admitted = uploads.admit(name, declared_size(request, quota.file_bytes))
        async with contextmanager_in_threadpool(admitted) as arrival:
            await save_request_body(request, arrival.path, name, count=arrival.count)
            upload = partial(uploads.upload, collection=collection, metadata=metadata, replace=replace)
            return await reading.run(upload, arrival)

    @router.post("/sample", status_code=202, responses=answers(507))
    def add_sample() -> list[JobView]:
        """Queues the sample manual."""
        return service.uploads.load_sample()

    return router


def job_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()

    @router.post("/jobs/{key}/cancel", responses=answers(404, 507))
    def cancel_job(key: NumberInPath) -> JobView:
        """Stops a job; pages that are stored already stay."""
        return service.uploads.cancel(key)

    @router.post("/jobs/{key}/retry", status_code=202, responses=answers(404, 507))
    def retry_job(key: NumberInPath) -> JobView:
        """Has a job wait again that failed for a reason beside its file, such as a full disk: see `can_retry`."""
        return service.uploads.retry(key)

    @router.delete("/jobs/{key}", status_code=204, responses=answers(404, 507))
    def dismiss_job(key: NumberInPath) -> None:
        """Takes an ended job off the list."""
        service.uploads.dismiss(key)

    return router
