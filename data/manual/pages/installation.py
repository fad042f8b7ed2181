"""Chapter 7: installation, with the footprint and the way to lift the unit."""

from manual.canvas import GREY, INK, ORANGE, PETROL, RULE, WHITE, Canvas, Pen, Style, circle, polygon, rectangle
from manual.drafting import dimension
from manual.flow import CAUTION
from manual.sheet import LEFT, WIDTH, Sheet


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    _footprint(sheet.canvas)
    left = sheet.column(y=108, width=206)
    left.head("Place")
    left.bullets(
        [
            "Level floor, at least C20/25 concrete, 120 mm thick.",
            "Free space: 600 mm in front of the control box, 300 mm at the sides, 150 mm behind, 800 mm above.",
            "Not under a drain pipe, not beside a heater; air must reach the fan of the motor.",
            "The drip tray holds the whole oil. In water protection areas keep its drain hole closed.",
        ]
    )
    left.head("Anchoring")
    left.steps(
        [
            "Mark the four holes, 690 × 520 mm. Drill 12 mm wide and 90 mm deep, blow out the dust.",
            "Set anchors M10 × 95 through the tray. Level to 2 mm per metre with shims.",
            "Tighten to 40 Nm. Never clamp the rubber feet flat.",
        ]
    )
    _lower_half(sheet)


def _footprint(canvas: Canvas) -> None:
    x, y, scale = LEFT + 262, 168.0, 0.27
    width, depth = 730 * scale, 560 * scale
    canvas.draw(rectangle(x - 34, y - 24, width + 68, depth + 124), Pen(ORANGE, 0.8, (5, 3)), "#fdf6ef")
    canvas.draw(rectangle(x, y, width, depth, 3), Pen(INK, 0.9), "#dfe5e8")
    canvas.draw(rectangle(x + 45 * scale, y + 45 * scale, 640 * scale, 420 * scale), Pen(INK, 0.8), "#a9c6cf")
    canvas.draw(rectangle(x + 60 * scale, y + 100 * scale, 280 * scale, 176 * scale, 4), Pen(INK, 0.6), "#6fa3b1")
    canvas.draw(rectangle(x + 340 * scale, y + 125 * scale, 95 * scale, 126 * scale), Pen(INK, 0.6), "#e3e8ea")
    canvas.draw(rectangle(x + 435 * scale, y + 135 * scale, 110 * scale, 106 * scale), Pen(INK, 0.6), "#56646b")
    canvas.draw(rectangle(x + 465 * scale, y + 330 * scale, 170 * scale, 104 * scale), Pen(INK, 0.6), "#b9c3c8")
    canvas.draw(circle(x + 137 * scale, y + 385 * scale, 50 * scale), Pen(INK, 0.6), "#e8833a")
    canvas.draw(circle(x + 285 * scale, y + 400 * scale, 36 * scale), Pen(INK, 0.6), "#56646b")
    canvas.draw(rectangle(x + 105 * scale, y + 465 * scale, 196 * scale, 80 * scale), Pen(INK, 0.6), "#eef1f2")
    label = Style("C", 7.2)
    canvas.text(x + 200 * scale, y + 196 * scale, "motor", label.but(colour=WHITE), align="centre")
    canvas.text(x + 490 * scale, y + 197 * scale, "pump", label.but(colour=WHITE), align="centre")
    canvas.text(x + 550 * scale, y + 390 * scale, "manifold", label, align="centre")
    canvas.text(x + 203 * scale, y + 514 * scale, "control box", label, align="centre")
    for hx in (20, 710):
        for hy in (20, 540):
            cx, cy = x + hx * scale, y + hy * scale
            canvas.draw(circle(cx, cy, 3.2), Pen(INK, 0.6), WHITE)
            canvas.line((cx - 5, cy), (cx + 5, cy), pen=Pen(INK, 0.3))
            canvas.line((cx, cy - 5), (cx, cy + 5), pen=Pen(INK, 0.3))
    bottom = y + depth
    for hx in (20, 710):
        canvas.line((x + hx * scale, bottom), (x + hx * scale, bottom + 24), pen=Pen(PETROL, 0.35))
    dimension(canvas, (x + 20 * scale, bottom + 20), (x + 710 * scale, bottom + 20), "690")
    dimension(canvas, (x, bottom + 38), (x + width, bottom + 38), "730")
    for edge in (x, x + width):
        canvas.line((edge, bottom), (edge, bottom + 42), pen=Pen(PETROL, 0.35))
    side = x + width
    dimension(canvas, (side + 10, y + 20 * scale), (side + 10, y + 540 * scale), "520")
    dimension(canvas, (side + 24, y), (side + 24, y + depth), "560")
    dimension(canvas, (x - 34, y + depth / 2), (x, y + depth / 2), "300")
    dimension(canvas, (x + width * 0.28, bottom), (x + width * 0.28, bottom + 100), "600")
    dimension(canvas, (x + width / 2, y - 24), (x + width / 2, y), "150")
    canvas.text(
        x + width / 2,
        bottom + 116,
        "Fig. 7.1  Footprint from above, sizes in mm; broken line: space to keep free",
        Style("I", 7.8, GREY),
        align="centre",
    )


def _lower_half(sheet: Sheet) -> None:
    canvas, top = sheet.canvas, 468.0
    canvas.line((LEFT, top - 8), (LEFT + WIDTH, top - 8), pen=Pen(RULE, 0.5))
    _lifting(canvas, LEFT + 88, top + 112)
    middle = sheet.column(x=LEFT + 192, y=top - 10, width=WIDTH - 192)
    middle.head("Lifting")
    middle.set(
        "Lift by the two eyes M12 only, with a chain sling of two legs. The angle between the legs is at most 60°. "
        "Empty the tank first: full, the unit weighs 117 kg and the centre of gravity lies 60 mm towards the motor."
    )
    middle.head("Connecting")
    middle.steps(
        [
            "Take the blanking plugs out of A and B only when the hose is at hand.",
            "Screw in unions with bonded seals, 70 Nm. No hemp, no tape: shreds block valve 9.",
            "Lay hoses without twist, bending radius at least 130 mm, not over edges.",
            "Connect the mains by an electrician: 5 × 2.5 mm², fuse 16 A gG, residual current device 30 mA.",
            "Connect the earth stud of the tank to the building's earth with 6 mm².",
        ],
        after=2,
    )
    column = sheet.column(y=704, width=WIDTH)
    column.box(
        CAUTION,
        "*Fill oil through the breather only*, from new cans, with the strainer in place: oil from the can is "
        "dirtier than "
        "the pump allows. First filling: 24 litres, to the upper mark of the sight glass. After that the pump "
        "has to be "
        f"bled before the motor runs for more than a second: {sheet.see('bleeding')}.",
    )


def _lifting(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(polygon([(x, y - 104), (x - 46, y), (x + 46, y)], closed=False), Pen("#d8dfe2", 0.1), "#fbf3ea")
    for side in (-1, 1):
        canvas.line((x, y - 104), (x + side * 46, y), pen=Pen("#56646b", 2))
        canvas.line((x, y - 104), (x + side * 46, y), pen=Pen("#cfd7da", 1, (3, 2)))
        canvas.draw(circle(x + side * 46, y + 3, 4.5), Pen(INK, 1.6), WHITE)
    canvas.draw(circle(x, y - 110, 6), Pen(INK, 2), WHITE)
    canvas.text(x, y - 62, "60°", Style("B", 9, ORANGE), align="centre")
    canvas.draw(rectangle(x - 66, y + 8, 132, 6), Pen(INK, 0.7), "#cfd7da")
    canvas.draw(rectangle(x - 63, y + 14, 126, 62), Pen(INK, 0.8), "#2f7488")
    canvas.draw(rectangle(x - 54, y - 26, 58, 34, 4), Pen(INK, 0.7), "#3a8297")
    canvas.draw(rectangle(x + 4, y - 18, 18, 22), Pen(INK, 0.6), "#dfe4e6")
    canvas.draw(rectangle(x + 22, y - 20, 24, 26), Pen(INK, 0.6), "#4b575e")
    canvas.draw(rectangle(x - 52, y + 30, 40, 42), Pen(INK, 0.6), "#d9dfe1")
    canvas.draw(rectangle(x - 74, y + 82, 148, 8), Pen(INK, 0.7), "#8b989e")
    for dx in (-52, 40):
        canvas.draw(rectangle(x + dx, y + 76, 14, 6), fill=INK)
    canvas.text(x, y + 104, "Fig. 7.2  Two legs, 60° at most", Style("I", 7.8, GREY), align="centre")
