"""Makes reference.npz anew, after new weights: `python -m tests.encoders.mini.reference`.

A part of a page of the sample's scan, as the page tower saw it on the processor named in docs/mini.md.
"""

import numpy as np
import pypdfium2 as pdfium

from colvision.core.page import Page, PdfGeometry
from colvision.encoders.mini.encoder import PAGE_TOWER, SHIPPED
from colvision.encoders.mini.page_image import resize_page
from colvision.encoders.mini.page_tower import PageTower
from tests.helpers import ROOT

if __name__ == "__main__":
    with pdfium.PdfDocument(ROOT / "data" / "sample-manual-scan.pdf") as pdf:
        sheet = pdf[10]
        page = Page(sheet.render(scale=2).to_pil(), geometry=PdfGeometry((0, 0, *sheet.get_size())))
    image = resize_page(page)[320:640, 64:704]
    seen = PageTower(SHIPPED / PAGE_TOWER).read(image[None])
    half = {"vectors": seen.vectors[0].astype(np.float16), "ink": seen.ink[0].astype(np.float16)}
    np.savez_compressed(ROOT / "tests" / "encoders" / "mini" / "reference.npz", image=image, **half)
