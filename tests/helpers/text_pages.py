"""Pages whose words and their places are known, as a PDF tells them, or an OCR engine."""

from PIL import Image, ImageDraw, ImageFont

from colvision.core.page import Box, Page, PrintedWord

SIZE = (680, 880)  # (width, height) in pixels: Letter at 80 dpi
FONT = ImageFont.load_default(14)


def printed_page(*lines: str, number: int = 1) -> Page:
    """Lines of text from the top left, with the box of each word's ink."""
    image = Image.new("RGB", SIZE, "white")
    canvas = ImageDraw.Draw(image)
    words = []
    for row, line in enumerate(lines):
        left, top = 60.0, 60 + 30 * row
        for word in line.split():
            canvas.text((left, top), word, "black", FONT)
            ink = canvas.textbbox((left, top), word, FONT)
            words.append(PrintedWord(word, Box(*(each / SIZE[place % 2] for place, each in enumerate(ink)))))
            left += FONT.getlength(word + "  ")
    return Page(image, number, text="\n".join(lines), words=tuple(words))


def word_box(page: Page, text: str) -> Box:
    """The place of a word that the page has once."""
    [box] = [word.box for word in page.words if word.text == text]
    return box


def holds(box: Box, part: Box, *, slack: float = 0.01) -> bool:
    """Whether one box holds another, but for a share of the page."""
    return (
        box.left - slack <= part.left
        and part.right <= box.right + slack
        and box.top - slack <= part.top
        and part.bottom <= box.bottom + slack
    )
