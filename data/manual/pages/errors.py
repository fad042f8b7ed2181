"""Chapter 13: error codes of the control unit CU-3."""

from manual.canvas import GREY, INK, PETROL, WHITE, Canvas, Pen, Style, circle, polygon, rectangle
from manual.flow import NOTICE
from manual.sheet import LEFT, WIDTH, Sheet
from manual.table import Field, TableLook, draw_table

CODES = (
    ("E01", "Mains: a phase is missing or the order is wrong", "stop", "Fuses, Q0; swap two phases at the mains"),
    (
        "E02",
        "Emergency stop chain: only one of the two contacts of S0 is open",
        "stop",
        "Renew S0 (QH-7024), wires VT to CU-3:3 and :4",
    ),
    ("E03", "Motor protection Q1 has tripped", "stop", "Let it cool; more than 8.3 A? Bearing, pump"),
    ("E04", "Contactor K1 does not follow its signal", "stop", "Coil 24 V at CU-3:12; welded contacts: QH-7018"),
    ("E05", "Oil level below 15 litres", "stop", "Find the leak, then top up; switch B2"),
    ("E06", "Oil hotter than 70 °C", "lower only", "Let it cool; duty, relief valve, fan"),
    ("E07", "No pressure after 3 s: the pump draws air", "stop", "Oil level, suction flange; bleed the pump"),
    ("E08", "Pressure above 240 bar", "stop", "Relief valve QH-4423 blocked; set it again"),
    ("E09", "Sensor B1: signal below 3.6 mA, broken wire", "warning", "Plug M12, wire BK; renew QH-4471"),
    ("E10", "Sensor B1: signal above 21 mA, short circuit", "warning", "Water in the plug; renew cable QH-7052"),
    ("E11", "Return filter clogged for more than 60 s", "warning", "Renew QH-6104; cold oil: wait until 25 °C"),
    ("E12", "Solenoid Y1: open circuit", "stop", "Coil 19 Ω? Wire OG, terminal 10"),
    ("E13", "Solenoid Y2: open circuit", "lower by hand", "Coil 19 Ω? Wire OG, terminal 11"),
    ("E14", "RAISE and LOWER pressed together for 2 s", "stop", "Let go; jammed button QH-7027 or QH-7028"),
    ("E15", "RAISE pressed while the unit was switched on", "stop", "Let go of the button, then press it again"),
    ("E16", "Stroke takes longer than 40 s", "stop", "Load too heavy, pump worn, limit switch W4"),
    ("E17", "Control voltage below 20 V", "stop", "T1 gives less than 24 V; F3; loose terminal 1"),
    ("E18", "Clock has lost its time", "warning", "Lithium cell CR2032 (QH-7004), set the clock"),
    ("E19", "Service due: 1 000 hours since the last one", "warning", "Do the service, then reset (see below)"),
    ("E20", "Memory fault in CU-3", "stop", "Switch off for 10 s; comes back: renew QH-7003"),
)
# segments a to g of each sign (a on top, then clockwise, g in the middle)
SEGMENTS = {"E": "adefg", "0": "abcdef", "7": "abc", "1": "bc", "4": "bcfg", "2": "abdeg"}
GLOW, DARK = "#7df0c4", "#1f3b36"


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    _display(sheet.canvas, LEFT, 112)
    column = sheet.column(x=LEFT + 232, y=106, width=WIDTH - 232)
    column.head("Reading the display")
    column.bullets(
        [
            "The red lamp is lit and a code stands still: the error is *present*.",
            "The yellow lamp blinks: a *warning*; the unit goes on working.",
            "A code with a dot after it is *stored*: it was there and has gone. S1 shows older ones, the last "
            "50 are kept.",
            "*Reset*: press S1 and S2 together for three seconds after the cause has been removed.",
        ],
        after=1,
    )
    table = sheet.column(y=248)
    fields = (
        Field("Code", 9, face="D"),
        Field("Meaning", 41),
        Field("Unit does", 15),
        Field("What to check, what to renew", 46),
    )
    draw_table(table, fields, CODES, TableLook(size=8.2, pad=4.9))
    table.move(3)
    table.box(
        NOTICE,
        "To reset the service counter (E19): hold S2, switch on the main switch, let go of S2 after the display has "
        "counted from 9 to 0. The hours of the motor are not changed by this.",
    )


def _display(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(rectangle(x, y, 212, 112, 8), Pen(INK, 0.9), "#d9dfe1")
    canvas.draw(rectangle(x + 10, y + 10, 130, 70, 4), Pen(INK, 0.8), "#14211f")
    for i, sign in enumerate("E07"):
        _sign(canvas, x + 24 + 38 * i, y + 21, sign)
    canvas.draw(circle(x + 134, y + 70, 2.2), fill=DARK)
    lamps = [("red: error", "#e5322d"), ("yellow: warning", "#6b5a22"), ("green: ready", "#1d4a2c")]
    for i, (name, colour) in enumerate(lamps):
        canvas.draw(circle(x + 153, y + 22 + 22 * i, 6), Pen(INK, 0.7), colour)
        canvas.text(x + 163, y + 24.6 + 22 * i, name, Style("C", 7.4))
    for i, (name, colour) in enumerate((("S1 RAISE", WHITE), ("S2 LOWER", "#333c41"))):
        left = x + 42 + 62 * i
        canvas.draw(circle(left, y + 95, 8), Pen(INK, 0.8), colour)
        way = -1 if i == 0 else 1
        tip = [(left - 4, y + 95 - 2 * way), (left + 4, y + 95 - 2 * way), (left, y + 95 + 4 * way)]
        canvas.draw(polygon(tip), fill=PETROL if i == 0 else WHITE)
        canvas.text(left + 11, y + 97.8, name, Style("D", 7.6))
    canvas.text(
        x + 106, y + 122, "Fig. 13.1  Display of CU-3 with a present error", Style("I", 7.8, GREY), align="centre"
    )


def _sign(canvas: Canvas, x: float, y: float, sign: str) -> None:
    """One sign of a seven-segment display, 26 x 48 points."""
    width, half = 26.0, 24.0
    right, low, tall = x + width - 5, y + half + 2, half - 6
    bars = {
        "a": (x + 4, y, width - 8, 5),
        "g": (x + 4, y + half - 2.5, width - 8, 5),
        "d": (x + 4, y + 2 * half - 5, width - 8, 5),
        "f": (x, y + 4, 5, tall),
        "b": (right, y + 4, 5, tall),
        "e": (x, low, 5, tall),
        "c": (right, low, 5, tall),
    }
    for name, bar in bars.items():
        canvas.draw(rectangle(*bar, 1.6), fill=GLOW if name in SEGMENTS[sign] else DARK)
