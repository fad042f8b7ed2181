"""A chapter of the manual, and the sheet that its drawing function gets: header, footer, tab and cross references."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from manual.canvas import GREY, ORANGE, PETROL, RULE, WHITE, Canvas, Pen, Style, rectangle
from manual.flow import Column

A4, A3_LANDSCAPE = (595.28, 841.89), (1190.55, 841.89)
LEFT, TOP, WIDTH, END = 51.0, 118.0, 493.0, 790.0
DOCUMENT = "SM-HA24-EN · Issue 4 · 03.2026"


@dataclass(frozen=True)
class Chapter:
    """One page: `key` for cross references, `number` as printed ("" where it has none)."""

    key: str
    number: str
    title: str
    draw: "Callable[[Sheet], None]"
    size: tuple[float, float] = A4


@dataclass(frozen=True)
class Sheet:
    """A blank page and what its drawing function may refer to."""

    canvas: Canvas
    chapter: Chapter
    book: Sequence[Chapter]
    numbers: Mapping[str, int]  # key -> page, from 1

    @property
    def number(self) -> int:
        return self.numbers[self.chapter.key]

    def see(self, key: str) -> str:
        return f"page {self.numbers[key]}"

    def column(self, x: float = LEFT, y: float = TOP, width: float = WIDTH, end: float = END) -> Column:
        return Column(self.canvas, x, y, width, end)

    def furniture(self, *, rights: str = "HA 24 hydraulic power unit", book: str = "Service manual") -> None:
        """Running head, chapter title, thumb tab and footer."""
        canvas, chapter = self.canvas, self.chapter
        right = canvas.width - (A4[0] - LEFT - WIDTH)
        canvas.text(LEFT, 40, "QUELLMAR", Style("B", 8.6, PETROL, 1.6))
        canvas.text(LEFT + 70, 40, book, Style("R", 8, GREY))
        canvas.text(right, 40, rights, Style("R", 8, GREY), align="right")
        canvas.line((LEFT, 47), (right, 47), pen=Pen(PETROL, 1.4))
        canvas.line((LEFT, 47), (LEFT + 62, 47), pen=Pen(ORANGE, 1.4))
        x = LEFT
        if chapter.number:
            x += canvas.text(LEFT, 88, chapter.number, Style("L", 30, ORANGE)) + 12
        canvas.text(x, 88, chapter.title, Style("B", 21, PETROL))
        canvas.line((LEFT, 100), (right, 100), pen=Pen(RULE, 0.5))
        self._tab()
        canvas.line((LEFT, 806), (right, 806), pen=Pen(RULE, 0.5))
        canvas.text(LEFT, 818, DOCUMENT, Style("R", 7.2, GREY))
        canvas.text((LEFT + right) / 2, 818, chapter.title, Style("R", 7.2, GREY), align="centre")
        canvas.text(right, 819.5, str(self.number), Style("B", 10, PETROL), align="right")

    def _tab(self) -> None:
        """The thumb tab at the outer edge moves down from chapter to chapter."""
        canvas, number = self.canvas, self.chapter.number
        if not number.isdigit():
            return
        top = 118 + (int(number) - 1) * 37
        canvas.draw(rectangle(canvas.width - 17, top, 17, 33), fill=PETROL)
        canvas.text(canvas.width - 8.5, top + 20.5, number, Style("B", 11, WHITE), align="centre")
