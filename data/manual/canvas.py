"""A page to draw on: paths, text and shadings, in points from the top left corner."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from manual import fonts
from manual.pdf import Link, PdfPage

Point = tuple[float, float]
Colour = str  # "#rrggbb"

INK, PETROL, MIST, ORANGE = "#1d2b33", "#0f4c5c", "#e8f0f2", "#e36414"
GREY, RULE, PALE, WHITE = "#66757d", "#b7c4c9", "#f4f7f8", "#ffffff"

FACES = {
    "R": "Roboto-Regular",
    "B": "Roboto-Bold",
    "I": "Roboto-Italic",
    "L": "Roboto-Light",
    "C": "RobotoCondensed-Regular",
    "D": "RobotoCondensed-Bold",
}


def rgb(colour: Colour) -> tuple[float, float, float]:
    """`#rrggbb` -> red, green, blue from 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with `share` (0 to 1) of `other` in it."""
    pairs = zip(rgb(colour), rgb(other), strict=True)
    return "#" + "".join(f"{round(255 * (a * (1 - share) + b * share)):02x}" for a, b in pairs)


@dataclass(frozen=True)
class Pen:
    """How a line is drawn: colour, width in points, dash lengths."""

    colour: Colour = INK
    width: float = 0.6
    dash: tuple[float, ...] = ()

    def wide(self, width: float) -> "Pen":
        return replace(self, width=width)


HAIR, THIN, LINE, BOLD = Pen(width=0.3), Pen(width=0.45), Pen(width=0.7), Pen(width=1.1)
SOFT = Pen(RULE, 0.5)
CENTRE = Pen(GREY, 0.35, (7, 2, 1.5, 2))


@dataclass(frozen=True)
class Style:
    """How text is set: face (a key of `FACES`), size and extra letter spacing in points, colour."""

    face: str = "R"
    size: float = 9
    colour: Colour = INK
    tracking: float = 0

    def width(self, text: str) -> float:
        return fonts.load(FACES[self.face]).width(text, self.size) + self.tracking * len(text)

    def but(self, *, face: str = "", size: float = 0, colour: Colour = "") -> "Style":
        return replace(self, face=face or self.face, size=size or self.size, colour=colour or self.colour)


LABEL = Style("C", 7.6)
SMALL = Style("R", 7.2, GREY)


@dataclass
class Path:
    """A path of lines and curves. Every method returns the path, so that calls can be chained."""

    parts: list[tuple[str, tuple[Point, ...]]] = field(default_factory=list)

    def move(self, x: float, y: float) -> "Path":
        self.parts.append(("m", ((x, y),)))
        return self

    def line(self, x: float, y: float) -> "Path":
        self.parts.append(("l", ((x, y),)))
        return self

    def curve(self, one: Point, two: Point, end: Point) -> "Path":
        self.parts.append(("c", (one, two, end)))
        return self

    def close(self) -> "Path":
        self.parts.append(("h", ()))
        return self

    def arc(self, centre: Point, radius: float, start: float, end: float) -> "Path":
        """Continues along a circle, angles in degrees, clockwise on paper from three o'clock."""
        steps = max(1, math.ceil(abs(end - start) / 90))
        step = math.radians((end - start) / steps)
        reach = 4 / 3 * math.tan(step / 4) * radius
        x, y = centre
        for i in range(steps):
            a, b = math.radians(start) + i * step, math.radians(start) + (i + 1) * step
            ca, sa, cb, sb = math.cos(a), math.sin(a), math.cos(b), math.sin(b)
            begin = (x + radius * ca, y + radius * sa)
            if i == 0:
                self.parts.append(("l" if self.parts else "m", (begin,)))
            stop = (x + radius * cb, y + radius * sb)
            self.curve(
                (begin[0] - reach * sa, begin[1] + reach * ca), (stop[0] + reach * sb, stop[1] - reach * cb), stop
            )
        return self


def polygon(points: Sequence[Point], *, closed: bool = True) -> Path:
    path = Path().move(*points[0])
    for point in points[1:]:
        path.line(*point)
    return path.close() if closed else path


def rectangle(x: float, y: float, width: float, height: float, radius: float = 0) -> Path:
    if not radius:
        return polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
    path = Path().arc((x + radius, y + radius), radius, 180, 270)
    path.arc((x + width - radius, y + radius), radius, 270, 360)
    path.arc((x + width - radius, y + height - radius), radius, 0, 90)
    return path.arc((x + radius, y + height - radius), radius, 90, 180).close()


def circle(x: float, y: float, radius: float) -> Path:
    return Path().arc((x, y), radius, 0, 360).close()


def _number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Canvas:
    """One page under construction."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.links: list[Link] = []
        self._out: list[str] = []
        self._state: dict[str, str] = {}

    def page(self) -> PdfPage:
        return PdfPage(fonts.encode("\n".join(self._out)), (self.width, self.height), tuple(self.links))

    def draw(self, path: Path, pen: Pen | None = None, fill: Colour | None = None) -> None:
        """Fills the path, then draws its line; either may be left out."""
        if fill:
            self._set("rg", " ".join(_number(v) for v in rgb(fill)))
        if pen:
            self._pen(pen)
        self._out.append(self._path(path) + {(1, 1): " B", (1, 0): " f", (0, 1): " S"}[bool(fill), bool(pen)])

    def line(self, *points: Point, pen: Pen = LINE) -> None:
        self.draw(polygon(points, closed=False), pen)

    def arrow(self, *points: Point, pen: Pen = LINE, size: float = 5, both: bool = False) -> None:
        """A line through points with a filled head at its end, or at both ends."""
        self.line(*points, pen=pen)
        ends = [(points[-2], points[-1])] + ([(points[1], points[0])] if both else [])
        for (ax, ay), (bx, by) in ends:
            angle = math.atan2(by - ay, bx - ax)
            wings = [(bx - size * math.cos(angle + d), by - size * math.sin(angle + d)) for d in (0.3, -0.3)]
            self.draw(polygon([(bx, by), *wings]), fill=pen.colour)

    def shade(self, path: Path, palette: str, start: Point, end: Point) -> None:
        """Fills the path with a shading that runs from one point to another."""
        (ax, ay), (bx, by) = self._flip(start), self._flip(end)
        dx, dy = bx - ax, by - ay
        matrix = " ".join(_number(v) for v in (dx, dy, -dy, dx, ax, ay))
        self._out.append(f"q {self._path(path)} W n {matrix} cm /{palette} sh Q")

    @contextmanager
    def clip(self, path: Path) -> Iterator[None]:
        """Everything drawn inside is cut off at the path."""
        before, self._state = self._state, {}
        self._out.append(f"q {self._path(path)} W n")
        yield
        self._out.append("Q")
        self._state = before

    def text(
        self, x: float, y: float, text: str, style: Style = LABEL, *, align: str = "left", angle: float = 0
    ) -> float:
        """One line of text with its baseline at y, turned anticlockwise by `angle` degrees. Returns its length."""
        length = style.width(text)
        shift = {"left": 0.0, "centre": length / 2, "right": length}[align]
        turn = math.radians(angle)
        x, y = x - shift * math.cos(turn), y + shift * math.sin(turn)
        px, py = self._flip((x, y))
        self._set("rg", " ".join(_number(v) for v in rgb(style.colour)))
        face = f"/{style.face} {_number(style.size)} Tf {_number(style.tracking)} Tc"
        cos, sin = f"{math.cos(turn):.4f}", f"{math.sin(turn):.4f}"
        place = f"{_number(px)} {_number(py)} Td"
        if angle:
            place = f"{cos} {sin} {_number(-math.sin(turn))} {cos} {_number(px)} {_number(py)} Tm"
        escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        self._out.append(f"BT {face} {place} ({escaped}) Tj ET")
        return length

    def link(self, box: tuple[float, float, float, float], page: int) -> None:
        """Makes (left, top, right, bottom) lead to a page."""
        left, top, right, bottom = box
        self.links.append(Link((left, self.height - bottom, right, self.height - top), page))

    def _pen(self, pen: Pen) -> None:
        self._set("RG", " ".join(_number(v) for v in rgb(pen.colour)))
        self._set("w", _number(pen.width))
        self._set("d", f"[{' '.join(_number(v) for v in pen.dash)}] 0")
        self._set("J", "0" if pen.dash else "1")
        self._set("j", "1")

    def _set(self, operator: str, value: str) -> None:
        if self._state.get(operator) != value:
            self._state[operator] = value
            self._out.append(f"{value} {operator}")

    def _flip(self, point: Point) -> Point:
        return point[0], self.height - point[1]

    def _path(self, path: Path) -> str:
        words = []
        for operator, points in path.parts:
            words += [_number(v) for point in points for v in self._flip(point)]
            words.append(operator)
        return " ".join(words)
