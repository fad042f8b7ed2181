"""Chapter 6: the wiring diagram, wire colours and the sensor plug."""

import math
from collections.abc import Sequence

from manual.canvas import GREY, INK, PETROL, WHITE, Canvas, Path, Pen, Point, Style, circle, polygon, rectangle
from manual.sheet import LEFT, WIDTH, Sheet
from manual.table import Field, TableLook, draw_table

COLOURS = {
    "BN": ("#8a4b20", "brown", "phase L1, sensor +24 V", "1.5"),
    "BK": ("#1a1a1a", "black", "phase L2, sensor signal", "1.5"),
    "GY": ("#8d979c", "grey", "phase L3", "1.5"),
    "BU": ("#2b6cc4", "blue", "neutral N, sensor 0 V", "1.5"),
    "GNYE": ("#3c9a45", "green-yellow", "protective earth PE", "2.5"),
    "RD": ("#cf2027", "red", "+24 V DC, control", "0.75"),
    "DBU": ("#173a7a", "dark blue", "0 V DC, control", "0.75"),
    "OG": ("#ee8a1d", "orange", "solenoids Y1 and Y2", "0.75"),
    "WH": ("#ffffff", "white", "inputs of CU-3", "0.5"),
    "VT": ("#7d3c98", "violet", "emergency stop chain", "0.75"),
}
CODE, NAME = Style("C", 6.6, GREY), Style("D", 8)
BOX = Pen(INK, 0.7)


def wire(canvas: Canvas, code: str, *points: Point, width: float = 1.5) -> None:
    """A wire in its own colour; white gets an edge, green-yellow its dashes."""
    colour = COLOURS[code][0]
    if code == "WH":
        canvas.line(*points, pen=Pen("#6b777d", width + 1.1))
    canvas.line(*points, pen=Pen(colour, width))
    if code == "GNYE":
        canvas.line(*points, pen=Pen("#f4d81c", width, (3, 3)))


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    canvas = sheet.canvas
    canvas.draw(rectangle(LEFT, 110, WIDTH, 430), Pen(GREY, 0.4), "#fcfdfd")
    canvas.line((250, 118), (250, 532), pen=Pen(GREY, 0.4, (2, 3)))
    canvas.text(60, 124, "Power circuit, 400 V", Style("B", 8.4, PETROL))
    canvas.text(260, 124, "Control circuit, 24 V DC", Style("B", 8.4, PETROL))
    _power(canvas)
    _supply(canvas)
    _control(canvas)
    _tables(sheet)


def _power(canvas: Canvas) -> None:
    rails = [("L1", "BN"), ("L2", "BK"), ("L3", "GY"), ("N", "BU"), ("PE", "GNYE")]
    for i, (name, code) in enumerate(rails):
        y = 140 + 11 * i
        canvas.text(60, y + 2.8, name, NAME)
        wire(canvas, code, (76, y), (240, y))
    drops = [(92, 140, "BN"), (110, 151, "BK"), (128, 162, "GY")]
    for x, y, code in drops:
        canvas.draw(circle(x, y, 2), fill=INK)
        wire(canvas, code, (x, y), (x, 216))
        wire(canvas, code, (x, 232), (x, 262))
        wire(canvas, code, (x, 298), (x, 330))
        wire(canvas, code, (x, 346), (x, 388))
        wire(canvas, code, (x, 396), (x, 425))
        canvas.text(x - 2.5, 384, code, CODE, angle=90)
        for top in (216, 330):
            canvas.line((x, top + 16), (x - 7, top + 1), pen=Pen(INK, 0.9))
        canvas.draw(circle(x, 392, 3.4), BOX, WHITE)
    canvas.line((82, 224), (124, 224), pen=Pen(INK, 0.6, (2, 1.5)))
    canvas.draw(rectangle(72, 219, 10, 10), BOX, "#f2c230")
    canvas.text(138, 228, "Q0  main switch", NAME)
    _protection(canvas)
    canvas.line((82, 338), (124, 338), pen=Pen(INK, 0.6, (2, 1.5)))
    canvas.text(138, 342, "K1  contactor", NAME)
    for x, name in zip((92, 110, 128), ("1", "2", "3"), strict=True):
        canvas.text(x + 5, 395, name, Style("C", 6.8))
    canvas.text(174, 395, "X1  terminals", NAME)
    canvas.draw(circle(110, 450, 27), Pen(INK, 1), WHITE)
    canvas.text(110, 451, "M1", Style("D", 13), align="centre")
    canvas.text(110, 463, "3~  4 kW", Style("C", 8), align="centre")
    wire(canvas, "GNYE", (154, 184), (154, 206), width=1.5)
    wire(canvas, "GNYE", (154, 400), (154, 450), (137, 450))
    canvas.line((154, 206), (154, 212), pen=Pen(INK, 0.4, (1, 2)))
    canvas.draw(circle(154, 184, 2), fill=INK)
    canvas.draw(circle(154, 396, 3.4), BOX, WHITE)
    canvas.text(159, 398.5, "PE", Style("C", 6.8))
    canvas.text(60, 496, "Motor in star for 400 V. Direction of rotation:", Style("C", 7.6))
    canvas.text(60, 506, "clockwise, seen from the fan. To reverse it, swap", Style("C", 7.6))
    canvas.text(60, 516, "BN and BK at X1.", Style("C", 7.6))


def _protection(canvas: Canvas) -> None:
    canvas.draw(rectangle(82, 262, 56, 36), BOX, WHITE)
    for x in (92, 110, 128):
        bends = [(x, 262), (x, 272), (x - 5, 272), (x - 5, 282), (x, 282), (x, 298)]
        canvas.line(*bends, pen=Pen(INK, 0.9))
        canvas.line((x - 2, 291), (x + 2, 295), pen=Pen(INK, 0.6))
    canvas.text(144, 276, "Q1  motor protection", NAME)
    canvas.text(157, 286, "6.3 to 10 A", Style("C", 7.4))
    canvas.text(157, 295, "set to 8.3 A", Style("C", 7.4))


def _supply(canvas: Canvas) -> None:
    wire(canvas, "BN", (218, 140), (218, 306))
    wire(canvas, "BU", (230, 173), (230, 306))
    canvas.draw(circle(218, 140, 2), fill=INK)
    canvas.draw(circle(230, 173, 2), fill=INK)
    canvas.draw(rectangle(214.5, 236, 7, 16), BOX, WHITE)
    canvas.line((218, 236), (218, 252), pen=Pen(COLOURS["BN"][0], 0.9))
    canvas.text(211, 247, "F2", NAME, align="right")
    canvas.draw(rectangle(206, 306, 36, 30), BOX, "#e8eef0")
    canvas.text(224, 319, "T1", Style("D", 9), align="centre")
    canvas.text(224, 330, "230 / 24 V", Style("C", 7), align="centre")
    wire(canvas, "RD", (218, 336), (218, 356), (262, 356), (262, 142), (300, 142))
    wire(canvas, "DBU", (230, 336), (230, 348), (270, 348), (270, 156), (300, 156))
    canvas.text(258, 210, "RD", CODE, angle=90)
    canvas.text(279, 210, "DBU", CODE, angle=90)


OUTPUTS: Sequence[tuple[str, str, str]] = (
    ("3", "VT", "S0"), ("4", "VT", "S0"), ("5", "WH", "S1"), ("6", "WH", "S2"), ("7", "BK", "B1"), ("8", "WH", "B2"),
    ("9", "WH", "S3"), ("10", "OG", "Y1"), ("11", "OG", "Y2"), ("12", "RD", "K1"), ("13", "RD", "H1"),
)  # fmt: skip


def _control(canvas: Canvas) -> None:
    canvas.draw(rectangle(300, 132, 234, 92, 4), Pen(INK, 0.9), "#e8eef0")
    canvas.draw(rectangle(344, 142, 94, 34, 3), BOX, "#24332f")
    canvas.text(391, 167, "CU-3", Style("D", 21, "#9fe0c6"), align="centre")
    canvas.text(450, 152, "Control unit CU-3", Style("B", 8.4, PETROL))
    canvas.text(450, 163, "QH-7003", Style("R", 8))
    for y, name in ((142, "1  +24 V"), (156, "2  0 V")):
        canvas.draw(circle(300, y, 3.2), BOX, WHITE)
        canvas.text(306, y + 2.6, name, Style("C", 7))
    canvas.text(344, 192, "inputs 3 to 9", Style("I", 7.6, GREY))
    canvas.text(480, 192, "outputs 10 to 13", Style("I", 7.6, GREY), align="centre")
    for i, (number, code, _) in enumerate(OUTPUTS):
        x = 313 + 20.6 * i
        wire(canvas, code, (x, 224), (x, 318))
        canvas.draw(rectangle(x - 7, 212, 14, 12), BOX, WHITE)
        canvas.text(x, 221, number, Style("D", 7.6), align="centre")
        canvas.text(x - 2.6, 262, code, CODE, angle=90)
    _devices(canvas)
    wire(canvas, "DBU", (304, 432), (530, 432))
    canvas.text(304, 443, "0 V, terminal X2:0", Style("C", 7.2))
    _device_names(canvas)


def _devices(canvas: Canvas) -> None:
    at = [313 + 20.6 * i for i in range(11)]
    _contact(canvas, at[0], closed=True)
    _contact(canvas, at[1], closed=True)
    canvas.line((at[0] - 8, 327), (at[1] + 3, 327), pen=Pen(INK, 0.6, (2, 1.5)))
    canvas.draw(Path().arc((at[0] - 8, 327), 6, 90, 270).close(), Pen(INK, 0.6), "#cf2027")
    for i in (2, 3, 5, 6):
        _contact(canvas, at[i], closed=False)
    _sensor_box(canvas, at[4])
    for i in (7, 8):
        canvas.draw(rectangle(at[i] - 7, 318, 14, 20), BOX, WHITE)
        canvas.line((at[i] - 7, 338), (at[i] + 7, 318), pen=Pen(INK, 0.7))
    canvas.draw(rectangle(at[9] - 7, 318, 14, 20), BOX, WHITE)
    canvas.draw(circle(at[10], 328, 8), BOX, "#f7e7b0")
    for dx, dy in ((5.6, 5.6), (5.6, -5.6)):
        canvas.line((at[10] - dx, 328 - dy), (at[10] + dx, 328 + dy), pen=Pen(INK, 0.7))
    for i, x in enumerate(at):
        wire(canvas, "BU" if i == 4 else "DBU", (x, 338 if i != 10 else 336), (x, 432), width=1.2)
        canvas.draw(circle(x, 432, 1.8), fill=INK)


def _contact(canvas: Canvas, x: float, *, closed: bool) -> None:
    canvas.line((x, 318), (x, 321), pen=Pen(INK, 0.9))
    canvas.line((x, 334), (x, 338), pen=Pen(INK, 0.9))
    if closed:
        canvas.line((x, 334), (x + 4, 320), pen=Pen(INK, 0.9))
        canvas.line((x, 321), (x + 4.5, 321), pen=Pen(INK, 0.9))
    else:
        canvas.line((x, 334), (x - 6, 322), pen=Pen(INK, 0.9))


def _sensor_box(canvas: Canvas, x: float) -> None:
    canvas.draw(rectangle(x - 8, 318, 16, 20), BOX, WHITE)
    canvas.line((x - 8, 338), (x + 8, 318), pen=Pen(INK, 0.5))
    canvas.text(x - 3.5, 326, "P", Style("C", 6.5), align="centre")
    canvas.text(x + 4, 336, "I", Style("C", 6.5), align="centre")


def _device_names(canvas: Canvas) -> None:
    names = {
        "S0": "emergency stop", "S1": "RAISE", "S2": "LOWER", "B1": "pressure", "B2": "level, °C", "S3": "filter",
        "Y1": "valve up", "Y2": "valve down", "K1": "contactor", "H1": "lamp",
    }  # fmt: skip
    for i, (_, _, device) in enumerate(OUTPUTS):
        x = 313 + 20.6 * i
        canvas.draw(rectangle(x - 8, 352, 16, 68), fill="#fcfdfd")
        canvas.text(x, 361, device, NAME, align="centre")
        canvas.text(x + 2.4, 418, names[device], Style("C", 7.4), angle=90)
    canvas.text(
        260, 466, "S0 is a two-channel chain: if one of its contacts opens alone, CU-3 shows E02.", Style("C", 7.6)
    )
    canvas.text(260, 477, "S3 closes when the pressure before the return filter is above 2.0 bar.", Style("C", 7.6))
    canvas.text(260, 488, "B1 gives 4 mA at 0 bar and 20 mA at 250 bar: 10.4 mA at 100 bar.", Style("C", 7.6))
    canvas.text(
        260,
        499,
        "B2 opens below 15 l of oil; its resistance is 1 000 Ω at 0 °C and 1 232 Ω at 60 °C (Pt1000).",
        Style("C", 7.2),
    )
    canvas.text(260, 510, "Y1 and Y2 take 1.25 A each; a coil has 19 Ω at 20 °C.", Style("C", 7.6))
    canvas.text(260, 521, "F2: 2 A slow, in the lead to T1. F3: 2 A slow, in CU-3.", Style("C", 7.6))


def _tables(sheet: Sheet) -> None:
    column = sheet.column(y=552, width=300)
    column.head("Wire colours")
    top = column.y
    rows = [(code, "", name, use, area) for code, (_, name, use, area) in COLOURS.items()]
    fields = (
        Field("Code", 12, face="D"), Field("", 12), Field("Colour", 22), Field("Used for", 40),
        Field("mm²", 10, "right"),
    )  # fmt: skip
    look = TableLook(size=8, pad=3.3)
    draw_table(column, fields, rows, look)
    step = look.size * look.leading + 2 * look.pad
    for i, code in enumerate(COLOURS):
        y = top + step * (i + 1.5)
        wire(sheet.canvas, code, (LEFT + 41, y), (LEFT + 68, y), width=4.5)
    _plug(sheet)


def _plug(sheet: Sheet) -> None:
    left = LEFT + 326
    column = sheet.column(x=left, y=552, width=WIDTH - 326)
    column.head("Sensor plug M12 (B1, B2, S3)")
    canvas, x, y = sheet.canvas, left + 44, column.y + 46
    canvas.draw(circle(x, y, 38), Pen(INK, 1), "#c9d2d6")
    canvas.draw(circle(x, y, 30), Pen(INK, 0.7), "#333c41")
    canvas.draw(polygon([(x - 4, y - 30), (x + 4, y - 30), (x + 4, y - 23), (x - 4, y - 23)]), fill="#c9d2d6")
    pins = [("1", "BN", "+24 V"), ("2", "WH", "not used"), ("3", "BU", "0 V"), ("4", "BK", "signal")]
    for i, (number, code, use) in enumerate(pins):
        a = math.radians(225 + 90 * i)
        px, py = x + 15 * math.cos(a), y + 15 * math.sin(a)
        canvas.draw(circle(px, py, 4.4), Pen(WHITE, 0.5), "#d3b463")
        canvas.text(
            px + (7 if i in (1, 2) else -7),
            py + 2.8,
            number,
            Style("B", 7.6, WHITE),
            align="left" if i in (1, 2) else "right",
        )
        row = y - 27 + 18 * i
        canvas.text(left + 96, row + 3, number, Style("B", 9, PETROL))
        wire(canvas, code, (left + 106, row), (left + 122, row), width=4.5)
        canvas.text(left + 127, row + 3, use, Style("R", 8.2))
    note = sheet.column(x=left, y=y + 48, width=WIDTH - 326)
    note.set(
        "Seen on the pins of the plug. Screw the ring down by hand, 0.6 Nm; a loose ring lets water in.",
        Style("R", 8.2),
    )
    note.set("Screens are earthed at the control box only.", Style("R", 8.2))
