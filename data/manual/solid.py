"""Solids in parallel projection: boxes and cylinders with soft shading, for views of the machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from manual.canvas import LINE, Canvas, Colour, Path, Pen, Point, mix, polygon

Solid = tuple[float, float, float]

Stops = tuple[tuple[float, tuple[float, float, float]], ...]


def _round(dark: Colour, base: Colour, light: Colour) -> Stops:
    """Shading across a cylinder that is lit from the upper left."""
    tones = [(0, mix(base, dark, 0.25)), (0.28, light), (0.6, base), (0.9, dark), (1, mix(dark, base, 0.35))]
    return tuple((at, (int(c[1:3], 16) / 255, int(c[3:5], 16) / 255, int(c[5:7], 16) / 255)) for at, c in tones)


COLOURS: dict[str, Colour] = {
    "steel": "#c3ccd0",
    "alloy": "#dfe4e6",
    "petrol": "#2a7185",
    "dark": "#56646b",
    "orange": "#e8833a",
    "brass": "#d3b463",
    "red": "#c4473d",
}
PALETTES: dict[str, Stops] = {
    name: _round(mix(base, "#000000", 0.38), base, mix(base, "#ffffff", 0.62)) for name, base in COLOURS.items()
}


def hull(points: Sequence[Point]) -> list[Point]:
    """Convex hull, anticlockwise (Andrew's monotone chain)."""
    ordered = sorted(set(points))

    def half(run: Sequence[Point]) -> list[Point]:
        chain: list[Point] = []
        for p in run:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return half(ordered) + half(ordered[::-1])


def _along(axis: str, point: Solid, length: float) -> Solid:
    x, y, z = point
    return {"x": (x + length, y, z), "y": (x, y + length, z), "z": (x, y, z + length)}[axis]


def _cross(a: Point, b: Point) -> float:
    return a[0] * b[1] - a[1] * b[0]


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@dataclass(frozen=True)
class View:
    """A camera at infinity. x runs to the right and towards us, y to the left and towards us, z up.

    `origin` is where (0, 0, 0) lies on paper, `scale` in points per unit; angles in degrees:
    `azimuth` turns the x axis away from the picture plane, `elevation` lifts the camera.
    """

    canvas: Canvas
    origin: Point
    scale: float = 1.0
    azimuth: float = 30.0
    elevation: float = 25.0

    def at(self, point: Solid) -> Point:
        """A point in space -> the point on paper."""
        x, y, z = point
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        right = x * math.cos(a) - y * math.sin(a)
        down = (x * math.sin(a) + y * math.cos(a)) * math.sin(e) - z * math.cos(e)
        return self.origin[0] + self.scale * right, self.origin[1] + self.scale * down

    def face(self, corners: Sequence[Solid], fill: Colour, pen: Pen | None = LINE) -> None:
        self.canvas.draw(polygon([self.at(c) for c in corners]), pen, fill)

    def line(self, *points: Solid, pen: Pen = LINE) -> None:
        self.canvas.line(*(self.at(p) for p in points), pen=pen)

    def box(self, corner: Solid, size: Solid, colour: Colour, pen: Pen = LINE) -> None:
        """A box from its lowest corner; its visible sides are the top, the front (+y) and the right (+x)."""
        (x, y, z), (dx, dy, dz) = corner, size
        x2, y2, z2 = x + dx, y + dy, z + dz
        self.face([(x, y, z2), (x2, y, z2), (x2, y2, z2), (x, y2, z2)], mix(colour, "#ffffff", 0.35), pen)
        self.face([(x, y2, z), (x2, y2, z), (x2, y2, z2), (x, y2, z2)], colour, pen)
        self.face([(x2, y, z), (x2, y2, z), (x2, y2, z2), (x2, y, z2)], mix(colour, "#000000", 0.22), pen)

    def disk(self, axis: str, centre: Solid, radius: float) -> Path:
        """A circle across an axis ("x", "y" or "z"), as a path on paper."""
        return self._ellipse(Path(), axis, centre, (radius, 0, 2 * math.pi)).close()

    def arc(self, axis: str, centre: Solid, radius: float, start: float, end: float) -> Path:
        """Part of such a circle; degrees from the first of the two other axes towards the second."""
        return self._ellipse(Path(), axis, centre, (radius, math.radians(start), math.radians(end)))

    def cylinder(self, axis: str, start: Solid, radius: float, length: float, *, palette: str = "steel") -> None:
        """A cylinder from the centre of its far end, towards us along the axis (up for "z")."""
        stop = _along(axis, start, length)
        (ax, ay), (bx, by) = self.at(start), self.at(stop)
        along = (bx - ax, by - ay)
        u, v = self._axes(axis, radius)
        # The outline leaves the far ellipse where its tangent runs along the cylinder.
        touch = math.atan2(_cross(v, along), _cross(u, along))
        if (
            along[0] * (u[0] * -math.sin(touch) + v[0] * math.cos(touch))
            + along[1] * (v[1] * math.cos(touch) - u[1] * math.sin(touch))
            > 0
        ):
            touch += math.pi
        outline = self._ellipse(Path(), axis, start, (radius, touch, touch + math.pi))
        self._ellipse(outline, axis, stop, (radius, touch + math.pi, touch + 2 * math.pi)).close()
        self._shade(outline, along, (self.at(start), u, v), palette)
        self.canvas.draw(self.disk(axis, stop, radius), Pen(width=0.5), mix(COLOURS[palette], "#ffffff", 0.45))

    def _axes(self, axis: str, radius: float) -> tuple[Point, Point]:
        """The two radii that span a circle across the axis, on paper."""
        base = self.at((0, 0, 0))
        ends = {"x": ((0, 1, 0), (0, 0, 1)), "y": ((1, 0, 0), (0, 0, 1)), "z": ((1, 0, 0), (0, 1, 0))}[axis]
        one, other = (self.at((x * radius, y * radius, z * radius)) for x, y, z in ends)
        return (one[0] - base[0], one[1] - base[1]), (other[0] - base[0], other[1] - base[1])

    def _ellipse(self, path: Path, axis: str, centre: Solid, span: tuple[float, float, float]) -> Path:
        """Adds a circle's arc (radius, start, end in radians) to a path: a projected circle is an ellipse."""
        radius, start, end = span
        (x, y), (u, v) = self.at(centre), self._axes(axis, radius)
        steps = math.ceil(abs(end - start) / 1.6)
        step = (end - start) / steps
        reach = 4 / 3 * math.tan(step / 4)

        def place(c: float, s: float) -> Point:
            return x + c * u[0] + s * v[0], y + c * u[1] + s * v[1]

        for i in range(steps):
            c, s, c2, s2 = (f(start + (i + k) * step) for k in (0, 1) for f in (math.cos, math.sin))
            if i == 0:
                path.parts.append(("l" if path.parts else "m", (place(c, s),)))
            path.curve(place(c - reach * s, s + reach * c), place(c2 + reach * s2, s2 - reach * c2), place(c2, s2))
        return path

    def _shade(self, outline: Path, along: Point, end: tuple[Point, Point, Point], palette: str) -> None:
        """Body of a cylinder: shaded across its axis on paper, from the upper or left edge on."""
        length = math.hypot(*along)
        across = (-along[1] / length, along[0] / length)
        if across[1] < -0.2 or (abs(across[1]) <= 0.2 and across[0] < 0):
            across = (-across[0], -across[1])
        centre, u, v = end
        half = math.hypot(u[0] * across[0] + u[1] * across[1], v[0] * across[0] + v[1] * across[1])
        start, stop = ((centre[0] + way * half * across[0], centre[1] + way * half * across[1]) for way in (-1, 1))
        self.canvas.shade(outline, palette, start, stop)
        self.canvas.draw(outline, Pen(width=0.6))

    def bolts(self, axis: str, centre: Solid, radius: float, *, count: int = 4, size: float = 2) -> None:
        """Bolt heads on a pitch circle, on a face across the axis."""
        x, y, z = centre
        for i in range(count):
            a = 2 * math.pi * (i + 0.5) / count
            u, v = radius * math.cos(a), radius * math.sin(a)
            place = {"x": (x, y + u, z + v), "y": (x + u, y, z + v), "z": (x + u, y + v, z)}[axis]
            self.canvas.draw(self.disk(axis, place, size), Pen(width=0.35), "#8b979d")
