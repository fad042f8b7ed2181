"""Chapter 5: the hydraulic diagram with its legend."""

from manual import symbols
from manual.canvas import GREY, INK, PETROL, Canvas, Pen, Style, circle, rectangle
from manual.flow import disc
from manual.parts import part
from manual.sheet import LEFT, WIDTH, Sheet
from manual.symbols import DASHED, EDGE, WIRE, dot
from manual.table import Field, TableLook, draw_table

PRESSURE, RETURN = Pen("#c1121f", 1.3), Pen("#1f6f9f", 1.1)
LEGEND = (
    ("1", "Suction strainer", "QH-3155", "125 µm"),
    ("2", "Gear pump", "QH-3082", "8.2 cm³/rev"),
    ("3", "Motor", "QH-1104", "4.0 kW"),
    ("4", "Check valve", "QH-4431", "0.5 bar"),
    ("5", "Pressure relief valve", "QH-4423", "175 / 225 bar"),
    ("6", "Gauge isolator", "QH-4460", "push to read"),
    ("7", "Pressure gauge", "QH-4463", "0-250 bar"),
    ("8", "Directional valve", "QH-4417", "Y1 up, Y2 down"),
    ("9", "Pilot-operated check valve", "QH-4436", "ratio 1 : 3.4"),
    ("10", "Throttle check valve", "QH-4440", "lowering speed"),
    ("11", "Hand lowering valve", "QH-4452", "closed in service"),
    ("12", "Return filter with bypass", "QH-6104", "10 µm, 2.5 bar"),
    ("13", "Pressure sensor B1", "QH-4471", "4-20 mA"),
    ("14", "Test point", "QH-4475", "M16 × 2"),
    ("15", "Level and temperature switch", "QH-7033", "B2"),
    ("16", "Breather and filler", "QH-6131", "3 µm"),
)


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    canvas = sheet.canvas
    canvas.draw(rectangle(LEFT, 110, WIDTH, 500), Pen(GREY, 0.4), "#fcfdfd")
    _manifold_border(canvas)
    _lines(canvas)
    _upper(canvas)
    _middle(canvas)
    _lower(canvas)
    _key(canvas)
    for i in range(2):
        rows = [(n, name, number, note) for n, name, number, note in LEGEND[8 * i : 8 * i + 8]]
        fields = (Field("No.", 8, "centre", "D"), Field("Name", 32), Field("Part", 17), Field("Value", 22))
        column = sheet.column(x=LEFT + i * (WIDTH / 2 + 4), y=618, width=WIDTH / 2 - 4)
        draw_table(column, fields, rows, TableLook(size=7.6, pad=2.3, face="C"))
    note = sheet.column(y=758)
    note.set(
        "Drawn at rest: motor off, both solenoids without current. In the middle position of valve 8 the pump runs "
        f"to the tank without pressure; the load is held by valve 9 alone. Order numbers belong to HA 24-8 (seals: "
        f"{part('QH-9002').number}).",
        Style("R", 7.8, INK),
    )


def _manifold_border(canvas: Canvas) -> None:
    canvas.draw(rectangle(100, 180, 384, 236), Pen(PETROL, 0.7, (9, 2.5, 2, 2.5)), "#f1f6f7")
    canvas.text(478, 192, "Manifold QH-4400", Style("D", 8, PETROL), align="right")


def _lines(canvas: Canvas) -> None:
    canvas.line((283, 545), (283, 512), pen=RETURN)
    canvas.line((283, 472), (283, 336), pen=PRESSURE)
    canvas.line((283, 376), (150, 376), pen=PRESSURE)
    canvas.line((283, 350), (366, 350), (366, 358), pen=PRESSURE)
    canvas.line((366, 386), (366, 398), (430, 398), pen=RETURN)
    canvas.line((305, 336), (305, 342), (430, 342), (430, 565), pen=RETURN)
    canvas.line((283, 292), (283, 284), (245, 284), (245, 158), pen=WIRE)
    canvas.line((305, 292), (305, 284), (355, 284), (355, 158), pen=WIRE)
    canvas.line((245, 194), (78, 194), (78, 560), pen=WIRE)
    canvas.line((355, 270), (300, 270), (300, 258), (254, 258), pen=DASHED)
    dot(canvas, (283, 376), (283, 350), (430, 398), (245, 194), (355, 270), (204, 376))
    for x, y, name, dx in (
        (245, 180, "A", 8),
        (355, 180, "B", 8),
        (283, 416, "P", 8),
        (430, 416, "T", 8),
        (100, 194, "L", 3),
    ):
        canvas.draw(circle(x, y, 2.4), Pen(INK, 0.6), "#ffffff")
        canvas.text(x + dx, y - 4, name, Style("B", 9, PETROL))


def _upper(canvas: Canvas) -> None:
    symbols.double_acting_cylinder(canvas, 225, 124)
    canvas.line((245, 154), (245, 160), pen=WIRE)
    canvas.line((355, 154), (355, 160), pen=WIRE)
    canvas.text(222, 142, "lift cylinder", Style("I", 8, GREY), align="right")
    canvas.line((238, 172), (252, 164), pen=EDGE)
    canvas.line((348, 172), (362, 164), pen=EDGE)
    canvas.text(372, 173, "hoses DN 10", Style("I", 7.4, GREY))
    _throttle_check(canvas, 245, 218)
    _pilot_check(canvas, 245, 254)
    symbols.shut_off(canvas, 150, 194)
    canvas.line((150, 194), (150, 182 + 1), pen=EDGE)
    canvas.draw(circle(150, 181, 2.6), Pen(INK, 0.6), "#c1121f")
    for text, x, y in (("10", 279, 222), ("9", 219, 262), ("11", 150, 211)):
        disc(canvas, x, y, text, radius=6.5)


def _throttle_check(canvas: Canvas, x: float, y: float) -> None:
    """A throttle in the line, a check valve beside it that opens upwards."""
    canvas.line((x, y - 13), (x + 18, y - 13), (x + 18, y + 13), (x, y + 13), pen=WIRE)
    dot(canvas, (x, y - 13), (x, y + 13))
    canvas.draw(rectangle(x - 5, y - 8, 10, 16), fill="#f1f6f7")
    for side in (-1, 1):
        bend = [(x + side * 6.5, y - 8), (x + side * 2.2, y), (x + side * 6.5, y + 8)]
        canvas.line(*bend, pen=EDGE)
    canvas.line((x, y - 9), (x, y + 9), pen=WIRE)
    canvas.arrow((x - 10, y + 9), (x + 8, y - 9), pen=Pen(INK, 0.6), size=4)
    canvas.draw(rectangle(x + 12, y - 5, 12, 12), fill="#f1f6f7")
    symbols.check_valve(canvas, x + 18, y, spring=False)
    canvas.line((x + 18, y - 3.4), (x + 18, y - 13), pen=WIRE)
    canvas.line((x + 18, y + 9), (x + 18, y + 13), pen=WIRE)


def _pilot_check(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(rectangle(x - 13, y - 14, 26, 28), EDGE, "#ffffff")
    canvas.line((x, y - 14), (x, y - 3), pen=WIRE)
    canvas.line((x, y + 9), (x, y + 14), pen=WIRE)
    symbols.check_valve(canvas, x, y, spring=False)
    canvas.line((x + 13, y + 4), (x + 7, y + 4), pen=DASHED)


def _middle(canvas: Canvas) -> None:
    symbols.directional_valve(canvas, 294, 314)
    symbols.relief_valve(canvas, 366, 372)
    symbols.sensor(canvas, 204, 352, "P", "B1")
    canvas.line((204, 376), (204, 360), pen=WIRE)
    canvas.line((240, 376), (240, 392), pen=WIRE)
    dot(canvas, (240, 376))
    canvas.draw(circle(240, 395.5, 3.5), EDGE, "#ffffff")
    canvas.line((236, 402), (244, 402), pen=EDGE)
    symbols.shut_off(canvas, 165, 376)
    canvas.line((157, 376), (136, 376), pen=PRESSURE)
    symbols.gauge(canvas, 124, 376)
    for text, x, y in (
        ("8", 294, 274),
        ("5", 398, 386),
        ("13", 184, 352),
        ("14", 225, 398),
        ("6", 165, 391),
        ("7", 124, 355),
    ):
        disc(canvas, x, y, text, radius=6.5)


def _lower(canvas: Canvas) -> None:
    symbols.tank(canvas, 62, 540, 522, 594)
    canvas.line((78, 540), (78, 560), pen=WIRE)
    canvas.line((283, 512), (283, 560), pen=RETURN)
    canvas.line((430, 540), (430, 572), pen=RETURN)
    symbols.filter_body(canvas, 283, 570)
    canvas.draw(rectangle(276, 428, 14, 20), fill="#fcfdfd")
    symbols.check_valve(canvas, 283, 440)
    canvas.line((283, 448), (283, 452), pen=PRESSURE)
    symbols.shaft(canvas, 208, 263, 492)
    symbols.pump(canvas, 283, 492)
    symbols.motor(canvas, 190, 492)
    _return_filter(canvas)
    canvas.draw(rectangle(130, 556, 22, 16), EDGE, "#ffffff")
    canvas.text(141, 567, "°C", Style("C", 7.5), align="centre")
    canvas.line((141, 556), (141, 526), pen=EDGE)
    canvas.draw(circle(141, 521, 5), EDGE, "#ffffff")
    canvas.text(150, 524, "B2", symbols.NAME)
    canvas.draw(rectangle(488, 516, 18, 10), EDGE, "#ffffff")
    canvas.line((488, 521), (506, 521), pen=DASHED)
    canvas.line((497, 526), (497, 540), pen=EDGE)
    canvas.arrow((497, 504), (497, 515), pen=EDGE, size=4, both=False)
    for text, x, y in (
        ("1", 307, 570),
        ("2", 314, 492),
        ("3", 164, 492),
        ("4", 304, 438),
        ("12", 405, 480),
        ("15", 124, 521),
        ("16", 518, 521),
    ):
        disc(canvas, x, y, text, radius=6.5)
    canvas.text(346, 584, "24 l HLP 46", Style("I", 8, "#8a6414"))


def _return_filter(canvas: Canvas) -> None:
    canvas.draw(rectangle(428, 460, 4, 40), fill="#fcfdfd")
    canvas.line((430, 452), (468, 452), (468, 508), (430, 508), pen=RETURN)
    dot(canvas, (430, 452), (430, 508))
    canvas.line((430, 452), (430, 465), pen=RETURN)
    canvas.line((430, 495), (430, 508), pen=RETURN)
    symbols.filter_body(canvas, 430, 480)
    canvas.draw(rectangle(461, 468, 14, 26), fill="#fcfdfd")
    canvas.draw(circle(468, 480, 4.4), EDGE, "#ffffff")
    canvas.line((461, 480), (468, 472), (475, 480), pen=EDGE)
    canvas.line((468, 468), (468, 472), pen=RETURN)
    symbols.zigzag(canvas, (468, 484.5), (468, 494))
    canvas.text(480, 484, "2.5 bar", Style("C", 7.6))


def _key(canvas: Canvas) -> None:
    for i, (pen, name) in enumerate(
        ((PRESSURE, "pressure"), (RETURN, "suction, return"), (WIRE, "working line"), (DASHED, "pilot line"))
    ):
        y = 124 + 11 * i
        canvas.line((440, y), (464, y), pen=pen)
        canvas.text(469, y + 2.6, name, Style("C", 7.8, INK))
