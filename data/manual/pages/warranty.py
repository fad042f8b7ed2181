"""Chapter 17: warranty and disposal."""

from manual.canvas import GREY, INK, ORANGE, PETROL, WHITE, Canvas, Pen, Style, circle, polygon, rectangle
from manual.flow import CAUTION
from manual.sheet import LEFT, WIDTH, Sheet
from manual.table import Field, TableLook, draw_table

WASTE = (
    ("Used hydraulic oil HLP", "13 01 10 H", "about 24 l", "collector of used oil; never mix with solvents"),
    ("Oil filters, rags, granules", "15 02 02 H", "1 to 3 kg", "closed steel drum"),
    ("Hoses with oil in them", "16 01 21 H", "4 kg", "drain first, then as hazardous waste"),
    ("Tank, lid, drip tray, motor", "17 04 05", "82 kg", "scrap metal, drained and wiped"),
    ("Control unit CU-3, power supply", "16 02 14", "3 kg", "electronic scrap"),
    ("Lithium cell CR2032", "16 06 05", "3 g", "battery box; do not crush"),
    ("Coupling spider, seals", "07 02 13", "0.2 kg", "plastics"),
)
PERIODS = (
    ("Gear pump, manifold, valves", "24 months", "3 000 h"),
    ("Electric motor", "24 months", "no limit"),
    ("Control unit CU-3", "36 months", "no limit"),
    ("Hoses", "12 months", "1 500 h"),
    ("Solenoid coils", "24 months", "2 million lifts"),
)


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    left = sheet.column(y=108, width=302)
    left.head("What is covered")
    left.set(
        "Quellmar Hydraulics gives a warranty of *24 months* from the day of delivery, or 3 000 hours of the "
        "motor, whichever "
        "comes first. Within this time parts that fail through a fault of material or making are replaced free of "
        "charge. Work, travel and the oil are paid by Quellmar in the first twelve months."
    )
    left.head("What is not covered")
    left.bullets(
        [
            "Wear: seals, coupling spider, filter elements, hoses after six years.",
            "A broken seal on the relief valve.",
            "Damage by water in the oil above 0.1 %, or by oil of another kind.",
            "Running with the wrong direction of rotation.",
            "Service not done at 1 000 hours, or done without a record.",
        ],
        after=1.5,
    )
    _card(sheet.canvas, LEFT + 322, 126)
    left.move(4)
    fields = (Field("Part", 46), Field("Time", 24), Field("or at most", 30))
    draw_table(left, fields, PERIODS, TableLook(size=8.2, pad=2.8))
    steps = sheet.column(y=left.y + 4)
    steps.head("How to make a claim")
    steps.steps(
        [
            "Write to service@quellmar.example within 14 days: serial number, hours of the motor, error codes, "
            "a photograph.",
            "Wait for the return number (RMA). Parcels without this number are sent back.",
            "Drain the part, close its ports with plugs, pack it in a bag, add a copy of the record of the first run.",
            "You get a report after ten working days. The old part stays with Quellmar.",
        ],
        after=2,
    )
    waste = sheet.column(y=steps.y + 2)
    waste.head("Disposal at the end of life")
    fields = (
        Field("What", 32), Field("Waste code (EWC)", 20, face="B"), Field("Amount", 15), Field("How", 42),
    )  # fmt: skip
    draw_table(waste, fields, WASTE, TableLook(size=8.2, pad=3.3))
    waste.set("H marks hazardous waste. Keep the papers of the collector for three years.", Style("I", 7.8, GREY))
    _bin(sheet.canvas, LEFT + 26, waste.y + 34)
    last = sheet.column(x=LEFT + 66, y=waste.y + 2, width=WIDTH - 66)
    last.box(
        CAUTION,
        "One litre of oil makes a million litres of drinking water unfit. Drain into a tray, plug every port, "
        "and carry the "
        "unit upright.",
    )


def _card(canvas: Canvas, x: float, y: float) -> None:
    """The card that is filled in at delivery."""
    canvas.draw(rectangle(x, y, 171, 282, 6), Pen(PETROL, 1), "#fdfaf4")
    canvas.draw(rectangle(x, y, 171, 30, 6), fill=PETROL)
    canvas.draw(rectangle(x, y + 20, 171, 10), fill=PETROL)
    canvas.text(x + 85, y + 20, "Warranty card", Style("B", 12, WHITE), align="centre")
    fields = ("Serial number", "Day of delivery", "Owner", "Fitted by", "Hours at hand-over")
    for i, name in enumerate(fields):
        top = y + 56 + 36 * i
        canvas.text(x + 12, top - 6, name, Style("C", 7.6, GREY))
        canvas.line((x + 12, top + 6), (x + 159, top + 6), pen=Pen(INK, 0.5, (1, 1.6)))
    canvas.draw(circle(x + 136, y + 251, 22), Pen(ORANGE, 1.2, (3, 1.5)))
    canvas.text(x + 136, y + 250, "stamp of", Style("C", 7, ORANGE), align="centre")
    canvas.text(x + 136, y + 258, "the dealer", Style("C", 7, ORANGE), align="centre")
    canvas.text(x + 12, y + 264, "Signature", Style("C", 7.6, GREY))
    canvas.line((x + 12, y + 253), (x + 104, y + 253), pen=Pen(INK, 0.5))


def _bin(canvas: Canvas, x: float, y: float) -> None:
    """The crossed-out bin for electrical waste."""
    canvas.draw(polygon([(x - 14, y - 16), (x + 14, y - 16), (x + 11, y + 18), (x - 11, y + 18)]), Pen(INK, 1.4), WHITE)
    canvas.draw(rectangle(x - 17, y - 21, 34, 5, 1), Pen(INK, 1.2), WHITE)
    canvas.draw(circle(x + 8, y + 20, 4), Pen(INK, 1.2), WHITE)
    for dx in (-6, 0, 6):
        canvas.line((x + dx, y - 11), (x + dx * 0.85, y + 13), pen=Pen(INK, 1))
    for way in (-1, 1):
        canvas.line((x - 24, y - 26 * way), (x + 24, y + 26 * way), pen=Pen(INK, 1.8))
    canvas.draw(rectangle(x - 17, y + 30, 34, 5), fill=INK)
