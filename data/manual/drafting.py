"""What plans need: dimension lines and hatched walls."""

from manual.canvas import INK, PETROL, WHITE, Canvas, Pen, Point, Style, rectangle

MEASURE = Pen(PETROL, 0.5)
VALUE = Style("C", 7.8, PETROL)


def dimension(canvas: Canvas, start: Point, end: Point, text: str) -> None:
    """A dimension line, lying or upright, with its value."""
    canvas.arrow(start, end, pen=MEASURE, size=5, both=True)
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    upright = abs(start[0] - end[0]) < 1
    half = VALUE.width(text) / 2 + 2
    box = rectangle(x - 5, y - half, 10, 2 * half) if upright else rectangle(x - half, y - 5, 2 * half, 10)
    canvas.draw(box, fill=WHITE)
    canvas.text(
        x + (2.7 if upright else 0),
        y + (0 if upright else 2.7),
        text,
        VALUE,
        align="centre",
        angle=90 if upright else 0,
    )


def hatch(canvas: Canvas, x: float, y: float, width: float, height: float) -> None:
    """A wall: a rectangle with slanting lines."""
    box = rectangle(x, y, width, height)
    canvas.draw(box, fill="#e3e8ea")
    with canvas.clip(box):
        for i in range(int((width + height) / 6) + 1):
            canvas.line((x + 6 * i, y), (x + 6 * i - height, y + height), pen=Pen("#93a1a8", 0.35))
    canvas.draw(box, Pen(INK, 0.9))
