"""Chapter 1: safety."""

import math

from manual.canvas import GREY, INK, MIST, RULE, WHITE, Canvas, Path, Pen, Style, circle, polygon, rectangle
from manual.flow import CAUTION, DANGER, WARNING
from manual.sheet import LEFT, WIDTH, Sheet

BLUE, YELLOW = "#1460a8", "#f2c230"


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    column = sheet.column(y=110)
    column.box(
        DANGER,
        "*Stored pressure.* A raised load keeps the cylinder and the hoses at up to 210 bar, also when the motor "
        "stands still. Lower the load to its stops, or prop it, and open the hand lowering valve until the gauge "
        "shows 0 bar before you loosen any union.",
    )
    column.box(
        WARNING,
        "*Oil under pressure goes through skin.* Never feel for a leak with the hand: use a piece of cardboard. If oil "
        "has been injected, go to a hospital at once, even if the wound looks harmless, and take this page with you.",
    )
    column.box(CAUTION, "*Hot surfaces.* After an hour of work the motor and the filter head reach 75 °C. Wear gloves.")
    _lock_out(sheet, column.y + 4)
    _columns(sheet, 482)
    _first_aid(sheet, 622)
    _signs(sheet, 738)


def _lock_out(sheet: Sheet, top: float) -> None:
    column = sheet.column(y=top, width=296)
    column.head("Making the unit safe (lock-out)")
    column.steps(
        [
            "Lower the load. Press the emergency stop S0.",
            "Turn the main switch Q0 to 0 and hang your own padlock in it. One person, one padlock, one key.",
            "Open the hand lowering valve by two turns and wait until the gauge has gone down to 0 bar.",
            "Try to start: press RAISE. Nothing may move.",
            "Hang up the sign *Do not switch on* with your name and the date.",
        ]
    )
    _padlock_drawing(sheet.canvas, LEFT + 400, top + 68)
    style = Style("I", 7.8, GREY)
    sheet.canvas.text(LEFT + 400, top + 158, "Main switch Q0 at 0, locked", style, align="centre")


def _padlock_drawing(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(rectangle(x - 75, y - 60, 150, 140, 8), Pen(INK, 0.8), "#e3e8ea")
    canvas.draw(rectangle(x - 44, y - 48, 88, 88, 4), Pen(INK, 0.6), YELLOW)
    canvas.draw(circle(x, y - 4, 34), Pen(INK, 0.7), "#c1121f")
    canvas.draw(rectangle(x - 8, y - 40, 16, 72, 5), Pen(INK, 0.7), "#9d0f1a")
    canvas.text(x - 58, y - 1, "I", Style("B", 13), align="centre")
    canvas.text(x, y - 51, "0", Style("B", 9), align="centre")
    canvas.draw(
        Path().move(x - 9, y + 46).line(x - 9, y + 30).arc((x, y + 30), 9, 180, 360).line(x + 9, y + 46), Pen(INK, 5)
    )
    canvas.draw(
        Path().move(x - 9, y + 46).line(x - 9, y + 30).arc((x, y + 30), 9, 180, 360).line(x + 9, y + 46),
        Pen("#c9d1d4", 3.6),
    )
    canvas.draw(rectangle(x - 17, y + 44, 34, 28, 3), Pen(INK, 0.8), "#d3a93a")
    canvas.draw(circle(x, y + 56, 3), fill=INK)
    canvas.draw(polygon([(x - 1.2, y + 56), (x + 1.2, y + 56), (x + 2, y + 64), (x - 2, y + 64)]), fill=INK)


def _columns(sheet: Sheet, top: float) -> None:
    left = sheet.column(y=top, width=236)
    left.head("Intended use")
    left.set(
        "The HA 24 drives one double-acting cylinder or lift table with hydraulic oil, indoors, on level ground. "
        "It is not made for lifting people, for rooms with explosive gases or dust, or for water-glycol fluids. "
        "Any change to the relief valve seal ends the type approval."
    )
    right = sheet.column(x=LEFT + 257, y=top, width=236)
    right.head("Who may do what")
    right.bullets(
        [
            "*Operators*: daily check, raising, lowering, hand lowering.",
            "*Mechanics* trained in hydraulics: all work of chapters 4 to 14.",
            "*Electricians*: everything behind the door of the control box.",
            "Nobody under 18 works on the unit without supervision.",
        ],
        after=1,
    )


def _first_aid(sheet: Sheet, top: float) -> None:
    sheet.canvas.draw(rectangle(LEFT, top, WIDTH, 68, 3), fill=MIST)
    advice = [
        ("Oil in the eye", "Rinse for ten minutes with clean water, hold the lids open. Then see an eye doctor."),
        ("Fire", "Press S0. Use foam, powder or carbon dioxide. Water spreads burning oil: never use it."),
        ("A hose has burst", "Press S0, keep away from the load, cover drains, bind the oil with granules."),
    ]
    for i, (title, text) in enumerate(advice):
        column = sheet.column(x=LEFT + 12 + 160 * i, y=top + 6, width=148)
        column.minor(title)
        column.set(text, Style("R", 8.4))


def _signs(sheet: Sheet, y: float) -> None:
    canvas = sheet.canvas
    canvas.line((LEFT, y - 27), (LEFT + WIDTH, y - 27), pen=Pen(RULE, 0.5))
    signs = [
        (_goggles, "Wear safety glasses"),
        (_glove, "Wear oil-proof gloves"),
        (_boot, "Wear safety shoes"),
        (_bolt, "Live parts"),
        (_hot, "Hot surface"),
        (_jet, "Jet of oil"),
    ]
    step = WIDTH / len(signs)
    for i, (sign, name) in enumerate(signs):
        x = LEFT + step * (i + 0.5)
        sign(canvas, x, y + 9)
        canvas.text(x, y + 48, name, Style("R", 7.6, INK), align="centre")


def _mandatory(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(circle(x, y, 25), Pen(WHITE, 1), BLUE)


def _triangle(canvas: Canvas, x: float, y: float) -> None:
    corners = [(x - 28, y + 23), (x + 28, y + 23), (x, y - 26)]
    canvas.draw(polygon(corners), Pen(INK, 3), YELLOW)


def _goggles(canvas: Canvas, x: float, y: float) -> None:
    _mandatory(canvas, x, y)
    canvas.draw(
        Path().move(x - 13, y + 16).curve((x - 18, y - 26), (x + 18, y - 26), (x + 13, y + 16)).close(), fill=WHITE
    )
    for side in (-1, 1):
        canvas.draw(rectangle(x + side * 7 - 6, y - 6, 12, 8, 3), Pen(BLUE, 1.6), WHITE)
    canvas.line((x - 14, y - 3), (x - 12, y - 3), pen=Pen(BLUE, 1.6))
    canvas.line((x + 12, y - 3), (x + 14, y - 3), pen=Pen(BLUE, 1.6))
    canvas.line((x - 4, y + 10), (x + 4, y + 10), pen=Pen(BLUE, 1.4))


def _glove(canvas: Canvas, x: float, y: float) -> None:
    _mandatory(canvas, x, y)
    canvas.draw(rectangle(x - 8, y + 8, 16, 9, 1.5), fill=WHITE)
    canvas.draw(rectangle(x - 9, y - 5, 18, 12, 3), fill=WHITE)
    for i, height in enumerate((9, 12, 11.5, 8)):
        canvas.draw(rectangle(x - 9 + 4.7 * i, y - 3 - height, 3.9, height + 4, 1.9), fill=WHITE)
    canvas.line((x - 7.5, y + 3), (x - 14, y - 4), pen=Pen(WHITE, 4.2))


def _boot(canvas: Canvas, x: float, y: float) -> None:
    _mandatory(canvas, x, y)
    outline = Path().move(x - 9, y - 15).line(x + 2, y - 15).line(x + 3, y - 1)
    outline.curve((x + 6, y + 4), (x + 15, y + 3), (x + 15, y + 10)).line(x - 9, y + 10).close()
    canvas.draw(outline, fill=WHITE)
    canvas.draw(rectangle(x - 9, y + 11.5, 24, 3), fill=WHITE)


def _bolt(canvas: Canvas, x: float, y: float) -> None:
    _triangle(canvas, x, y)
    canvas.draw(
        polygon([(x + 3, y - 13), (x - 6, y + 6), (x, y + 5), (x - 4, y + 19), (x + 7, y - 1), (x + 1, y)]), fill=INK
    )


def _hot(canvas: Canvas, x: float, y: float) -> None:
    _triangle(canvas, x, y)
    for dx in (-8, 0, 8):
        wave = Path().move(x + dx, y + 12)
        wave.curve((x + dx - 5, y + 7), (x + dx + 5, y + 3), (x + dx, y - 3 + abs(dx) * 0.3))
        canvas.draw(wave, Pen(INK, 1.8))
    canvas.line((x - 15, y + 17), (x + 15, y + 17), pen=Pen(INK, 2.2))


def _jet(canvas: Canvas, x: float, y: float) -> None:
    _triangle(canvas, x, y)
    canvas.draw(rectangle(x - 17, y + 8, 11, 7, 1), fill=INK)
    for angle in (-24, -12, 0, 12):
        a = math.radians(angle)
        canvas.line((x - 4, y + 11.5), (x - 4 + 17 * math.cos(a), y + 11.5 + 17 * math.sin(a) - 2), pen=Pen(INK, 1.2))
    canvas.draw(rectangle(x + 3, y - 12, 6, 10, 2), fill=INK)
