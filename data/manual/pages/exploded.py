"""Chapter 4: exploded view of motor and pump, with its parts list."""

import math

from manual.canvas import CENTRE, HAIR, INK, WHITE, Pen, Point, mix, polygon
from manual.flow import NOTICE, balloon
from manual.parts import part
from manual.sheet import LEFT, WIDTH, Sheet
from manual.solid import COLOURS, Solid, View, hull
from manual.table import Field, TableLook, draw_table

ITEMS = (
    "QH-1104", "QH-1112", "QH-1131", "QH-2210", "QH-2214", "QH-2211", "QH-2230", "QH-2241", "QH-2236",
    "QH-0917", "QH-3117", "QH-3082", "QH-3171", "QH-3142", "QH-3126", "QH-3140", "QH-3155", "QH-0908",
)  # fmt: skip


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    _motor_row(View(sheet.canvas, (LEFT + 62, 193), 0.56, 24, 26))
    _pump_row(View(sheet.canvas, (LEFT + 70, 391), 0.56, 24, 26))
    _parts_list(sheet)


def _parts_list(sheet: Sheet) -> None:
    rows = [(str(i), number, part(number).name, part(number).quantity) for i, number in enumerate(ITEMS, 1)]
    fields = (Field("No.", 9, "centre", "D"), Field("Part number", 19), Field("Name", 62), Field("Qty", 9, "centre"))
    look = TableLook(size=7.6, pad=2.1, face="C")
    for i in range(2):
        column = sheet.column(x=LEFT + i * (WIDTH / 2 + 5), y=587, width=WIDTH / 2 - 5)
        draw_table(column, fields, rows[9 * i : 9 * i + 9], look)
    note = sheet.column(y=729)
    note.box(
        NOTICE,
        "Leave 2 to 3 mm between the two coupling halves (4 and 6), or the spider is crushed when the motor gets warm. "
        f"On HA 24-6 the pump (12) is QH-3061. Tightening torques: {sheet.see('torque')}.",
    )


def _motor_row(view: View) -> None:
    view.line((-70, 0, 0), (745, 0, 0), pen=CENTRE)
    view.box((60, -80, -110), (200, 160, 16), "#4b575e")
    view.cylinder("x", (-52, 0, 0), 92, 50, palette="dark")
    for radius in (30, 52, 74):
        view.canvas.draw(view.disk("x", (-2, 0, 0), radius), HAIR)
    view.cylinder("x", (48, 0, 0), 88, 224, palette="petrol")
    for i in range(9):
        a = math.radians(-62 + i * 20)
        y, z = 88 * math.cos(a), 88 * math.sin(a)
        view.line((56, y, z), (264, y, z), pen=Pen("#1c5566", 0.5))
    view.box((110, -50, 80), (100, 100, 52), "#3a8297")
    view.cylinder("x", (272, 0, 0), 108, 14)
    view.bolts("x", (286, 0, 0), 90, count=4, size=7)
    view.cylinder("x", (286, 0, 0), 56, 8, palette="petrol")
    view.cylinder("x", (294, 0, 0), 17, 66)
    _key(view)
    _coupling(view, 430, claws_behind=False)
    _spider(view, 566)
    _coupling(view, 668, claws_behind=True)
    marks: list[tuple[str, Solid, Point]] = [
        ("1", (230, 80, -20), (66, 66)),
        ("2", (-40, 0, 91), (-30, -18)),
        ("3", (352, 0, 52), (24, -44)),
        ("4", (445, 0, 42), (14, -50)),
        ("5", (574, 0, 40), (14, -50)),
        ("6", (702, 0, 42), (14, -50)),
    ]
    _callouts(view, marks)


def _key(view: View) -> None:
    view.box((330, -5, 44), (44, 10, 10), COLOURS["steel"], HAIR)
    view.line((352, 0, 44), (335, 0, 17), pen=Pen(INK, 0.35, (2, 1.5)))


def _sector(view: View, x: float, angle: float, depth: float) -> None:
    """One claw of a coupling half: a piece of a ring, drawn out along the axis."""
    turns = [math.radians(angle - 24 + 6 * i) for i in range(9)]
    shape = [(40 * math.cos(a), 40 * math.sin(a)) for a in turns] + [
        (20 * math.cos(a), 20 * math.sin(a)) for a in turns[::-1]
    ]
    back = [view.at((x, y, z)) for y, z in shape]
    front = [view.at((x + depth, y, z)) for y, z in shape]
    view.canvas.draw(polygon(hull(back + front)), HAIR, "#9aa7ad")
    view.canvas.draw(polygon(front), HAIR, "#dbe1e4")


def _coupling(view: View, x: float, *, claws_behind: bool) -> None:
    if claws_behind:
        for angle in (150, 30, 270):
            _sector(view, x - 18, angle, 18)
    view.cylinder("x", (x, 0, 0), 42, 22, palette="alloy")
    if claws_behind:
        view.cylinder("x", (x + 22, 0, 0), 32, 34, palette="alloy")
        view.canvas.draw(view.disk("x", (x + 56, 0, 0), 12), HAIR, WHITE)
        return
    view.canvas.draw(view.disk("x", (x + 22, 0, 0), 17), HAIR, WHITE)
    for angle in (210, 90, 330):
        _sector(view, x + 22, angle, 18)


def _spider(view: View, x: float) -> None:
    def star(at: float) -> list[Point]:
        found = []
        for i in range(36):
            a = math.radians(10 * i + 5)
            r = 29 + 11 * max(-1, min(1, 2.2 * math.cos(6 * a)))
            found.append(view.at((at, r * math.cos(a), r * math.sin(a))))
        return found

    view.canvas.draw(polygon(star(x)), Pen(INK, 0.5), "#8f2f28")
    for step in (2, 4, 6):
        view.canvas.draw(polygon(star(x + 2 * step)), fill="#8f2f28")
    view.canvas.draw(polygon(star(x + 16)), Pen(INK, 0.5), COLOURS["red"])
    view.canvas.draw(view.disk("x", (x + 16, 0, 0), 13), Pen(INK, 0.4), WHITE)


def _washer(view: View, x: float, radii: tuple[float, float], colour: str) -> None:
    view.canvas.draw(view.disk("x", (x - 3, 0, 0), radii[0]), HAIR, mix(colour, "#000000", 0.25))
    view.canvas.draw(view.disk("x", (x, 0, 0), radii[0]), Pen(INK, 0.5), colour)
    view.canvas.draw(view.disk("x", (x, 0, 0), radii[1]), Pen(INK, 0.4), WHITE)


def _screws(view: View, x: float, reach: float, length: float) -> None:
    """Four socket screws with their heads towards us."""
    for y, z in ((-reach, reach), (-reach, -reach), (reach, reach), (reach, -reach)):
        view.line((x - 46, y, z), (x, y, z), pen=Pen(INK, 0.3, (2, 1.5)))
        view.cylinder("x", (x, y, z), 4, length)
        view.cylinder("x", (x + length, y, z), 8, 9, palette="dark")


def _pump_row(view: View) -> None:
    view.line((-90, 0, 0), (770, 0, 0), pen=CENTRE)
    view.cylinder("x", (-52, 0, 0), 112, 14)
    view.cylinder("x", (-38, 0, 0), 84, 88, palette="alloy")
    x, y = view.at((6, 60, 59))
    view.canvas.draw(
        polygon([(x - 9, y - 11), (x + 9, y - 7), (x + 9, y + 9), (x - 9, y + 5)]), Pen(INK, 0.5), "#39444a"
    )
    view.cylinder("x", (50, 0, 0), 92, 12, palette="alloy")
    view.bolts("x", (62, 0, 0), 78, count=4, size=6)
    view.canvas.draw(view.disk("x", (62, 0, 0), 48), Pen(INK, 0.5), "#5b6a72")
    view.cylinder("y", (6, 150, 60), 12, 10, palette="brass")
    view.line((6, 84, 60), (6, 150, 60), pen=Pen(INK, 0.35, (2, 1.5)))
    _washer(view, 150, (62, 42), "#cdb68a")
    _screws(view, 214, 46, 30)
    _washer(view, 314, (24, 13), "#39444a")
    _pump(view)
    _screws(view, 640, 40, 74)
    marks: list[tuple[str, Solid, Point]] = [
        ("7", (-10, 0, 84), (-6, -46)),
        ("8", (6, 160, 66), (-34, 20)),
        ("9", (150, 0, 62), (16, -48)),
        ("10", (252, -46, 46), (10, -44)),
        ("11", (312, 0, 24), (8, -62)),
        ("12", (520, 20, 55), (54, -40)),
        ("13", (470, 0, 128), (-36, -10)),
        ("14", (470, 142, 0), (-48, 2)),
        ("15", (452, 0, -98), (-46, 12)),
        ("16", (444, 0, -124), (-46, 26)),
        ("17", (470, 0, -232), (40, 8)),
        ("18", (722, 40, -40), (12, 36)),
    ]
    _callouts(view, marks)


def _pump(view: View) -> None:
    view.cylinder("x", (352, 0, 0), 11, 40)
    view.box((392, -62, -58), (14, 124, 116), COLOURS["steel"])
    view.line((470, 0, -55), (470, 0, -240), pen=Pen(INK, 0.35, (4, 2)))
    view.cylinder("z", (470, 0, -250), 24, 62, palette="steel")
    for z in (-236, -222, -208):
        view.canvas.draw(view.arc("z", (470, 0, z), 24, -35, 145), HAIR)
    view.cylinder("z", (470, 0, -188), 11, 52, palette="steel")
    view.box((440, -30, -130), (60, 60, 12), COLOURS["steel"], HAIR)
    view.canvas.draw(view.disk("z", (470, 0, -98), 18), Pen("#39444a", 2.2))
    view.box((406, -50, -54), (104, 100, 108), "#4b575e")
    view.box((510, -50, -54), (22, 100, 108), "#6d7a81")
    view.bolts("x", (532, 0, 0), 57, count=4, size=7)
    view.line((470, 0, 54), (470, 0, 130), pen=Pen(INK, 0.35, (2, 1.5)))
    view.cylinder("z", (470, 0, 92), 8, 20, palette="brass")
    view.cylinder("z", (470, 0, 112), 14, 14, palette="brass")
    view.line((470, 50, 0), (470, 130, 0), pen=Pen(INK, 0.35, (2, 1.5)))
    view.box((448, 112, -22), (44, 12, 44), COLOURS["steel"], HAIR)
    view.cylinder("y", (470, 124, 0), 12, 18, palette="steel")


def _callouts(view: View, marks: list[tuple[str, Solid, Point]]) -> None:
    for label, target, (dx, dy) in marks:
        x, y = view.at(target)
        balloon(view.canvas, x + dx, y + dy, label, (x, y))
