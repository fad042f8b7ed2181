"""Chapter 15: all spare parts, small and dense."""

from manual.canvas import GREY, INK, MIST, PALE, PETROL, RULE, WHITE, Canvas, Pen, Style, rectangle
from manual.parts import CATALOGUE, Part
from manual.sheet import LEFT, WIDTH, Sheet

ROW, GROUP, TOP = 11.35, 13.0, 122.0
HALF = (WIDTH - 14) / 2
CELL = Style("C", 7.4)
Group = tuple[str, tuple[Part, ...]]


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    left, right = _halves()
    _column(sheet.canvas, LEFT, left)
    _column(sheet.canvas, LEFT + HALF + 14, right)
    canvas = sheet.canvas
    y = 781.0
    canvas.line((LEFT, y - 11), (LEFT + WIDTH, y - 11), pen=Pen(RULE, 0.4))
    canvas.text(
        LEFT,
        y,
        "Order by part number, with the serial number of the unit: spares@quellmar.example. Parts without a "
        "number are not kept in stock.",
        Style("I", 7.6, GREY),
    )


def _halves() -> tuple[list[Group], list[Group]]:
    """The groups for the left and the right column; the group at the fold is cut in two."""
    half = sum(len(parts) for parts in CATALOGUE.values()) // 2 + 1  # the right column has one group row more
    left: list[Group] = []
    right: list[Group] = []
    for title, parts in CATALOGUE.items():
        room = max(0, half - sum(len(own) for _, own in left))
        if room:
            left.append((title, parts[:room]))
        if len(parts) > room:
            right.append((f"{title} (continued)" if room else title, parts[room:]))
    return left, right


def _column(canvas: Canvas, x: float, groups: list[Group]) -> None:
    canvas.draw(rectangle(x, TOP - 13, HALF, 13), fill=PETROL)
    head = Style("D", 7.4, WHITE)
    for at, title in ((4, "Part number"), (46, "Name")):
        canvas.text(x + at, TOP - 3.8, title, head)
    canvas.text(x + HALF - 4, TOP - 3.8, "Qty", head, align="right")
    y = TOP
    for title, parts in groups:
        canvas.draw(rectangle(x, y, HALF, GROUP), fill=MIST)
        canvas.text(x + 4, y + 9.3, title, Style("D", 8, PETROL))
        y += GROUP
        for i, part in enumerate(parts):
            if i % 2:
                canvas.draw(rectangle(x, y, HALF, ROW), fill=PALE)
            canvas.text(x + 4, y + 8.4, part.number, Style("D", 7.4))
            length = canvas.text(x + 46, y + 8.4, part.name, CELL)
            if length > HALF - 62:
                raise ValueError(f"{part.name!r} is too long for the list of spare parts")
            canvas.text(x + HALF - 4, y + 8.4, part.quantity, Style("C", 7.4, INK), align="right")
            y += ROW
            canvas.line((x, y), (x + HALF, y), pen=Pen(RULE, 0.25))
    if y > 768:
        raise ValueError(f"the list of spare parts ends at {y:.0f} pt; it must end above 768 pt")
