"""PDFium's functions that are asked of every object and letter of a page, with addresses in the place of pointers.

There are thousands of both on a page, and pypdfium2's own declarations make a Python object of every pointer, which
takes several times as long as the call.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import pypdfium2.raw as pdfium_c

_HANDLE, _INT, _OUT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong


def address(raw: object) -> int:
    """Of what a pointer or a function of pypdfium2 points to."""
    return ctypes.cast(raw, ctypes.c_void_p).value or 0  # type: ignore[arg-type]  # a pointer


def _declare(function: Callable[..., object], result: type, *arguments: type) -> Callable[..., Any]:
    return ctypes.CFUNCTYPE(result, *arguments)(address(function))


count_objects = _declare(pdfium_c.FPDFPage_CountObjects, _INT, _HANDLE)
get_object = _declare(pdfium_c.FPDFPage_GetObject, _HANDLE, _HANDLE, _INT)
count_form_objects = _declare(pdfium_c.FPDFFormObj_CountObjects, _INT, _HANDLE)
get_form_object = _declare(pdfium_c.FPDFFormObj_GetObject, _HANDLE, _HANDLE, _SIZE)
object_kind = _declare(pdfium_c.FPDFPageObj_GetType, _INT, _HANDLE)
object_matrix = _declare(pdfium_c.FPDFPageObj_GetMatrix, _INT, _HANDLE, _OUT)
object_bounds = _declare(pdfium_c.FPDFPageObj_GetBounds, _INT, _HANDLE, _OUT, _OUT, _OUT, _OUT)
set_active = _declare(pdfium_c.FPDFPageObj_SetIsActive, _INT, _HANDLE, _INT)
count_marks = _declare(pdfium_c.FPDFPageObj_CountMarks, _INT, _HANDLE)
get_mark = _declare(pdfium_c.FPDFPageObj_GetMark, _HANDLE, _HANDLE, _SIZE)
mark_name = _declare(pdfium_c.FPDFPageObjMark_GetName, _INT, _HANDLE, _OUT, _SIZE, _OUT)
mark_value = _declare(pdfium_c.FPDFPageObjMark_GetParamStringValue, _INT, _HANDLE, ctypes.c_char_p, _OUT, _SIZE, _OUT)
text_mode = _declare(pdfium_c.FPDFTextObj_GetTextRenderMode, _INT, _HANDLE)

letter_object = _declare(pdfium_c.FPDFText_GetTextObject, _HANDLE, _HANDLE, _INT)
letter_code = _declare(pdfium_c.FPDFText_GetUnicode, ctypes.c_uint, _HANDLE, _INT)
letter_matrix = _declare(pdfium_c.FPDFText_GetMatrix, _INT, _HANDLE, _INT, _OUT)
letter_size = _declare(pdfium_c.FPDFText_GetFontSize, ctypes.c_double, _HANDLE, _INT)
letter_box = _declare(pdfium_c.FPDFText_GetCharBox, _INT, _HANDLE, _INT, _OUT, _OUT, _OUT, _OUT)
letter_place = _declare(pdfium_c.FPDFText_GetLooseCharBox, _INT, _HANDLE, _INT, _OUT)
letter_offset = _declare(pdfium_c.FPDFText_GetTextIndexFromCharIndex, _INT, _HANDLE, _INT)
