"""Chapter 8: the fold-out, an A3 plan of a room with the unit and a lift table."""

import math

from manual.canvas import GREY, INK, ORANGE, PETROL, RULE, WHITE, Canvas, Path, Pen, Style, circle, polygon, rectangle
from manual.drafting import dimension, hatch
from manual.flow import disc
from manual.sheet import DOCUMENT, Sheet
from manual.table import Field, TableLook, draw_table

FLOOR = "#f7f9f9"
LINE_A, LINE_B = Pen("#c1121f", 1.6), Pen("#1f6f9f", 1.6)
CABLE, EARTH = Pen("#e0902a", 1.1, (6, 2)), Pen("#3c9a45", 1.1, (2, 2))
NAME, FINE = Style("B", 8.2, PETROL), Style("C", 7.6)
COLUMN = 820.0
RUNS = (
    ("1", "Line A, pressure", "unit A", "table A", "DN 10", "6.4 m", "QH-8108"),
    ("2", "Line B, return stroke", "unit B", "table B", "DN 10", "6.4 m", "QH-8108"),
    ("3", "Hose in the pit, A", "pipe end", "cylinder", "DN 10", "1.5 m", "QH-8103"),
    ("4", "Hose in the pit, B", "pipe end", "cylinder", "DN 10", "1.5 m", "QH-8104"),
)
CABLES = (
    ("W1", "Mains", "board DB1", "control box", "5 × 2.5", "3.8 m"),
    ("W2", "Pendant control", "control box", "post P1", "12 × 0.75", "9.5 m"),
    ("W3", "Emergency stop 2", "control box", "door", "4 × 0.75", "7.2 m"),
    ("W4", "Limit switch, top", "control box", "table", "3 × 0.75", "8.1 m"),
    ("W5", "Earth", "tank stud", "earth bar", "1 × 6", "4.4 m"),
)
REVISIONS = (
    ("A", "04.09.2024", "First issue, unit beside the lift table"),
    ("B", "21.05.2025", "Unit moved into a room of its own, wall duct added"),
    ("C", "12.03.2026", "Second emergency stop at the door, cable W3"),
)


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    canvas = sheet.canvas
    _frame(canvas)
    _room(canvas)
    _unit(canvas, 150, 330)
    _lift(canvas)
    _lines(canvas)
    _dimensions(canvas)
    _section(canvas)
    _schedules(sheet)
    _title_block(canvas)


def _frame(canvas: Canvas) -> None:
    left, top, right, bottom = 51.0, 112.0, 1139.0, 792.0
    canvas.draw(rectangle(left, top, right - left, bottom - top), Pen(INK, 0.5))
    canvas.draw(rectangle(left + 14, top + 14, right - left - 28, bottom - top - 28), Pen(INK, 1.2))
    for i in range(8):
        x = left + (i + 0.5) * (right - left) / 8
        for y in (top + 10, bottom - 4):
            canvas.text(x, y, str(i + 1), Style("C", 7.6), align="centre")
        if i:
            edge = left + i * (right - left) / 8
            canvas.line((edge, top), (edge, top + 14), pen=Pen(INK, 0.5))
            canvas.line((edge, bottom - 14), (edge, bottom), pen=Pen(INK, 0.5))
    for i in range(6):
        y = top + (i + 0.5) * (bottom - top) / 6
        for x in (left + 7, right - 7):
            canvas.text(x, y + 2.6, "ABCDEF"[i], Style("C", 7.6), align="centre")
        if i:
            edge = top + i * (bottom - top) / 6
            canvas.line((left, edge), (left + 14, edge), pen=Pen(INK, 0.5))
            canvas.line((right - 14, edge), (right, edge), pen=Pen(INK, 0.5))


def _room(canvas: Canvas) -> None:
    canvas.text(92, 148, "Plan, floor level ±0.00", Style("B", 10.5, PETROL))
    canvas.text(212, 148, "sizes in mm, not to scale", Style("I", 8, GREY))
    canvas.draw(rectangle(100, 160, 680, 380), fill=FLOOR)
    hatch(canvas, 88, 160, 704, 16)
    hatch(canvas, 88, 176, 16, 364)
    hatch(canvas, 776, 176, 16, 364)
    hatch(canvas, 104, 524, 76, 16)
    hatch(canvas, 250, 524, 542, 16)
    hatch(canvas, 330, 176, 12, 236)
    hatch(canvas, 330, 446, 12, 78)
    canvas.text(214, 196, "Machine room", Style("B", 11, INK), align="centre")
    canvas.text(214, 207, "12 m², vented, 5 to 40 °C", FINE, align="centre")
    canvas.text(560, 196, "Loading bay", Style("B", 11, INK), align="centre")
    canvas.line((180, 532), (180, 462), pen=Pen(INK, 1.2))
    canvas.draw(Path().move(180, 462).arc((180, 532), 70, -90, 0), Pen(INK, 0.4))
    canvas.text(258, 550, "door, opens inwards", FINE)
    canvas.draw(rectangle(112, 177, 62, 12), Pen(INK, 0.6), "#dfe5e8")
    canvas.text(143, 186, "DB1", Style("D", 8), align="centre")
    canvas.draw(rectangle(84, 262, 24, 50), Pen(INK, 0.6), WHITE)
    for i in range(6):
        canvas.line((86, 268 + 8 * i), (106, 272 + 8 * i), pen=Pen(INK, 0.4))
    canvas.text(137, 262, "air inlet 400 × 250", FINE)
    canvas.draw(rectangle(262, 218, 56, 44, 2), Pen(INK, 0.6, (3, 2)), "#fbf0d9")
    canvas.draw(circle(278, 240, 10), Pen(INK, 0.5), "#e9c46a")
    canvas.draw(circle(302, 240, 10), Pen(INK, 0.5), "#e9c46a")
    canvas.text(290, 272, "oil store, bunded 60 l", FINE, align="centre")
    canvas.draw(circle(316, 296, 7), Pen(INK, 0.6), "#c1121f")
    canvas.text(316, 298.8, "F", Style("B", 8, WHITE), align="centre")
    canvas.text(304, 299, "fire extinguisher, foam", FINE, align="right")


def _unit(canvas: Canvas, x: float, y: float) -> None:
    s = 0.14
    canvas.draw(rectangle(x - 34, y - 20, 730 * s + 68, 560 * s + 56), Pen(ORANGE, 0.7, (5, 3)), "#fdf4ea")
    canvas.draw(rectangle(x, y, 730 * s, 560 * s), Pen(INK, 0.9), "#d5dde0")
    canvas.draw(rectangle(x + 6, y + 6, 640 * s, 420 * s), Pen(INK, 0.7), "#7fb0bd")
    canvas.draw(rectangle(x + 9, y + 14, 280 * s, 176 * s, 2), Pen(INK, 0.6), "#3a8297")
    canvas.draw(rectangle(x + 49, y + 18, 14, 18), Pen(INK, 0.5), "#e3e8ea")
    canvas.draw(rectangle(x + 63, y + 19, 15, 15), Pen(INK, 0.5), "#4b575e")
    canvas.draw(rectangle(x + 64, y + 46, 24, 15), Pen(INK, 0.5), "#b9c3c8")
    canvas.draw(circle(x + 19, y + 54, 7), Pen(INK, 0.5), "#e8833a")
    canvas.draw(rectangle(x + 14, y + 65, 28, 12), Pen(INK, 0.5), WHITE)
    canvas.text(x + 14, y - 8, "Power unit HA 24", NAME)
    disc(canvas, x, y - 10, "U1", radius=9)


def _lift(canvas: Canvas) -> None:
    canvas.draw(rectangle(470, 250, 250, 150), Pen(INK, 0.7), "#e4eaec")
    canvas.draw(rectangle(478, 258, 234, 134, 3), Pen(INK, 1), "#c9d6da")
    for y in (276, 374):
        canvas.line((492, y), (700, y), pen=Pen(INK, 0.5, (8, 3)))
    canvas.draw(rectangle(540, 316, 92, 18, 3), Pen(INK, 0.6, (4, 2)), "#b6c5ca")
    canvas.draw(rectangle(632, 321, 44, 8), Pen(INK, 0.6, (4, 2)))
    canvas.text(590, 300, "Lift table 2 000 kg, stroke 1 100 mm", NAME, align="centre")
    canvas.text(586, 352, "cylinder 63 / 36 under the platform", FINE, align="centre")
    disc(canvas, 690, 297, "T1", radius=9)
    canvas.draw(rectangle(452, 232, 286, 186), Pen("#d99a00", 1.4, (9, 5)))
    canvas.text(595, 431, "yellow line: keep clear while the table moves", FINE, align="centre")
    canvas.draw(circle(440, 470, 5), Pen(INK, 0.8), "#f2c230")
    canvas.text(451, 468, "post P1 with pendant control", FINE)
    canvas.text(451, 478, "and view of the whole table", FINE)
    canvas.draw(rectangle(256, 514, 14, 10), Pen(INK, 0.6), "#f2c230")
    canvas.draw(circle(263, 519, 3.4), fill="#c1121f")


def _lines(canvas: Canvas) -> None:
    canvas.line((238, 381), (270, 381), (270, 424), (404, 424), (404, 320), (540, 320), pen=LINE_A)
    canvas.line((238, 388), (262, 388), (262, 434), (414, 434), (414, 330), (540, 330), pen=LINE_B)
    canvas.line((143, 189), (143, 214), (130, 214), (130, 402), (164, 402), pen=CABLE)
    canvas.line((190, 407), (190, 444), (296, 444), (440, 444), (440, 465), pen=CABLE)
    canvas.line((236, 444), (236, 505), (256, 505), (256, 514), pen=CABLE)
    canvas.line((440, 444), (462, 444), (462, 392), (478, 392), pen=CABLE)
    canvas.line((150, 404), (116, 404), (116, 452), (104, 452), pen=EARTH)
    for text, x, y in (("1", 372, 424), ("2", 388, 434), ("3", 505, 320), ("4", 522, 330)):
        disc(canvas, x, y, text, radius=6)
    for text, x, y in (("W1", 130, 236), ("W2", 300, 444), ("W3", 236, 462), ("W4", 462, 424), ("W5", 116, 436)):
        canvas.draw(rectangle(x - 9, y - 5.5, 18, 11, 2), Pen("#e0902a", 0.6), WHITE)
        canvas.text(x, y + 2.9, text, Style("D", 7.4), align="centre")
    canvas.draw(rectangle(326, 413, 20, 32), Pen(INK, 0.8))
    canvas.line((346, 445), (356, 458), pen=Pen(INK, 0.35))
    canvas.text(350, 466, "wall duct", FINE)
    canvas.text(350, 475, "120 × 80, sealed", FINE)


def _dimensions(canvas: Canvas) -> None:
    dimension(canvas, (104, 228), (330, 228), "3 200")
    dimension(canvas, (342, 218), (470, 218), "1 800")
    dimension(canvas, (470, 218), (720, 218), "2 500")
    dimension(canvas, (752, 250), (752, 400), "1 500")
    dimension(canvas, (752, 400), (752, 524), "1 700")
    dimension(canvas, (104, 352), (150, 352), "650")
    for x in (470, 720):
        canvas.line((x, 212), (x, 250), pen=Pen(PETROL, 0.35))
    for y in (250, 400):
        canvas.line((720, y), (758, y), pen=Pen(PETROL, 0.35))
    for x, way in ((362, 1), (766, -1)):
        canvas.draw(polygon([(x - 5 * way, 301), (x + 5 * way, 306), (x - 5 * way, 311)]), fill=ORANGE)
        canvas.text(x, 297, "A", Style("B", 11, ORANGE), align="centre")


def _section(canvas: Canvas) -> None:
    canvas.text(92, 566, "Section A-A, table raised", Style("B", 10.5, PETROL))
    floor = 720.0
    hatch(canvas, 88, floor, 374, 14)
    hatch(canvas, 728, floor, 64, 14)
    hatch(canvas, 462, floor + 38, 266, 12)
    hatch(canvas, 462, floor, 8, 38)
    hatch(canvas, 720, floor, 8, 38)
    hatch(canvas, 330, 578, 12, floor - 578)
    canvas.text(96, floor - 5, "±0.00", FINE)
    canvas.text(734, floor + 27, "pit −0.38", FINE)
    base, platform = floor + 36, 612.0
    canvas.draw(rectangle(478, platform - 12, 234, 12, 2), Pen(INK, 1), "#c9d6da")
    canvas.draw(rectangle(480, base - 5, 230, 5), Pen(INK, 0.7), "#8b989e")
    for ax, bx in ((492, 692), (692, 492)):
        canvas.line((ax, base - 9), (bx, platform + 6), pen=Pen(INK, 8))
        canvas.line((ax, base - 9), (bx, platform + 6), pen=Pen("#e0a526" if ax < bx else "#f0bd4a", 6.4))
    for x, y in (
        (492, base - 9),
        (692, base - 9),
        (492, platform + 6),
        (692, platform + 6),
        (592, (base + platform - 3) / 2),
    ):
        canvas.draw(circle(x, y, 4), Pen(INK, 0.7), WHITE)
    _ram(canvas, (530, base - 8), (612, 668))
    dimension(canvas, (740, platform - 12), (740, floor), "1 100")
    canvas.line((712, platform - 12), (746, platform - 12), pen=Pen(PETROL, 0.35))
    canvas.text(595, platform - 18, "2 000 kg, evenly spread", FINE, align="centre")
    canvas.draw(rectangle(170, floor - 6, 102, 5), Pen(INK, 0.7), "#8b989e")
    canvas.draw(rectangle(177, floor - 50, 90, 40), Pen(INK, 0.8), "#2f7488")
    canvas.draw(rectangle(183, floor - 76, 42, 26, 3), Pen(INK, 0.7), "#3a8297")
    canvas.draw(rectangle(225, floor - 70, 12, 18), Pen(INK, 0.6), "#dfe4e6")
    canvas.draw(rectangle(237, floor - 72, 16, 20), Pen(INK, 0.6), "#4b575e")
    canvas.line(
        (262, floor - 40),
        (296, floor - 40),
        (296, floor - 14),
        (450, floor - 14),
        (450, floor + 28),
        (520, floor + 28),
        pen=LINE_A,
    )
    canvas.line(
        (262, floor - 34),
        (290, floor - 34),
        (290, floor - 8),
        (444, floor - 8),
        (444, floor + 33),
        (515, floor + 33),
        pen=LINE_B,
    )
    canvas.text(352, floor - 22, "pipes in clamps every 1.2 m", FINE)
    dimension(canvas, (158, floor - 76), (158, floor), "575")


def _ram(canvas: Canvas, start: tuple[float, float], end: tuple[float, float]) -> None:
    (ax, ay), (bx, by) = start, end
    middle = (ax + (bx - ax) * 0.55, ay + (by - ay) * 0.55)
    canvas.line(start, end, pen=Pen(INK, 5))
    canvas.line(start, end, pen=Pen("#eef1f2", 3.6))
    canvas.line(start, middle, pen=Pen(INK, 11))
    canvas.line(start, middle, pen=Pen("#56646b", 9.4))
    angle = math.atan2(by - ay, bx - ax)
    canvas.draw(circle(bx + 2 * math.cos(angle), by + 2 * math.sin(angle), 3.4), Pen(INK, 0.6), WHITE)


def _schedules(sheet: Sheet) -> None:
    column = sheet.column(x=COLUMN, y=128, width=292, end=684)
    look = TableLook(size=7.8, pad=2.6, face="C")
    column.head("Pipe and hose runs")
    fields = [
        Field(n, w)
        for n, w in (("No.", 8), ("Run", 29), ("From", 15), ("To", 16), ("Size", 13), ("Length", 13), ("Part", 17))
    ]
    draw_table(column, fields, RUNS, look)
    column.head("Cables")
    fields = [
        Field(n, w) for n, w in (("No.", 9), ("Cable", 28), ("From", 20), ("To", 18), ("mm²", 17), ("Length", 13))
    ]
    draw_table(column, fields, CABLES, look)
    column.head("Legend")
    _legend(sheet.canvas, column.y + 8)
    column.move(62)
    column.head("Notes for the planner")
    column.steps(
        [
            "Above 10 m of pipe choose DN 12: each metre of DN 10 costs 0.4 bar at 11.6 l/min and 40 °C.",
            "Let the pipes rise towards the table by 1 % so that air finds its way out at the cylinder.",
            "The wall duct is closed with mineral wool after the pipes have been tested at 230 bar for ten minutes.",
            "The operator at post P1 must see the whole table. Where this cannot be, a second emergency stop (W3) is "
            "fitted at the door.",
            "The floor of the machine room is painted with oil-proof coating up to 100 mm at the walls.",
        ],
        style=Style("R", 8.2),
    )
    column.head("Revisions")
    fields = [Field(n, w) for n, w in (("Rev.", 9), ("Date", 20), ("Change", 71))]
    draw_table(column, fields, REVISIONS, look)


def _legend(canvas: Canvas, y: float) -> None:
    entries = [
        (LINE_A, "line A (red), to raise"),
        (LINE_B, "line B (blue), to lower"),
        (CABLE, "cable in trunking"),
        (EARTH, "earth conductor"),
        (Pen(ORANGE, 0.7, (5, 3)), "space to keep free"),
        (Pen("#d99a00", 1.4, (9, 5)), "line on the floor"),
    ]
    for i, (pen, name) in enumerate(entries):
        x, top = COLUMN + 148 * (i % 2), y + 15 * (i // 2)
        canvas.line((x, top), (x + 34, top), pen=pen)
        canvas.text(x + 40, top + 2.8, name, Style("C", 8.2))


def _title_block(canvas: Canvas) -> None:
    x, y, width = COLUMN - 4, 690.0, 309.0
    canvas.draw(rectangle(x, y, width, 88), Pen(INK, 1.2), WHITE)
    canvas.line((x, y + 32), (x + width, y + 32), pen=Pen(INK, 0.6))
    canvas.line((x, y + 60), (x + width, y + 60), pen=Pen(INK, 0.6))
    canvas.text(x + 8, y + 20, "QUELLMAR", Style("B", 13, PETROL, 2))
    canvas.text(x + width - 8, y + 14, "General arrangement", Style("B", 9.5), align="right")
    canvas.text(x + width - 8, y + 26, "Lift table with power unit HA 24", Style("R", 8.4), align="right")
    cells = [
        ("Drawing", "HA24-GA-01"), ("Sheet", "1 of 1"), ("Scale", "none"), ("Format", "A3"),
        ("Drawn", "M. Ostrow"), ("Checked", "L. Verhaan"), ("Date", "12.03.2026"), ("Revision", "C"),
    ]  # fmt: skip
    for i, (name, value) in enumerate(cells):
        left, top = x + (i % 4) * width / 4, y + 32 + 28 * (i // 4)
        if i % 4:
            canvas.line((left, top), (left, top + 28), pen=Pen(RULE, 0.6))
        canvas.text(left + 6, top + 10, name, Style("C", 6.8, GREY))
        canvas.text(left + 6, top + 22, value, Style("D", 9.2))
    canvas.text(x, y - 5, f"Belongs to {DOCUMENT}", Style("I", 7.4, GREY))
