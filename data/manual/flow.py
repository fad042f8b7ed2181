"""Text that flows down a column: paragraphs, lists, numbered steps, warning boxes.

`*stars*` make words bold. A column that runs over its end raises, so no page can clip its own text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from manual.canvas import (
    GREY,
    INK,
    ORANGE,
    PETROL,
    RULE,
    WHITE,
    Canvas,
    Colour,
    Pen,
    Style,
    circle,
    polygon,
    rectangle,
)

BODY = Style("R", 9)
HEAD = Style("B", 11.5, PETROL)
MINOR = Style("B", 9.4, INK)
CAPTION = Style("I", 7.8, GREY)

Word = tuple[str, Style]


def words(text: str, style: Style) -> list[Word]:
    """Text -> words with their style; what stands between stars is bold."""
    bold = style.but(face="D" if style.face in "CD" else "B")
    found: list[Word] = []
    for i, part in enumerate(text.split("*")):
        own = bold if i % 2 else style
        pieces = part.split(" ")
        if found and pieces[0] and not text_starts_word(text, i):
            found.append(("\b" + pieces[0], own))  # glued to the word before it
            pieces = pieces[1:]
        found += [(piece, own) for piece in pieces if piece]
    return found


def text_starts_word(text: str, part: int) -> bool:
    """Whether the part after the `part`-th star begins a new word, not the rest of one."""
    before = "".join(text.split("*")[:part])
    return not before or before.endswith(" ")


def wrap(text: str, style: Style, width: float) -> list[list[Word]]:
    """Lines of words that fit the width; a line break in the text is kept."""
    lines: list[list[Word]] = []
    for piece in text.split("\n"):
        line: list[Word] = []
        used = 0.0
        for word, own in words(piece, style):
            glued = word.startswith("\b")
            length = own.width(word.lstrip("\b"))
            gap = 0.0 if glued or not line else style.width(" ")
            if line and used + gap + length > width + 0.01 and not glued:
                lines.append(line)
                line, used, gap = [], 0.0, 0.0
            line.append((word, own))
            used += gap + length
        lines.append(line)
    return lines


def line_width(line: Sequence[Word], style: Style) -> float:
    gaps = sum(1 for word, _ in line[1:] if not word.startswith("\b"))
    return sum(own.width(word.lstrip("\b")) for word, own in line) + gaps * style.width(" ")


def put_line(canvas: Canvas, x: float, y: float, line: Sequence[Word], style: Style) -> None:
    """Sets one wrapped line, words of one style together."""
    run, own = "", style
    for i, (word, face) in enumerate(line):
        gap = "" if i == 0 or word.startswith("\b") else " "
        if face != own and run:
            x += canvas.text(x, y, run + gap, own)
            run, gap = "", ""
        own = face
        run += gap + word.lstrip("\b")
    if run:
        canvas.text(x, y, run, own)


@dataclass(frozen=True)
class Signal:
    """A signal word with its colour, as on warning boxes."""

    word: str
    colour: Colour
    triangle: bool = True


DANGER, WARNING = Signal("DANGER", "#c1121f"), Signal("WARNING", "#e36414")
CAUTION, NOTICE = Signal("CAUTION", "#d99a00"), Signal("NOTICE", "#1f6f9f", triangle=False)


def warning_sign(canvas: Canvas, x: float, y: float, size: float, colour: Colour = "#f2b705") -> None:
    """A triangle with an exclamation mark; (x, y) is the middle of its base."""
    half, top = size * 0.56, y - size
    canvas.draw(polygon([(x - half, y), (x + half, y), (x, top)]), Pen(INK, size * 0.07), colour)
    bar = size * 0.055
    canvas.draw(
        polygon(
            [
                (x - bar, y - size * 0.66),
                (x + bar, y - size * 0.66),
                (x + bar * 0.5, y - size * 0.27),
                (x - bar * 0.5, y - size * 0.27),
            ]
        ),
        fill=INK,
    )
    canvas.draw(circle(x, y - size * 0.17, size * 0.065), fill=INK)


@dataclass
class Column:
    """A column of a page. `y` is the next free position and moves down as things are set."""

    canvas: Canvas
    x: float
    y: float
    width: float
    end: float = 792

    def move(self, points: float) -> None:
        self.y += points
        if self.y > self.end + 0.01:
            raise ValueError(
                f"the column at x={self.x:.0f} ends at {self.end:.0f} pt, its text at {self.y:.0f} pt: shorten it"
            )

    def set(
        self, text: str, style: Style = BODY, *, leading: float = 1.36, indent: float = 0, after: float = 5
    ) -> None:
        """A paragraph."""
        step = style.size * leading
        for line in wrap(text, style, self.width - indent):
            self.move(step)
            put_line(self.canvas, self.x + indent, self.y - step * 0.25, line, style)
        self.move(after)

    def head(self, text: str) -> None:
        self.move(5)
        self.set(text, HEAD, after=2.5)

    def minor(self, text: str) -> None:
        self.move(2)
        self.set(text, MINOR, after=1)

    def caption(self, text: str) -> None:
        self.set(text, CAPTION, after=6)

    def bullets(self, items: Iterable[str], style: Style = BODY, *, after: float = 2) -> None:
        for item in items:
            self.canvas.draw(circle(self.x + 3, self.y + style.size * 0.75, style.size * 0.17), fill=ORANGE)
            self.set(item, style, indent=11, after=after)
        self.move(3)

    def steps(self, items: Iterable[str], style: Style = BODY, *, first: int = 1, after: float = 3.5) -> None:
        """Numbered steps with the number in a disc."""
        for number, item in enumerate(items, first):
            disc(self.canvas, self.x + 6, self.y + style.size * 0.72, str(number))
            self.set(item, style, indent=18, after=after)
        self.move(2)

    def box(self, signal: Signal, text: str, style: Style = BODY) -> None:
        """A warning box: a coloured bar with the signal word, the text beside the sign."""
        lines = wrap(text, style, self.width - 54)
        step = style.size * 1.34
        height = max(17 + 9 + step * len(lines), 46)
        left, top = self.x, self.y + 2
        canvas = self.canvas
        canvas.draw(rectangle(left, top, self.width, height), Pen(signal.colour, 0.9), WHITE)
        canvas.draw(rectangle(left, top, self.width, 15), fill=signal.colour)
        canvas.text(left + 44, top + 11, signal.word, Style("B", 9.6, WHITE, 0.9))
        if signal.triangle:
            warning_sign(canvas, left + 22, top + 17 + (height - 17) / 2 + 9, 19)
        else:
            middle = top + 16 + (height - 16) / 2
            canvas.draw(circle(left + 22, middle, 9.5), fill=signal.colour)
            canvas.text(left + 22, middle + 4.6, "i", Style("B", 13, WHITE), align="centre")
        for i, line in enumerate(lines):
            put_line(canvas, left + 44, top + 17 + 3 + step * (i + 0.8), line, style)
        self.move(height + 9)

    def rule(self, *, before: float = 3, after: float = 5) -> None:
        self.move(before)
        self.canvas.line((self.x, self.y), (self.x + self.width, self.y), pen=Pen(RULE, 0.5))
        self.move(after)


def disc(canvas: Canvas, x: float, y: float, text: str, *, colour: Colour = PETROL, radius: float = 6) -> None:
    """A filled disc with a short text in it."""
    canvas.draw(circle(x, y, radius), fill=colour)
    style = Style("B", radius * (1.25 if len(text) == 1 else 1.1), WHITE)
    canvas.text(x, y + style.size * 0.36, text, style, align="centre")


def balloon(canvas: Canvas, x: float, y: float, text: str, *targets: tuple[float, float]) -> None:
    """A callout: a number in a circle with leader lines to its targets."""
    pen = Pen(INK, 0.5)
    for tx, ty in targets:
        distance = ((tx - x) ** 2 + (ty - y) ** 2) ** 0.5
        edge = (x + (tx - x) * 8 / distance, y + (ty - y) * 8 / distance)
        canvas.line(edge, (tx, ty), pen=pen)
        canvas.draw(circle(tx, ty, 1.3), fill=INK)
    canvas.draw(circle(x, y, 8), Pen(INK, 0.7), WHITE)
    canvas.text(x, y + 3, text, Style("D", 8.4), align="centre")
