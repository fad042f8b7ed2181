"""Chapter 9: start-up, with the check list, the direction of rotation and the pressure setting."""

from manual.canvas import GREY, INK, PETROL, WHITE, Canvas, Path, Pen, Style, circle, polygon, rectangle
from manual.flow import WARNING, balloon
from manual.sheet import LEFT, WIDTH, Sheet
from manual.table import Field, TableLook, draw_table

CHECKS = (
    ("1", "Transport locks and the orange caps of ports A and B are off", "eye"),
    ("2", "Oil at the upper mark of the sight glass; breather screwed on", "eye"),
    ("3", "Unions tightened; hoses free of twist", "spanner 19, 22"),
    ("4", "Hand lowering valve (red knob) closed, hand-tight", "hand"),
    ("5", "Mains 400 V ±10 % between all phases at Q0", "voltmeter"),
    ("6", "Earth resistance from the tank to the earth bar below 0.1 Ω", "ohmmeter"),
    ("7", "Motor protection Q1 set to 8.3 A", "eye"),
    ("8", "Emergency stop S0 pulled out, display shows no error", "eye"),
)
RECORD = (
    ("Pressure without load, motor running", "below 8 bar", ""),
    ("Pressure at the stop, RAISE held for 2 s", "175 bar (HA 24-6: 225 bar)", ""),
    ("Motor current at 160 bar", "below 8.3 A", ""),
    ("Time for the full stroke up / down", "as in the order", ""),
    ("Oil temperature after 30 minutes", "below 60 °C", ""),
)


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    column = sheet.column(y=108)
    column.head("Before the motor turns for the first time")
    fields = (Field("No.", 7, "centre", "D"), Field("Check", 62), Field("With", 20), Field("Done", 9))
    look = TableLook(size=8.3, pad=3)
    top = column.y
    draw_table(column, fields, [(*check, "") for check in CHECKS], look)
    step = look.size * look.leading + 2 * look.pad
    for i in range(len(CHECKS)):
        y = top + step * (i + 1.5)
        sheet.canvas.draw(rectangle(LEFT + WIDTH - 31, y - 4.5, 9, 9, 1), Pen(INK, 0.7), WHITE)
    _rotation(sheet, column.y + 4)
    _pressure(sheet, column.y + 168)
    record = sheet.column(y=651)
    record.head("Record of the first run")
    draw_table(
        record,
        (Field("Measured", 42), Field("Must be", 32), Field("Found", 24)),
        RECORD,
        TableLook(size=8, pad=2.7, grid=True),
    )
    record.set(
        "Place, date: ______________________     Serial number: 24-_______     Signature: ______________________",
        Style("R", 8.2),
    )


def _rotation(sheet: Sheet, y: float) -> None:
    canvas = sheet.canvas
    _fan(canvas, LEFT + 74, y + 72)
    column = sheet.column(x=LEFT + 170, y=y, width=WIDTH - 170)
    column.head("Direction of rotation")
    column.steps(
        [
            "Bleed the pump first: " + sheet.see("bleeding") + ".",
            "Press RAISE for half a second and look at the fan through the cowl.",
            "The fan must turn *clockwise*, as the yellow arrow on the cowl shows. If it turns the other way, switch "
            "off, lock out and swap two phases at terminals X1:1 and X1:2.",
        ]
    )
    column.box(WARNING, "A gear pump that turns the wrong way loses its shaft seal (QH-3117) within ten seconds.")


def _fan(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(circle(x, y, 58), Pen(INK, 1), "#56646b")
    for radius in (49, 40, 31, 22):
        canvas.draw(circle(x, y, radius), Pen("#8b989e", 2.4))
    for i in range(6):
        blade = Path().arc((x, y), 50, 60 * i - 10, 60 * i + 14).line(x, y).close()
        canvas.draw(blade, Pen("#aab7bd", 0.6))
    canvas.draw(circle(x, y, 11), Pen(INK, 0.7), "#2f7488")
    arc = Path().arc((x, y), 45, 200, 318)
    canvas.draw(arc, Pen(INK, 8.6))
    canvas.draw(arc, Pen("#f2c230", 7))
    canvas.draw(polygon([(x + 47, y - 22), (x + 22, y - 27), (x + 42, y - 45)]), Pen(INK, 0.8), "#f2c230")
    canvas.draw(arc, Pen("#f2c230", 6.6))
    canvas.text(x, y + 74, "Fig. 9.1  Seen from the fan end: clockwise", Style("I", 7.8, GREY), align="centre")


def _pressure(sheet: Sheet, y: float) -> None:
    canvas = sheet.canvas
    column = sheet.column(y=y, width=286)
    column.head("Setting the relief valve")
    column.set("The valve is set and sealed at the works. It is set again only after valve QH-4423 has been replaced.")
    column.steps(
        [
            "Take off the cap (a). Loosen the lock nut (b), 17 mm, and turn the screw (c), hex key 5 mm, out "
            "until it is slack.",
            "Run against the stop of the cylinder: hold RAISE and read the gauge, two seconds at most each time.",
            "Turn the screw in: a quarter of a turn gives 14 bar. Stop at 175 bar (HA 24-6: 225 bar).",
            "Hold the screw, tighten the nut to 20 Nm, fit the cap, seal with wire and lead.",
        ],
        after=2.5,
    )
    _relief_valve(canvas, LEFT + 318, y + 78)


def _relief_valve(canvas: Canvas, x: float, y: float) -> None:
    """The cartridge in section, lying, the block to the left."""
    canvas.draw(rectangle(x, y - 40, 44, 80), Pen(INK, 0.8), "#b9c3c8")
    with canvas.clip(rectangle(x, y - 40, 44, 80)):
        for i in range(26):
            canvas.line((x - 60 + 7 * i, y - 40), (x - 140 + 7 * i, y + 40), pen=Pen("#8b989e", 0.4))
    canvas.draw(rectangle(x + 8, y - 13, 60, 26), Pen(INK, 0.7), WHITE)
    canvas.draw(
        polygon([(x + 8, y), (x + 20, y - 9), (x + 26, y - 9), (x + 26, y + 9), (x + 20, y + 9)]),
        Pen(INK, 0.6),
        "#d3b463",
    )
    points = [(x + 26 + 5 * i, y + (8 if i % 2 else -8)) for i in range(9)]
    canvas.line(*points, pen=Pen(INK, 1.1))
    canvas.draw(rectangle(x + 66, y - 8, 44, 16), Pen(INK, 0.7), "#cfd7da")
    for i in range(10):
        canvas.line((x + 70 + 4 * i, y - 8), (x + 72 + 4 * i, y + 8), pen=Pen(INK, 0.35))
    canvas.draw(rectangle(x + 44, y - 18, 22, 36), Pen(INK, 0.8), "#8b989e")
    canvas.draw(rectangle(x + 76, y - 17, 13, 34), Pen(INK, 0.8), "#dfe4e6")
    canvas.line((x + 76, y - 6), (x + 89, y - 6), pen=Pen(INK, 0.5))
    canvas.line((x + 76, y + 6), (x + 89, y + 6), pen=Pen(INK, 0.5))
    canvas.draw(rectangle(x + 122, y - 20, 44, 40, 5), Pen(INK, 0.8), "#e8833a")
    canvas.line((x + 110, y), (x + 122, y), pen=Pen(INK, 0.4, (2, 2)))
    canvas.arrow((x - 14, y), (x + 7, y), pen=Pen("#c1121f", 1.4), size=6)
    canvas.text(x - 14, y - 5, "P", Style("B", 9, PETROL))
    canvas.arrow((x + 17, y + 12), (x + 17, y + 54), pen=Pen("#1f6f9f", 1.4), size=6)
    canvas.text(x + 22, y + 53, "T", Style("B", 9, PETROL))
    balloon(canvas, x + 150, y - 42, "a", (x + 144, y - 18))
    balloon(canvas, x + 82, y - 46, "b", (x + 82, y - 15))
    balloon(canvas, x + 112, y + 38, "c", (x + 102, y + 5))
    canvas.text(x + 76, y + 74, "Fig. 9.2  Relief valve QH-4423 in section", Style("I", 7.8, GREY), align="centre")
