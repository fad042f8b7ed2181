"""Chapter 14: tightening torques and the order of tightening."""

import math

from manual.canvas import CENTRE, GREY, INK, ORANGE, PETROL, RULE, WHITE, Canvas, Pen, Style, circle, polygon, rectangle
from manual.flow import NOTICE
from manual.sheet import LEFT, WIDTH, Sheet
from manual.table import Field, TableLook, draw_table

PLACES = (
    ("Motor to bellhousing, stud M10", "4", "8.8", "49", "Medium threadlocker"),
    ("Bellhousing to lid, M10 × 30", "4", "8.8", "49", "dry"),
    ("Pump to bellhousing, M8 × 90", "4", "10.9", "36", "crosswise, two rounds"),
    ("Coupling half, clamping screw M8", "2", "8.8", "22", "Medium threadlocker"),
    ("Suction and pressure flange, M6 × 22", "8", "8.8", "10", "new O-rings"),
    ("Bleed screw G 1/8", "1", "brass", "12", "new sealing ring"),
    ("Valves on the manifold, M5 × 45", "8", "10.9", "8.5", "crosswise"),
    ("Relief valve cartridge, 27 mm", "1", "steel", "45", "oil the thread"),
    ("Lock nut of the relief valve, 17 mm", "1", "steel", "20", "hold the screw"),
    ("Nut of the solenoid coil", "2", "plastic", "5", "O-ring on both sides"),
    ("Pressure sensor B1, G 1/4", "1", "steel", "30", "27 mm spanner"),
    ("Tank lid, M8 × 20", "8", "A2-70", "18", "from the middle outwards"),
    ("Cleaning cover, M10 × 25", "8", "A2-70", "30", "star order, Fig. 14.1"),
    ("Filter cover, M8", "4", "8.8", "22", "crosswise"),
    ("Drain plug G 1/2", "1", "steel", "60", "new copper ring QH-5019"),
    ("Sight glass, M12", "2", "steel", "8", "by hand first, never more"),
    ("Anchors M10", "4", "8.8", "40", "again after 50 hours"),
)
GENERAL = (
    ("M4", "2.8", "4.1", "1.9", "7 / 3"),
    ("M5", "5.5", "8.1", "3.8", "8 / 4"),
    ("M6", "9.5", "14", "6.6", "10 / 5"),
    ("M8", "23", "34", "16", "13 / 6"),
    ("M10", "46", "67", "32", "16 / 8"),
    ("M12", "79", "115", "55", "18 / 10"),
    ("M16", "195", "285", "135", "24 / 14"),
)
UNIONS = (
    ("G 1/8", "18"), ("G 1/4", "35"), ("G 3/8", "70"), ("G 1/2", "90"), ("G 3/4", "180"), ("M16 × 2 test point", "60"),
    ("12 L nut, 22 mm", "55"),
)  # fmt: skip


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    column = sheet.column(y=112)
    fields = (
        Field("Where", 40), Field("Pieces", 11, "centre"), Field("Class", 14, "centre"), Field("Nm", 10, "right", "B"),
        Field("", 3), Field("Remark", 36),
    )  # fmt: skip
    rows = [(where, pieces, kind, torque, "", remark) for where, pieces, kind, torque, remark in PLACES]
    draw_table(column, fields, rows, TableLook(size=8.3, pad=3.3))
    top = column.y
    _star(sheet.canvas, LEFT + 76, top + 92)
    general = sheet.column(x=LEFT + 170, y=top - 4, width=190)
    general.head("General values in Nm")
    fields = (
        Field("Thread", 20, face="D"), Field("8.8", 15, "right"), Field("10.9", 15, "right"),
        Field("A2-70", 17, "right"),
        Field("mm", 23, "right"),
    )  # fmt: skip
    look = TableLook(size=7.9, pad=2.5)
    draw_table(general, fields, GENERAL, look)
    unions = sheet.column(x=LEFT + 378, y=top - 4, width=WIDTH - 378)
    unions.head("Unions")
    draw_table(unions, (Field("Thread", 60), Field("Nm", 25, "right", "B")), UNIONS, look)
    note = sheet.column(x=LEFT + 170, y=general.y - 3, width=WIDTH - 170)
    note.set(
        "General values apply to dry, clean threads, friction 0.14, where the upper table says nothing else. With "
        "oiled threads take 85 %. The last column gives the width across flats: hexagon / socket.",
        Style("R", 8, GREY),
    )
    _lid(sheet.canvas, LEFT + 170, note.y + 8)
    lid = sheet.column(x=LEFT + 352, y=note.y - 2, width=WIDTH - 352)
    lid.minor("Tank lid")
    lid.set(
        "Lay the cord QH-5006 dry into the groove, its joint at the rear. Start in the middle of the long sides; the "
        "corners come last. A lid that was tightened at the corners first bulges and leaks.",
        Style("R", 8.4),
    )
    last = sheet.column(y=729)
    last.box(
        NOTICE,
        "Renew self-locking nuts and copper rings every time. Tighten in two rounds: half the value first, then "
        "the whole.",
    )


def _star(canvas: Canvas, x: float, y: float) -> None:
    """The cleaning cover with the order of its eight bolts."""
    canvas.draw(circle(x, y, 70), Pen(INK, 1), "#3a8297")
    canvas.draw(circle(x, y, 62), Pen("#255f70", 0.8))
    canvas.draw(circle(x, y, 52), CENTRE)
    order = (1, 5, 3, 7, 2, 6, 4, 8)
    spots = {}
    for i, number in enumerate(order):
        a = math.radians(-90 + 45 * i)
        spots[number] = (x + 52 * math.cos(a), y + 52 * math.sin(a))
    for number in range(1, 8):
        (ax, ay), (bx, by) = spots[number], spots[number + 1]
        canvas.line((ax, ay), (bx, by), pen=Pen("#9fd0dc", 0.6, (3, 2)))
    for number, (px, py) in spots.items():
        hexagon = [
            (px + 10 * math.cos(math.radians(60 * k)), py + 10 * math.sin(math.radians(60 * k))) for k in range(6)
        ]
        canvas.draw(polygon(hexagon), Pen(INK, 0.8), WHITE if number > 1 else ORANGE)
        canvas.text(px, py + 3.6, str(number), Style("B", 10, INK if number > 1 else WHITE), align="centre")
    canvas.draw(rectangle(x - 20, y - 9, 40, 18, 3), Pen(RULE, 0.5), WHITE)
    canvas.text(x, y + 3.4, "30 Nm", Style("B", 9, PETROL), align="centre")
    canvas.text(x, y + 86, "Fig. 14.1  Cleaning cover: tighten", Style("I", 7.8, GREY), align="centre")
    canvas.text(x, y + 96, "in a star, 1 to 8", Style("I", 7.8, GREY), align="centre")


def _lid(canvas: Canvas, x: float, y: float) -> None:
    """The tank lid from above, its bolts numbered from the middle outwards."""
    width, depth = 164.0, 84.0
    canvas.draw(rectangle(x, y, width, depth, 5), Pen(INK, 1), "#cfd7da")
    canvas.draw(rectangle(x + 15, y + 15, width - 30, depth - 30, 3), Pen(RULE, 0.6), "#dfe5e8")
    middle = depth / 2
    spots = [(0.37, 0), (0.63, 1), (0.63, 0), (0.37, 1), (0.06, 0), (0.94, 1), (0.94, 0), (0.06, 1)]
    for number, (share, side) in enumerate(spots, 1):
        px, py = x + 1 + share * (width - 2), y + (9 if side == 0 else depth - 9)
        canvas.draw(circle(px, py, 7), Pen(INK, 0.8), ORANGE if number == 1 else WHITE)
        canvas.text(px, py + 3, str(number), Style("B", 8.4, WHITE if number == 1 else INK), align="centre")
    canvas.text(x + width / 2, y + middle + 3, "18 Nm", Style("B", 9, PETROL), align="centre")
    canvas.text(
        x + width / 2,
        y + depth + 11,
        "Fig. 14.2  Tank lid: from the middle outwards",
        Style("I", 7.8, GREY),
        align="centre",
    )
