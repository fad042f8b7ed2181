"""Pages to encoder to store, streaming: only the pages in flight are in memory, and an interrupted ingest goes on."""

from colvision.ingest.ingest import complete_document, ingest_again, ingest_files, reencode_collection
from colvision.ingest.left_out import LeftOut
from colvision.ingest.ocr import OcrFileReport, OcrReport, read_texts
from colvision.ingest.options import COMMIT_BYTES, Callbacks, IngestOptions
from colvision.ingest.others import LoadEncoder, add_encoder, read_by_others
from colvision.ingest.report import FileOutcome, FileReport, IngestReport, Progress
from colvision.ingest.sources import Source, Upload, find_files

__all__ = [
    "COMMIT_BYTES",
    "Callbacks",
    "FileOutcome",
    "FileReport",
    "IngestOptions",
    "IngestReport",
    "LeftOut",
    "LoadEncoder",
    "OcrFileReport",
    "OcrReport",
    "Progress",
    "Source",
    "Upload",
    "add_encoder",
    "reencode_collection",
    "read_by_others",
    "complete_document",
    "find_files",
    "ingest_again",
    "ingest_files",
    "read_texts",
]
