"""The power unit itself, drawn in parallel projection for the cover and the maintenance points."""

import math

from manual.canvas import HAIR, INK, ORANGE, PETROL, WHITE, Pen
from manual.solid import Solid, View

TANK, BLOCK, BLACK, BOX, LID, RUBBER = "#2f7488", "#b9c3c8", "#4b575e", "#d9dfe1", "#cfd7da", "#333c41"


def power_unit(view: View) -> None:
    """The whole unit, from the drip tray up. Units are millimetres; (0, 0, 0) is the far corner of the tank."""
    _tank(view)
    _motor(view)
    _pump(view)
    _filters(view)
    _manifold(view)
    _control_box(view)


def _tank(view: View) -> None:
    view.box((-45, -45, 0), (730, 560, 34), "#8b989e")
    for x in (10, 560):
        view.box((x, 350, 34), (70, 60, 26), RUBBER)
    view.box((0, 0, 60), (640, 420, 262), TANK)
    view.box((-10, -10, 322), (660, 440, 14), LID)
    for x in (40, 225, 415, 600):
        view.canvas.draw(view.disk("z", (x, 412, 336), 7), HAIR, "#8b979d")
    view.canvas.draw(view.disk("x", (640, 200, 190), 92), Pen(INK, 0.7), "#255f70")
    view.canvas.draw(view.disk("x", (648, 200, 190), 86), Pen(INK, 0.5), "#3a8297")
    view.bolts("x", (648, 200, 190), 72, count=8, size=7)
    sight_glass(view, (486, 421, 110))
    view.cylinder("y", (330, 420, 84), 13, 14, palette="brass")


def sight_glass(view: View, corner: Solid) -> None:
    """Oil level glass with thermometer on the front of the tank."""
    x, y, z = corner
    view.face([(x, y, z), (x + 44, y, z), (x + 44, y, z + 170), (x, y, z + 170)], BOX)
    view.face([(x + 10, y, z + 22), (x + 34, y, z + 22), (x + 34, y, z + 150), (x + 10, y, z + 150)], WHITE, HAIR)
    view.face([(x + 10, y, z + 22), (x + 34, y, z + 22), (x + 34, y, z + 104), (x + 10, y, z + 104)], "#e0b04b", HAIR)
    view.line((x + 4, y, z + 122), (x + 40, y, z + 122), pen=Pen("#c1121f", 0.8))
    view.line((x + 4, y, z + 58), (x + 40, y, z + 58), pen=Pen("#c1121f", 0.8))


def _motor(view: View) -> None:
    view.box((95, 70, 336), (190, 160, 18), BLACK)
    view.cylinder("x", (14, 150, 440), 92, 52, palette="dark")
    view.cylinder("x", (66, 150, 440), 88, 232, palette="petrol")
    for i in range(9):
        a = math.radians(-75 + i * 20)
        y, z = 150 + 88 * math.cos(a), 440 + 88 * math.sin(a)
        view.line((74, y, z), (290, y, z), pen=Pen("#1c5566", 0.5))
    view.box((140, 100, 520), (120, 104, 52), "#3a8297")
    view.cylinder("x", (298, 150, 440), 100, 14, palette="steel")


def _pump(view: View) -> None:
    view.cylinder("x", (312, 150, 440), 70, 78, palette="alloy")
    view.cylinder("x", (390, 150, 440), 82, 12, palette="steel")
    view.box((402, 92, 390), (86, 112, 104), BLACK)
    view.box((488, 98, 396), (16, 100, 92), "#6d7a81")
    view.bolts("x", (504, 148, 442), 50, count=4, size=8)
    view.cylinder("z", (446, 150, 494), 15, 26, palette="brass")
    view.cylinder("z", (446, 204, 336), 17, 70, palette="steel")


def _filters(view: View) -> None:
    view.cylinder("z", (92, 340, 336), 62, 16, palette="steel")
    view.cylinder("z", (92, 340, 352), 50, 112, palette="alloy")
    view.cylinder("z", (92, 340, 464), 56, 26, palette="orange")
    view.bolts("z", (92, 340, 490), 40, count=4, size=7)
    view.cylinder("z", (240, 356, 336), 26, 22, palette="steel")
    view.cylinder("z", (240, 356, 358), 38, 44, palette="dark")


def _manifold(view: View) -> None:
    view.box((420, 290, 336), (170, 104, 92), BLOCK)
    for x in (455, 550):
        view.canvas.draw(view.disk("y", (x, 394, 382), 19), Pen(INK, 0.5), "#7d8a91")
        view.canvas.draw(view.disk("y", (x, 394, 382), 11), HAIR, RUBBER)
    view.cylinder("x", (378, 340, 464), 29, 62, palette="dark")
    view.box((440, 304, 428), (124, 72, 70), "#8b989e")
    view.cylinder("x", (564, 340, 464), 29, 66, palette="dark")
    view.cylinder("x", (590, 330, 380), 14, 44, palette="brass")
    gauge(view, (350, 390, 420))


def gauge(view: View, place: Solid) -> None:
    """A pressure gauge on its stem, facing the front."""
    x, y, z = place
    view.cylinder("z", (x, y - 8, z - 84), 8, 50, palette="brass")
    view.cylinder("y", (x, y - 20, z), 46, 24, palette="steel")
    view.canvas.draw(view.disk("y", (x, y + 4, z), 38), HAIR, WHITE)
    for i in range(11):
        a = math.radians(225 - 27 * i)
        inner, outer = 31, 37
        one = (x + inner * math.cos(a), y + 4, z + inner * math.sin(a))
        view.line(one, (x + outer * math.cos(a), y + 4, z + outer * math.sin(a)), pen=HAIR)
    view.line((x, y + 4, z), (x + 24, y + 4, z + 20), pen=Pen("#c1121f", 0.9))


def _control_box(view: View) -> None:
    view.box((60, 420, 96), (196, 80, 214), BOX)
    front = 501
    view.face([(78, front, 222), (238, front, 222), (238, front, 292), (78, front, 292)], RUBBER)
    view.face([(90, front, 234), (172, front, 234), (172, front, 280), (90, front, 280)], "#9fd6c3", HAIR)
    lamps = [(192, 268, "#3aa55d"), (214, 268, "#e0a526"), (192, 246, "#c1121f"), (214, 246, "#d9dfe1")]
    for x, z, colour in lamps:
        view.canvas.draw(view.disk("y", (x, front, z), 7), HAIR, colour)
    view.canvas.draw(view.disk("y", (206, front, 152), 32), Pen(INK, 0.4), "#f2c230")
    view.cylinder("y", (206, 500, 152), 21, 22, palette="red")
    view.canvas.draw(view.disk("y", (116, front, 152), 24), Pen(INK, 0.4), BLACK)
    view.line((116, front, 134), (116, front, 170), pen=Pen(WHITE, 1.6))
    view.face([(290, 421, 214), (440, 421, 214), (440, 421, 268), (290, 421, 268)], WHITE, Pen(PETROL, 0.5))
    view.face([(290, 421, 250), (440, 421, 250), (440, 421, 268), (290, 421, 268)], ORANGE, None)
