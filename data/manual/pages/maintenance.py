"""Chapter 11: maintenance intervals and where the points are."""

from manual.canvas import GREY, INK, MIST, ORANGE, PETROL, RULE, WHITE, Canvas, Pen, Style, circle, rectangle
from manual.flow import NOTICE, balloon, put_line, wrap
from manual.machine import power_unit
from manual.sheet import LEFT, WIDTH, Sheet
from manual.solid import Solid, View

INTERVALS = ("daily", "50 h\nonce", "250 h", "1 000 h\nor yearly", "3 000 h\nor 3 years", "6 years")
TASKS: tuple[tuple[str, str, str, str], ...] = (
    ("1", "Oil level between the marks, no foam, no milky colour", "c-----", "operator"),
    ("2", "Leaks at unions, hoses, shaft seal; oil in the drip tray", "c-----", "operator"),
    ("3", "Noise and vibration of motor and pump", "c-----", "operator"),
    ("4", "Clogging switch S3 of the return filter", "c-----", "operator"),
    ("5", "Tightness of all unions and of the anchors", "-cc---", "mechanic"),
    ("6", "Fan cowl and fins of the motor: free of dust", "--n---", "operator"),
    ("7", "Breather QH-6131", "--cr--", "mechanic"),
    ("8", "Return filter element QH-6104", "-r-r--", "mechanic"),
    ("9", "Oil sample to the laboratory (200 ml, warm)", "---c--", "mechanic"),
    ("10", "Hydraulic oil HLP 46, 24 litres", "----r-", "mechanic"),
    ("11", "Tank and suction strainer QH-3155", "----n-", "mechanic"),
    ("12", "Relief valve: opening pressure against the test gauge", "---c--", "mechanic"),
    ("13", "Coupling spider QH-2214: teeth, play below 2 mm", "---cr-", "mechanic"),
    ("14", "Hoses on ports A and B, by the date on the sleeve", "---c-r", "mechanic"),
    ("15", "Emergency stop, motor protection, earth resistance", "---c--", "electrician"),
    ("16", "Lithium cell CR2032 of the control unit", "----r-", "electrician"),
)
MARKS = {"c": (WHITE, "check"), "n": ("#7fb0bd", "clean"), "r": (ORANGE, "renew")}
TASK, STEP, DONE = 234.0, 33.5, 58.0  # widths of the columns


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    bottom = _matrix(sheet.canvas, 112)
    _key(sheet.canvas, bottom + 14)
    _points(sheet, bottom + 30)


def _matrix(canvas: Canvas, top: float) -> float:
    canvas.draw(rectangle(LEFT, top, WIDTH, 30), fill=PETROL)
    head = Style("B", 8, WHITE)
    canvas.text(LEFT + 24, top + 18.5, "What is to be done", head)
    canvas.text(LEFT + WIDTH - DONE + 6, top + 18.5, "By whom", head)
    for i, interval in enumerate(INTERVALS):
        lines = interval.split("\n")
        for k, line in enumerate(lines):
            y = top + (18.5 if len(lines) == 1 else 13.5 + 10 * k)
            canvas.text(LEFT + TASK + STEP * (i + 0.5), y, line, Style("D", 7.4, WHITE), align="centre")
    y = top + 30
    for row, (number, task, marks, person) in enumerate(TASKS):
        lines = wrap(task, Style("R", 8.2), TASK - 28)
        height = 19.2 if len(lines) == 1 else 27
        if row % 2:
            canvas.draw(rectangle(LEFT, y, WIDTH, height), fill="#f4f7f8")
        canvas.text(LEFT + 11, y + height / 2 + 2.9, number, Style("D", 8.4, PETROL), align="centre")
        for k, line in enumerate(lines):
            put_line(canvas, LEFT + 24, y + height / 2 + 2.9 + 10 * (k - (len(lines) - 1) / 2), line, Style("R", 8.2))
        for i, mark in enumerate(marks):
            if mark != "-":
                _mark(canvas, LEFT + TASK + STEP * (i + 0.5), y + height / 2, mark)
        canvas.text(LEFT + WIDTH - DONE + 6, y + height / 2 + 2.9, person, Style("R", 8))
        y += height
        canvas.line((LEFT, y), (LEFT + WIDTH, y), pen=Pen(RULE, 0.35))
    for i in range(7):
        x = LEFT + TASK + STEP * i
        canvas.line((x, top + 30), (x, y), pen=Pen(RULE, 0.35))
    canvas.line((LEFT, y), (LEFT + WIDTH, y), pen=Pen(PETROL, 0.8))
    return y


def _mark(canvas: Canvas, x: float, y: float, mark: str) -> None:
    canvas.draw(circle(x, y, 5), Pen(INK, 0.8), MARKS[mark][0])
    if mark == "r":
        canvas.draw(circle(x, y, 1.6), fill=WHITE)
    if mark == "n":
        canvas.line((x - 3, y + 3), (x + 3, y - 3), pen=Pen(INK, 0.7))


def _key(canvas: Canvas, y: float) -> None:
    x = LEFT + 4
    for mark, (_, name) in MARKS.items():
        _mark(canvas, x + 4, y, mark)
        x += 13 + canvas.text(x + 13, y + 2.9, name, Style("R", 8.2)) + 16
    canvas.text(
        x + 6,
        y + 2.9,
        "Hours are hours of the motor; the display shows them after S2 is held for five seconds.",
        Style("I", 7.8, GREY),
    )


def _points(sheet: Sheet, top: float) -> None:
    canvas = sheet.canvas
    canvas.draw(rectangle(LEFT, top, 300, 786 - top, 4), fill=MIST)
    view = View(canvas, (LEFT + 108, top + 152), 0.29, 27, 24)
    power_unit(view)
    targets: list[tuple[str, Solid, tuple[float, float]]] = [
        ("6", (30, 150, 532), (-36, -14)),
        ("13", (350, 150, 510), (22, -32)),
        ("3", (470, 150, 500), (64, -10)),
        ("12", (634, 330, 380), (50, -16)),
        ("8", (92, 340, 490), (-52, -8)),
        ("7", (240, 356, 402), (-104, 16)),
        ("1", (508, 421, 200), (20, 78)),
        ("14", (550, 394, 382), (76, 20)),
        ("11", (648, 200, 190), (4, 84)),
        ("10", (330, 434, 84), (-22, 46)),
        ("16", (130, 501, 256), (-68, 38)),
    ]
    for number, target, (dx, dy) in targets:
        x, y = view.at(target)
        balloon(canvas, x + dx, y + dy, number, (x, y))
    canvas.text(LEFT + 10, 780, "Fig. 11.1  Where the points of the table are", Style("I", 7.8, GREY))
    column = sheet.column(x=LEFT + 314, y=top - 4, width=WIDTH - 314)
    column.head("Changing the filter element")
    column.steps(
        [
            "Lock out. Take off the orange cover (four M8 bolts).",
            "Lift out the element slowly, let it drip, put it into a bag.",
            "Oil the O-ring QH-6114, set in the new element, *open end down*.",
            "Tighten the cover crosswise, 22 Nm. Reset S3 on the display.",
        ],
        Style("R", 8.5),
        after=2,
    )
    column.head("Oil that may be filled")
    column.bullets(
        [
            "HLP 46, DIN 51524-2: the rule.",
            "HLP 32 for halls below 5 °C.",
            "Never mix brands, never fill brake fluid.",
        ],
        Style("R", 8.5),
        after=1,
    )
    column.box(NOTICE, "Kit QH-9010 holds all for 1 000 hours: element, breather, O-rings.", Style("R", 8.4))
