"""Page 1: the cover."""

from manual.canvas import GREY, INK, MIST, ORANGE, PETROL, WHITE, Pen, Style, mix, polygon, rectangle
from manual.machine import power_unit
from manual.sheet import DOCUMENT, LEFT, Sheet
from manual.solid import View


def draw(sheet: Sheet) -> None:
    canvas = sheet.canvas
    width, height = canvas.width, canvas.height
    canvas.draw(rectangle(0, 0, width, height), fill=MIST)
    canvas.draw(polygon([(0, 0), (width, 0), (width, 214), (0, 300)]), fill=PETROL)
    canvas.draw(polygon([(0, 300), (width, 214), (width, 220), (0, 306)]), fill=ORANGE)
    for i in range(9):
        tone = mix(PETROL, WHITE, 0.06)
        canvas.line((width - 190 + i * 24, 0), (width - 330 + i * 24, 230 if i < 9 else 0), pen=Pen(tone, 0.6))
    canvas.text(LEFT, 66, "QUELLMAR", Style("B", 17, WHITE, 4))
    canvas.text(LEFT, 82, "HYDRAULICS", Style("R", 8, "#a9c9d1", 5.1))
    canvas.text(LEFT, 152, "HA 24", Style("B", 54, WHITE))
    canvas.text(LEFT + 2, 180, "Hydraulic power unit", Style("L", 22, WHITE))
    canvas.text(LEFT + 2, 212, "Service manual", Style("B", 14, "#f6b27f", 0.4))
    power_unit(View(canvas, (262, 472), 0.5, 27, 24))
    canvas.draw(rectangle(LEFT, 716, 3, 56), fill=ORANGE)
    facts = [
        ("Models", "HA 24-6 and HA 24-8, from serial number 24-03150"),
        ("Language", "Original manual in English, with a short guide in German"),
        ("Document", DOCUMENT),
        ("Keep", "with the machine, for everyone who works on it"),
    ]
    for i, (name, value) in enumerate(facts):
        y = 726 + 14.5 * i
        canvas.text(LEFT + 14, y, name, Style("B", 8.4, PETROL))
        canvas.text(LEFT + 74, y, value, Style("R", 8.4, INK))
    canvas.text(width - LEFT, 812, "Read chapter 1 before you start work.", Style("I", 8, GREY), align="right")
