"""Symbols of fluid power (after ISO 1219-1), drawn around their middle."""

from manual.canvas import INK, WHITE, Canvas, Path, Pen, Point, Style, circle, polygon, rectangle

WIRE, EDGE, DASHED = Pen(INK, 0.9), Pen(INK, 0.75), Pen(INK, 0.5, (3, 2))
NAME = Style("D", 8)


def dot(canvas: Canvas, *points: Point) -> None:
    """Joints of lines."""
    for x, y in points:
        canvas.draw(circle(x, y, 1.9), fill=INK)


def pump(canvas: Canvas, x: float, y: float, radius: float = 20) -> None:
    canvas.draw(circle(x, y, radius), EDGE, WHITE)
    canvas.draw(polygon([(x, y - radius), (x - 7, y - radius + 11), (x + 7, y - radius + 11)]), fill=INK)


def motor(canvas: Canvas, x: float, y: float, radius: float = 18) -> None:
    canvas.draw(circle(x, y, radius), EDGE, WHITE)
    canvas.text(x, y + 1, "M", Style("D", 12), align="centre")
    canvas.text(x, y + 10.5, "3~", Style("C", 8), align="centre")


def shaft(canvas: Canvas, x: float, end: float, y: float) -> None:
    for shift in (-2.2, 2.2):
        canvas.line((x, y + shift), (end, y + shift), pen=EDGE)
    middle = (x + end) / 2
    arc = Path().arc((middle - 3, y), 11, -70, 70)
    canvas.draw(arc, Pen(INK, 0.6))
    canvas.arrow((middle + 3, y + 8), (middle - 1, y + 11.5), pen=Pen(INK, 0.6), size=4)


def check_valve(canvas: Canvas, x: float, y: float, *, spring: bool = True) -> None:
    """Lets oil pass upwards."""
    canvas.draw(polygon([(x - 7, y + 1), (x, y + 9), (x + 7, y + 1)], closed=False), EDGE)
    canvas.draw(circle(x, y + 1, 4.4), EDGE, WHITE)
    if spring:
        zigzag(canvas, (x, y - 3.5), (x, y - 14))


def zigzag(canvas: Canvas, start: Point, end: Point, *, turns: int = 5, width: float = 3) -> None:
    """A spring between two points."""
    (ax, ay), (bx, by) = start, end
    length = max(1e-6, ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5)
    nx, ny = -(by - ay) / length * width, (bx - ax) / length * width
    points = [start]
    for i in range(turns):
        t, side = (i + 0.5) / turns, 1 if i % 2 else -1
        points.append((ax + (bx - ax) * t + side * nx, ay + (by - ay) * t + side * ny))
    canvas.line(*points, end, pen=Pen(INK, 0.6))


def relief_valve(canvas: Canvas, x: float, y: float) -> None:
    """Oil enters at the top, leaves at the bottom; 28 points square."""
    canvas.draw(rectangle(x - 14, y - 14, 28, 28), EDGE, WHITE)
    canvas.arrow((x - 5, y - 12), (x - 5, y + 12), pen=EDGE, size=5)
    canvas.line((x, y - 22), (x - 20, y - 22), (x - 20, y - 6), (x - 14, y - 6), pen=DASHED)
    zigzag(canvas, (x + 14, y), (x + 32, y), width=4)
    canvas.arrow((x + 16, y + 9), (x + 31, y - 9), pen=Pen(INK, 0.6), size=4)


def filter_body(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(polygon([(x, y - 15), (x + 15, y), (x, y + 15), (x - 15, y)]), EDGE, WHITE)
    canvas.line((x - 15, y), (x + 15, y), pen=DASHED)


def gauge(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(circle(x, y, 13), EDGE, WHITE)
    canvas.arrow((x - 7, y + 7), (x + 7, y - 7), pen=EDGE, size=5)


def shut_off(canvas: Canvas, x: float, y: float, *, upright: bool = False) -> None:
    """A stop valve in a lying (or upright) line."""
    shape = [(-8, -5.5), (8, 5.5), (8, -5.5), (-8, 5.5)]
    points = [(x + (b if upright else a), y + (a if upright else b)) for a, b in shape]
    canvas.draw(polygon(points), EDGE, WHITE)


def solenoid(canvas: Canvas, x: float, y: float) -> None:
    """(x, y) is the middle of a box of 24 x 16."""
    canvas.draw(rectangle(x - 12, y - 8, 24, 16), EDGE, WHITE)
    canvas.line((x - 5, y - 8), (x + 5, y + 8), pen=EDGE)


def directional_valve(canvas: Canvas, x: float, y: float, side: float = 44) -> None:
    """4/3 valve with tandem centre; (x, y) is the middle. Ports lie a quarter of a side from the middle."""
    top, bottom, quarter = y - side / 2, y + side / 2, side / 4
    for i in (-1, 0, 1):
        canvas.draw(rectangle(x + (i - 0.5) * side, top, side, side), EDGE, WHITE)
    left, right = x - side, x + side
    canvas.arrow((left - quarter, bottom), (left - quarter, top), pen=EDGE)
    canvas.arrow((left + quarter, top), (left + quarter, bottom), pen=EDGE)
    canvas.arrow((right - quarter, bottom), (right + quarter, top), pen=EDGE)
    canvas.arrow((right - quarter, top), (right + quarter, bottom), pen=EDGE)
    for dx in (-quarter, quarter):
        canvas.line((x + dx, top), (x + dx, top + 9), pen=EDGE)
        canvas.line((x + dx - 5, top + 9), (x + dx + 5, top + 9), pen=EDGE)
    canvas.line(
        (x - quarter, bottom), (x - quarter, bottom - 10), (x + quarter, bottom - 10), (x + quarter, bottom), pen=EDGE
    )
    for way, name in ((-1, "Y1"), (1, "Y2")):
        edge = x + way * 1.5 * side
        zigzag(canvas, (edge, top + 9), (edge + way * 20, top + 9), width=4)
        solenoid(canvas, edge + way * 12, bottom - 10)
        canvas.text(edge + way * 28, bottom - 7, name, NAME, align="right" if way < 0 else "left")


def sensor(canvas: Canvas, x: float, y: float, letter: str, name: str) -> None:
    canvas.draw(rectangle(x - 11, y - 8, 22, 16), EDGE, WHITE)
    canvas.line((x - 11, y + 8), (x + 11, y - 8), pen=Pen(INK, 0.5))
    canvas.text(x - 5, y - 1, letter, Style("C", 6.5), align="centre")
    canvas.text(x + 5, y + 6, "I", Style("C", 6.5), align="centre")
    canvas.text(x, y - 12, name, NAME, align="centre")


def tank(canvas: Canvas, left: float, top: float, right: float, bottom: float) -> None:
    canvas.line((left, top), (left, bottom), (right, bottom), (right, top), pen=Pen(INK, 1.3))
    level = top + 9
    canvas.draw(rectangle(left + 0.8, level, right - left - 1.6, bottom - level - 0.8), fill="#f7ead0")
    canvas.line((left, level), (right, level), pen=Pen("#c9992f", 0.6))


def double_acting_cylinder(canvas: Canvas, x: float, y: float, width: float = 150, height: float = 30) -> None:
    """(x, y) is the top left corner; ports below both ends, the rod to the right."""
    canvas.draw(rectangle(x, y, width, height), EDGE, WHITE)
    piston = x + width * 0.4
    canvas.draw(rectangle(piston, y, 9, height), EDGE, "#c9d2d6")
    canvas.draw(rectangle(piston + 9, y + height / 2 - 4, width * 0.6 + 46, 8), EDGE, "#e6ebed")
    canvas.line((x + width, y), (x + width, y + height), pen=EDGE)
