"""PDF and image files as pages, one at a time: the only place that touches poppler, PDFium and image decoders.

A file is opened in a process of its own, under limits: a page that takes too long, needs too much memory or breaks
the renderer is a `FailedPage`, and the rest of the file goes on. No temporary files are written. Linux and macOS; on
Windows the process has no limit on memory and processor time (the clock alone ends it), on macOS none on memory.
"""

from colvision.pdf.kinds import MEDIA_TYPES, is_supported, media_type
from colvision.pdf.limits import RENDER_PIXELS, Limits
from colvision.pdf.reading import FileInfo, inspect_file, read_pages
from colvision.pdf.renderers import RendererChoice, check_renderer, renderer_of_record
from colvision.pdf.sandbox.reader import FailedPage

__all__ = [
    "MEDIA_TYPES",
    "RENDER_PIXELS",
    "FailedPage",
    "FileInfo",
    "Limits",
    "RendererChoice",
    "check_renderer",
    "inspect_file",
    "is_supported",
    "media_type",
    "read_pages",
    "renderer_of_record",
]
