"""The library as a whole, its collections, and the folders that it watches."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ..changes import Changes
from ..failures import answers
from ..parameters import FOLDER_CHARACTERS, Collection, Line
from ..services.library import LibraryService
from ..views import CollectionView, JobView, LibraryView, WatchedFolderView
from .responses import KEPT_BY_NOBODY

_LONGEST_WAIT = 60  # seconds, as a proxy waits


def library_routes(service: LibraryService, changes: Changes) -> APIRouter:
    router = APIRouter()

    @router.get("/library", response_model=LibraryView, responses=answers() | {304: {"description": "as before"}})
    async def read_library(
        request: Request,
        wait: Annotated[
            int, Query(ge=0, le=_LONGEST_WAIT, description="seconds to wait for a change of what If-None-Match names")
        ] = 0,
    ) -> Response:
        """Documents, jobs and sizes; 304 for the ETag of an answer when nothing has changed since."""
        known = request.headers.get("if-none-match", "")
        tag = await changes.changed(known, wait) if known and wait else await changes.tag()
        headers = {"ETag": tag, "Vary": "Accept-Encoding", **KEPT_BY_NOBODY}
        if tag == known:
            return Response(status_code=304, headers=headers)
        plain, compressed = await changes.overview(tag)
        if compressed is None or "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(plain, media_type="application/json", headers=headers)
        return Response(compressed, media_type="application/json", headers=headers | {"Content-Encoding": "gzip"})

    return router


def collection_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()
    most = service.settings.quota.name_characters

    @router.post("/reencode", status_code=202, responses=answers(404, 507))
    def reencode(collection: Annotated[Collection, Query(max_length=most)] = "default") -> JobView:
        """Queues the encoding again of a collection by the encoder in use; until it is done the old codes stay."""
        return service.uploads.reencode(collection)

    @router.patch("/collections", responses=answers(404, 507))
    def rename_collection(
        collection: Annotated[Collection, Query(max_length=most)], name: Annotated[Collection, Query(max_length=most)]
    ) -> CollectionView:
        """Calls a collection otherwise; `default` leaves an empty one behind."""
        return service.rename_collection(collection, name)

    @router.delete("/collections", responses=answers(404, 507))
    def delete_collection(collection: Annotated[Collection, Query(max_length=most)]) -> CollectionView:
        """Removes a collection with all its documents; `default` stays, empty."""
        return service.delete_collection(collection)

    @router.post("/watched", responses=answers(507))
    def watch_folder(
        folder: Annotated[Line, Query(min_length=1, max_length=FOLDER_CHARACTERS)],
        collection: Annotated[Collection, Query(max_length=most)] = "default",
    ) -> WatchedFolderView:
        """Has the files of a folder of the server's machine read as they come; where its own user alone asks."""
        return service.watched.add(folder, collection)

    @router.delete("/watched", status_code=204, responses=answers(507))
    def unwatch_folder(folder: Annotated[Line, Query(min_length=1, max_length=FOLDER_CHARACTERS)]) -> None:
        """Watches a folder no more; the documents of its files stay."""
        service.watched.remove(folder)

    return router
