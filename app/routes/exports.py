"""Chosen pages as one file."""

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask

from colvision.core.page import parse_page

from ..parameters import PageReference
from ..services.library import ExportKind, LibraryService
from ..threads import Threads
from .responses import KEPT_BY_NOBODY, content

_KINDS = {"pdf": ("pdf", "application/pdf"), "png": ("zip", "application/zip")}  # endings, types


def export_routes(service: LibraryService, drawing: Threads) -> APIRouter:
    router = APIRouter()

    @router.get("/export", response_class=FileResponse, responses=content("*/*", 404, 409))
    @drawing
    def export_pages(
        page: Annotated[tuple[PageReference, ...], Query(min_length=1, description="DOCUMENT:PAGE, several times")],
        format: Annotated[ExportKind, Query(description="one PDF, or PNG images in a ZIP file")] = "pdf",
    ) -> Response:
        """Chosen pages as one file: a PDF of their images with the words beneath, or PNG images in a ZIP file."""
        ending, kind = _KINDS[format]
        path = Path(tempfile.mkdtemp(prefix="colvision-")) / f"pages.{ending}"
        remove = partial(shutil.rmtree, path.parent, ignore_errors=True)
        try:
            service.export_pages([parse_page(each) for each in page], path, format)
        except BaseException:
            remove()
            raise
        return FileResponse(
            path, media_type=kind, filename=path.name, headers=KEPT_BY_NOBODY, background=BackgroundTask(remove)
        )

    return router
