"""What of a PDF page is not on its image, in words for its reader. Runs in the worker process only."""

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from colvision.core.health import Note
from colvision.pdf.backends.drawn import DrawnPage
from colvision.pdf.backends.page_objects import PageObjects
from colvision.pdf.backends.page_text import TextLayer, printable
from colvision.pdf.limits import shrunk_notes

_LEAST_HEIGHT = 9.5  # pixels of a font's size: print of 10 pt on A2
_NAMED = 5  # attached files that a note names
_MAX_ANNOTATIONS = 1000  # of a page, looked at for attached files


def page_notes(page: pdfium.PdfPage, objects: PageObjects, drawn: DrawnPage, layer: TextLayer) -> tuple[Note, ...]:
    """What was not drawn, or too small. On a large sheet whose letters are known their size decides, else its own."""
    notes = layer.notes + _lost_pictures(objects, drawn) + _attachments(page)
    if not drawn.is_blank and (layer.print_height is None or layer.print_height < _LEAST_HEIGHT):
        notes += shrunk_notes(72 * drawn.scale)
    return notes


def _lost_pictures(objects: PageObjects, drawn: DrawnPage) -> tuple[Note, ...]:
    count = objects.count_lost_pictures(drawn)
    if not count:
        return ()
    pictures = "a picture" if count == 1 else f"{count} pictures"
    if drawn.is_blank:
        return (Note("blank", f"is drawn blank though it holds {pictures}: hidden, or damaged and not to be decoded"),)
    return (Note("blank", f"is drawn without {pictures} that it holds: damaged and not to be decoded"),)


def _attachments(page: pdfium.PdfPage) -> tuple[Note, ...]:
    count = 0
    for number in range(min(pdfium_c.FPDFPage_GetAnnotCount(page), _MAX_ANNOTATIONS)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page, number)
        count += pdfium_c.FPDFAnnot_GetSubtype(annotation) == pdfium_c.FPDF_ANNOT_FILEATTACHMENT
        pdfium_c.FPDFPage_CloseAnnot(annotation)
    return (Note("attachments", f"carries {_files(count)} not read"),) if count else ()


def file_notes(document: pdfium.PdfDocument) -> tuple[Note, ...]:
    """What a PDF holds beside its pages."""
    notes: tuple[Note, ...] = ()
    count = document.count_attachments()
    if count:
        names = ", ".join(_attachment_name(document, number) for number in range(min(count, _NAMED)))
        notes += (Note("attachments", f"holds {_files(count)} not read ({names}): save them from a PDF viewer"),)
    if document.get_formtype() == pdfium_c.FORMTYPE_XFA_FULL:
        notes += (Note("form", "is a form that only Adobe's programs show: print it to a PDF there"),)
    return notes


def _attachment_name(document: pdfium.PdfDocument, number: int) -> str:
    try:
        return printable(document.get_attachment(number).get_name()) or "?"
    except (pdfium.PdfiumError, UnicodeError):
        return "?"


def _files(count: int) -> str:
    return "1 file that was" if count == 1 else f"{count:,} files that were"
