"""The REST API under /api/v1: all that the page does, it does by these routes."""

from os import PathLike, stat_result

from fastapi import Depends, FastAPI
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from pydantic import TypeAdapter
from starlette.routing import Route
from starlette.types import Scope

import colvision

from .changes import Changes
from .failures import Nowhere, explain_failures
from .parameters import check_address
from .routes.answers import answer_routes
from .routes.documents import document_routes, job_routes, upload_routes
from .routes.exports import export_routes
from .routes.files import file_routes, image_routes
from .routes.library import collection_routes, library_routes
from .routes.search import search_routes
from .services.library import LibraryService
from .settings import STATIC
from .threads import Threads
from .views import LibraryView

_ROOT = "/api/v1"
STATIC_URL = "/app/static"  # at /static Gradio serves files that its page loads


def create_api(service: LibraryService) -> FastAPI:
    """The application without its page: routes, what runs in the browser, errors as sentences."""
    schema = f"{_ROOT}/openapi.json"
    app = FastAPI(
        title="colvision",
        version=colvision.__version__,
        openapi_url=schema,
        docs_url=None,  # FastAPI's pages load their scripts from another machine
        redoc_url=None,
    )
    explain_failures(app)
    overview = TypeAdapter(LibraryView)
    app.state.changes = changes = Changes(service.revision, lambda: overview.dump_json(service.overview()))
    reading, drawing = Threads(service.settings.quota.readers), Threads(service.settings.quota.drawings)
    for routes in (
        library_routes(service, changes),
        document_routes(service),
        collection_routes(service),
        upload_routes(service, reading),
        job_routes(service),
        search_routes(service),
        answer_routes(service, drawing),
        image_routes(service, reading),
        file_routes(service, drawing),
        export_routes(service, drawing),
    ):
        app.include_router(routes, prefix=_ROOT, dependencies=[Depends(check_address)])
    nowhere = Nowhere(tuple(app.routes), schema)
    app.router.routes.append(Route(f"{_ROOT}/{{rest:path}}", nowhere, include_in_schema=False))
    app.mount(STATIC_URL, _StaticFiles(directory=STATIC), name="static")
    return app


class _StaticFiles(StaticFiles):
    """The browser asks whether a file has changed: after an update no old script meets a new page."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response
