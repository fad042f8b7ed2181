"""Chapter 2: technical data and the rating plate."""

from manual.canvas import GREY, INK, ORANGE, PETROL, WHITE, Canvas, Pen, Style, circle, rectangle
from manual.sheet import LEFT, WIDTH, Sheet
from manual.table import Field, TableLook, draw_table

FIELDS = (
    Field("Quantity", 46),
    Field("HA 24-6", 22, "right"),
    Field("HA 24-8", 22, "right"),
    Field("", 3),
    Field("Unit", 16),
)
ROWS = (
    ("Hydraulics",),
    ("Displacement of the gear pump", "6.1", "8.2", "", "cm³/rev"),
    ("Flow at 1 450 rpm and 46 mm²/s, without load", "8.7", "11.6", "", "l/min"),
    ("Highest working pressure", "210", "160", "", "bar"),
    ("Relief valve, set and sealed at the works", "225", "175", "", "bar"),
    ("Pressure drop of the return filter, new element", "0.3", "0.4", "", "bar"),
    ("Ports A and B", "G 3/8", "G 3/8", "", "thread"),
    ("Electrical",),
    ("Motor, three-phase, 400 V, 50 Hz", "4.0", "4.0", "", "kW"),
    ("Rated current / starting current", "8.3 / 58", "8.3 / 58", "", "A"),
    ("Duty, S3", "40", "40", "", "% of 10 min"),
    ("Control voltage, direct current", "24", "24", "", "V"),
    ("Back-up fuse, gG", "16", "16", "", "A"),
    ("Oil",),
    ("Tank, full to the upper mark / usable", "24 / 17", "24 / 17", "", "l"),
    ("Hydraulic oil, mineral", "HLP 46", "HLP 46", "", "DIN 51524-2"),
    ("Cleanliness after filtering, ISO 4406", "19/17/14", "19/17/14", "", "class"),
    ("Oil temperature, continuous", "−10 to +65", "−10 to +65", "", "°C"),
    ("Size, mass and surroundings",),
    ("Length × width × height over everything", "730 × 560 × 575", "730 × 560 × 575", "", "mm"),
    ("Mass without oil", "94", "96", "", "kg"),
    ("Sound pressure at 1 m, at full load", "66", "68", "", "dB(A)"),
    ("Protection of motor and control box", "IP 54", "IP 54", "", "EN 60529"),
    ("Temperature of the room", "+5 to +40", "+5 to +40", "", "°C"),
    ("Highest place of use above sea level", "1 000", "1 000", "", "m"),
)


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    column = sheet.column(y=112)
    draw_table(column, FIELDS, ROWS, TableLook(size=8.4, pad=3.0))
    column.caption("All values apply to new oil at 40 °C. Tolerance of flow ±5 %, of pressures ±3 %.")
    column.move(2)
    column.head("Rating plate")
    _plate(sheet.canvas, LEFT, column.y + 6)
    side = sheet.column(x=LEFT + 272, y=column.y, width=WIDTH - 272)
    side.set(
        "The plate is riveted to the front of the tank, between the control box and the sight glass. Quote the "
        "*serial number* with every order: it begins with the year of making."
    )
    side.minor("Type code")
    _type_code(sheet.canvas, side.x, side.y + 14)


def _plate(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(rectangle(x, y, 250, 128, 6), Pen(INK, 0.9), "#eceff0")
    canvas.draw(rectangle(x + 6, y + 6, 238, 22, 2), fill=PETROL)
    canvas.text(x + 14, y + 21, "QUELLMAR", Style("B", 11, WHITE, 2))
    canvas.text(x + 236, y + 21, "Hydraulic power unit", Style("C", 9, WHITE), align="right")
    for cx in (x + 4.5, x + 245.5):
        for cy in (y + 33, y + 123.5):
            canvas.draw(circle(cx, cy, 2), Pen(INK, 0.4), "#aab5ba")
    cells = [
        ("Type", "HA 24-8-M1-G"), ("Serial no.", "24-03217"), ("Year", "2024"),
        ("p max", "160 bar"), ("Q", "11.6 l/min"), ("Tank", "24 l"),
        ("Motor", "4.0 kW S3 40 %"), ("U", "3~ 400 V 50 Hz"), ("I", "8.3 A"),
        ("Oil", "HLP 46"), ("Mass", "96 kg"), ("Protection", "IP 54"),
    ]  # fmt: skip
    lefts, widths = (x + 12, x + 98, x + 178), (80, 74, 62)
    for i, (name, value) in enumerate(cells):
        left, width, top = lefts[i % 3], widths[i % 3], y + 33 + 23 * (i // 3)
        canvas.draw(rectangle(left, top, width - 4, 20, 1.5), Pen(GREY, 0.35), WHITE)
        canvas.text(left + 3, top + 6.6, name, Style("C", 5.6, GREY))
        canvas.text(left + 3, top + 16.4, value, Style("D", 9))


def _type_code(canvas: Canvas, x: float, y: float) -> None:
    pieces = [
        ("HA", "hydraulic unit, type A"),
        ("24", "tank volume in litres"),
        ("-8", "pump size: 6 or 8 cm³, rounded"),
        ("-M1", "one manifold station"),
        ("-G", "with glycerine pressure gauge"),
    ]
    at, pen = x, Pen(ORANGE, 0.6)
    style = Style("D", 13, PETROL)
    for i, (code, meaning) in enumerate(pieces):
        length = canvas.text(at, y, code, style)
        middle, down = at + length / 2 + (1.5 if code[0] == "-" else 0), y + 15 + 13 * (len(pieces) - 1 - i)
        canvas.line((middle, y + 4), (middle, down), (x + 92, down), pen=pen)
        canvas.text(x + 96, down + 2.6, meaning, Style("R", 8))
        at += length + 3
