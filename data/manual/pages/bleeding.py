"""Chapter 10: bleeding the pump, six steps with a drawing each."""

from collections.abc import Callable

from manual.canvas import GREY, INK, ORANGE, PETROL, WHITE, Canvas, Path, Pen, Style, circle, polygon, rectangle
from manual.flow import CAUTION, disc
from manual.machine import sight_glass
from manual.parts import part
from manual.sheet import LEFT, WIDTH, Sheet
from manual.solid import View

OIL, GREEN, RED = "#e0b04b", "#2e8b57", "#c1121f"
CELL, DRAWING = 176.0, 126.0


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    column = sheet.column(y=108)
    column.set(
        "Air in the pump makes a rattling noise, foam in the sight glass and a load that creeps. Bleed after the first "
        f"filling, after every change of oil, of the pump or the suction pipe, and when the display shows *E07* "
        f"({sheet.see('errors')})."
    )
    column.set(
        f"*Tools*: hex key 5 mm, torque wrench 5 to 25 Nm, bleed hose {part('QH-8139').number}, clear bottle 1 "
        "l, rags. "
        "*Time*: 15 minutes. *Persons*: one.",
        after=4,
    )
    steps: list[tuple[Callable[[Canvas, float, float], None], str]] = [
        (
            _pressureless,
            "*Lower the load, lock out.* Open the hand lowering valve until the gauge shows 0 bar. Oil below 40 °C.",
        ),
        (
            _find_screw,
            "*Find the bleed screw* (brass, G 1/8) on top of the pump, beside the pressure flange. Wipe it clean.",
        ),
        (
            _hose,
            "*Push the clear hose* on the screw, its other end under the oil in the bottle. Open *half a turn*, "
            "no more.",
        ),
        (
            _pulses,
            "*Jog the motor*: take off the lock, press RAISE for one second, wait five. Repeat four to six times.",
        ),
        (_bottles, "*Watch the hose.* Go on until the oil comes without bubbles for three jogs one after the other."),
        (
            _close,
            "*Close the screw*, 12 Nm. Top up to the upper mark. Run for two minutes without load, look for leaks.",
        ),
    ]
    top = column.y + 4
    for i, (drawing, text) in enumerate(steps):
        _cell(sheet, i, top, drawing, text)
    end = sheet.column(y=top + 3 * (CELL + 8) + 1)
    end.box(
        CAUTION,
        "Never open the screw while the motor runs: at 160 bar a jet of hot oil shoots out. If no oil comes after "
        "ten jogs, stop: the suction pipe draws air (see E07) or the motor turns the wrong way.",
    )


def _cell(sheet: Sheet, i: int, top: float, drawing: Callable[[Canvas, float, float], None], text: str) -> None:
    width = (WIDTH - 12) / 2
    x, y = LEFT + (i % 2) * (width + 12), top + (i // 2) * (CELL + 8)
    canvas = sheet.canvas
    canvas.draw(rectangle(x, y, width, CELL, 4), Pen("#9fb3ba", 0.7), WHITE)
    panel = rectangle(x + 0.5, y + 0.5, width - 1, DRAWING + 6, 3.5)
    canvas.draw(panel, fill="#eef4f5")
    with canvas.clip(panel):
        drawing(canvas, x + width / 2, y + DRAWING / 2 + 3)
    disc(canvas, x + 15, y + 15, str(i + 1), radius=10, colour=ORANGE)
    column = sheet.column(x=x + 10, y=y + DRAWING + 9, width=width - 20, end=y + CELL)
    column.set(text, Style("R", 8.5), after=0)


def _tick(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(circle(x, y, 9), fill=GREEN)
    canvas.line((x - 4.5, y), (x - 1, y + 4), (x + 5, y - 4), pen=Pen(WHITE, 2))


def _cross(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(circle(x, y, 9), fill=RED)
    for way in (-1, 1):
        canvas.line((x - 4, y - 4 * way), (x + 4, y + 4 * way), pen=Pen(WHITE, 2))


def _pressureless(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(circle(x - 48, y, 37), Pen(INK, 1), "#cfd7da")
    canvas.draw(circle(x - 48, y, 31), Pen(INK, 0.5), WHITE)
    for i in range(11):
        tick = Path().arc((x - 48, y), 27, 135 + 27 * i, 135.01 + 27 * i)
        start, stop = tick.parts[0][1][0], Path().arc((x - 48, y), 31, 135 + 27 * i, 135.01 + 27 * i).parts[0][1][0]
        canvas.line(start, stop, pen=Pen(INK, 0.8))
    for value, dx, dy in (("0", -14, 17), ("125", 0, -19), ("250", 13, 17)):
        canvas.text(x - 48 + dx, y + dy, value, Style("C", 7), align="centre")
    canvas.line((x - 48, y), (x - 65, y + 17), pen=Pen(RED, 1.6))
    canvas.draw(circle(x - 48, y, 3), fill=INK)
    canvas.text(x - 48, y + 12, "bar", Style("C", 6.5), align="centre")
    canvas.draw(rectangle(x + 26, y - 8, 58, 42, 3), Pen(INK, 0.8), "#b9c3c8")
    canvas.draw(rectangle(x + 48, y - 20, 14, 12), Pen(INK, 0.7), "#d3b463")
    canvas.draw(circle(x + 55, y - 28, 13), Pen(INK, 0.8), RED)
    for i in range(5):
        canvas.line((x + 47 + 4 * i, y - 33), (x + 47 + 4 * i, y - 23), pen=Pen("#7d0d15", 0.7))
    arc = Path().arc((x + 55, y - 28), 19, 150, 380)
    canvas.draw(arc, Pen(ORANGE, 1.8))
    canvas.draw(polygon([(x + 76, y - 26), (x + 68, y - 23), (x + 72, y - 15)]), fill=ORANGE)
    canvas.text(x + 55, y + 17, "open", Style("B", 8), align="centre")


def _pump_view(canvas: Canvas, x: float, y: float, lift: float) -> View:
    """The pump from the front, the bleed screw raised by `lift` millimetres."""
    view = View(canvas, (x - 10, y + 24), 0.5, 26, 26)
    view.cylinder("x", (-130, 0, 0), 62, 60, palette="alloy")
    view.cylinder("x", (-70, 0, 0), 72, 10)
    view.box((-60, -50, -54), (104, 100, 108), "#4b575e")
    view.box((44, -50, -54), (22, 100, 108), "#6d7a81")
    view.bolts("x", (66, 0, 0), 57, count=4, size=7)
    view.box((-14, 50, -22), (44, 10, 44), "#c3ccd0")
    view.cylinder("y", (8, 60, 0), 13, 60)
    view.cylinder("z", (-8, 0, 54), 16, 5, palette="brass")
    view.cylinder("z", (-8, 0, 59 + lift), 11, 14, palette="brass")
    return view


def _find_screw(canvas: Canvas, x: float, y: float) -> None:
    view = _pump_view(canvas, x, y, 0)
    sx, sy = view.at((-8, 0, 73))
    canvas.draw(circle(sx, sy + 2, 15), Pen(ORANGE, 1.6))
    canvas.arrow((sx + 62, sy - 22), (sx + 17, sy - 3), pen=Pen(ORANGE, 1.8), size=8)
    canvas.text(sx + 66, sy - 20, "G 1/8", Style("B", 9))


def _hose(canvas: Canvas, x: float, y: float) -> None:
    view = _pump_view(canvas, x - 34, y, 6)
    sx, sy = view.at((-8, 0, 82))
    hose = Path().move(sx, sy).curve((sx, sy - 34), (x + 64, sy - 36), (x + 68, y + 20))
    canvas.draw(hose, Pen(INK, 5))
    canvas.draw(hose, Pen("#f6e7c4", 3.8))
    _bottle(canvas, x + 68, y + 2, bubbles=False)
    canvas.draw(hose, Pen("#f6e7c4", 2.4))
    arc = Path().arc((sx, sy + 3), 14, 190, 10)
    canvas.draw(arc, Pen(ORANGE, 1.8))
    canvas.draw(polygon([(sx - 17, sy - 4), (sx - 10, sy - 2), (sx - 14, sy + 7)]), fill=ORANGE)
    canvas.text(sx - 22, sy - 8, "½ turn", Style("B", 9, ORANGE), align="right")


def _bottle(canvas: Canvas, x: float, y: float, *, bubbles: bool) -> None:
    body = rectangle(x - 19, y - 10, 38, 50, 5)
    canvas.draw(body, fill=WHITE)
    canvas.draw(rectangle(x - 18, y + 8, 36, 31, 4), fill=OIL)
    if bubbles:
        for dx, dy, r in (
            (-11, 14, 2.6),
            (-4, 20, 3.4),
            (6, 15, 2.2),
            (11, 24, 3),
            (-9, 30, 2),
            (2, 31, 2.6),
            (9, 34, 1.8),
            (0, 11, 2),
        ):
            canvas.draw(circle(x + dx, y + dy, r), Pen("#8a6414", 0.5), "#fff8e6")
    canvas.draw(body, Pen(INK, 0.9))
    canvas.draw(rectangle(x - 8, y - 19, 16, 9), Pen(INK, 0.8), WHITE)


def _pulses(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(circle(x - 82, y + 4, 20), Pen(INK, 0.9), "#333c41")
    canvas.draw(circle(x - 82, y + 4, 14), Pen(INK, 0.7), WHITE)
    canvas.draw(polygon([(x - 82, y - 5), (x - 90, y + 7), (x - 74, y + 7)]), fill=PETROL)
    canvas.text(x - 82, y + 36, "S1 RAISE", Style("B", 7.6), align="centre")
    left, base, high = x - 46, y + 22, y - 18
    canvas.arrow((left, base), (left + 154, base), pen=Pen(INK, 0.7), size=5)
    points = [(left, base)]
    for i in range(4):
        at = left + 6 + 36 * i
        points += [(at, base), (at, high), (at + 7, high), (at + 7, base)]
        canvas.draw(rectangle(at, high, 7, base - high), fill="#f6c9a8")
    canvas.line(*points, pen=Pen(ORANGE, 1.4))
    canvas.text(left + 9.5, high - 4, "1 s", Style("B", 7.6), align="centre")
    canvas.arrow((left + 13, y + 2), (left + 42, y + 2), pen=Pen(INK, 0.5), size=4, both=True)
    canvas.text(left + 27.5, y - 2, "5 s", Style("B", 7.6), align="centre")
    canvas.text(left + 152, base + 10, "time", Style("C", 7.2, GREY), align="right")
    canvas.text(left + 62, base + 11, "4 to 6 times", Style("B", 7.6), align="centre")


def _bottles(canvas: Canvas, x: float, y: float) -> None:
    for dx, bubbles in ((-46, True), (46, False)):
        tube = Path().move(x + dx, y + 16).line(x + dx, y - 40)
        _bottle(canvas, x + dx, y + 4, bubbles=bubbles)
        canvas.draw(tube, Pen(INK, 5.4))
        canvas.draw(tube, Pen(OIL, 4.2))
        for i in range(5 if bubbles else 0):
            canvas.draw(circle(x + dx + (0.7 if i % 2 else -0.7), y - 36 + 11 * i, 1.3), fill="#fff8e6")
    _cross(canvas, x - 82, y + 22)
    _tick(canvas, x + 82, y + 22)
    canvas.text(x - 76, y - 18, "go on", Style("B", 8, RED), align="right")
    canvas.text(x + 76, y - 18, "ready", Style("B", 8, GREEN))


def _close(canvas: Canvas, x: float, y: float) -> None:
    view = _pump_view(canvas, x - 34, y + 8, 0)
    sx, sy = view.at((-8, 0, 75))
    canvas.line((sx, sy), (sx, sy - 16), pen=Pen(INK, 5))
    canvas.line((sx, sy - 18), (sx + 74, sy - 28), pen=Pen(INK, 7))
    canvas.line((sx, sy - 18), (sx + 74, sy - 28), pen=Pen("#cfd7da", 5))
    canvas.line((sx + 50, sy - 24.8), (sx + 76, sy - 28.3), pen=Pen("#c1121f", 6))
    canvas.draw(circle(sx, sy - 18, 7), Pen(INK, 0.8), "#aab7bd")
    canvas.text(sx + 8, sy - 34, "12 Nm", Style("B", 10, ORANGE))
    glass = View(canvas, (x + 62, y + 46), 0.5, 12, 12)
    sight_glass(glass, (0, 0, 0))
    canvas.text(x + 92, y - 12, "max", Style("C", 7.2))
    canvas.text(x + 92, y + 19, "min", Style("C", 7.2))
