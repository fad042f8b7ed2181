"""Chapter 3: performance curves."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from manual.canvas import GREY, INK, MIST, ORANGE, PETROL, RULE, WHITE, Canvas, Pen, Point, Style, polygon, rectangle
from manual.flow import Column
from manual.sheet import LEFT, WIDTH, Sheet

GREEN, TICK = "#3a8a5c", Style("R", 7.2, INK)


@dataclass(frozen=True)
class Plot:
    """A rectangle of paper with two scales; `at` turns values into a point."""

    canvas: Canvas
    box: tuple[float, float, float, float]  # left, top, width, height
    x: tuple[float, float]
    y: tuple[float, float]
    scale: Callable[[float], float] = float

    def at(self, x: float, y: float) -> Point:
        left, top, width, height = self.box
        low, high = self.scale(self.y[0]), self.scale(self.y[1])
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        return left + width * across, top + height * (1 - (self.scale(y) - low) / (high - low))

    def frame(self, xs: Sequence[float], ys: Sequence[float], titles: tuple[str, str]) -> None:
        canvas, (left, top, width, height) = self.canvas, self.box
        canvas.draw(rectangle(left, top, width, height), fill=WHITE)
        for x in xs:
            px = self.at(x, self.y[0])[0]
            canvas.line((px, top), (px, top + height), pen=Pen(RULE, 0.35))
            canvas.text(px, top + height + 10, f"{x:g}".replace("-", "−"), TICK, align="centre")
        for y in ys:
            py = self.at(self.x[0], y)[1]
            canvas.line((left, py), (left + width, py), pen=Pen(RULE, 0.35))
            canvas.text(left - 5, py + 2.6, f"{y:g}", TICK, align="right")
        canvas.draw(rectangle(left, top, width, height), Pen(INK, 0.7))
        canvas.text(left + width / 2, top + height + 22, titles[0], Style("B", 7.8), align="centre")
        canvas.text(left - 27, top + height / 2, titles[1], Style("B", 7.8), align="centre", angle=90)

    def curve(self, xs: Sequence[float], function: Callable[[float], float], pen: Pen) -> None:
        self.canvas.line(*(self.at(x, function(x)) for x in xs), pen=pen)


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    column = sheet.column(y=106)
    column.head("Flow and motor input against pressure")
    _flow(sheet.canvas, column.y + 4)
    column.move(226)
    column.caption(
        "Fig. 3.1  HLP 46 at 40 °C. Full lines: flow (left scale). Broken lines: electrical input (right scale)."
    )
    column.head("Viscosity of the oil against temperature")
    _viscosity(sheet.canvas, column.y + 4)
    column.move(298)
    column.caption(
        "Fig. 3.2  Hydraulic oils of three viscosity grades. The green band is where the pump may work under load."
    )
    _reading(sheet, column)


def _flow(canvas: Canvas, top: float) -> None:
    plot = Plot(canvas, (LEFT + 36, top, WIDTH - 78, 188), (0, 250), (0, 14))
    plot.frame(range(0, 251, 25), range(0, 15, 2), ("Pressure in bar", "Flow in l/min"))
    power = Plot(canvas, plot.box, plot.x, (0, 7))
    right = plot.box[0] + plot.box[2]
    for kw in range(8):
        y = power.at(250, kw)[1]
        canvas.text(right + 5, y + 2.6, str(kw), TICK)
    canvas.text(right + 30, top + 94, "Motor input in kW", Style("B", 7.8), align="centre", angle=90)
    models = [("HA 24-8", 11.6, 160, PETROL), ("HA 24-6", 8.7, 210, ORANGE)]
    for name, flow, limit, colour in models:
        pressures = range(0, limit + 1, 5)

        def litres(p: float, flow: float = flow) -> float:
            return flow * (1 - 0.00032 * p - 0.0000009 * p * p)

        def kilowatts(p: float, flow: float = flow) -> float:
            return 0.45 + flow * p / 600 / 0.78

        plot.curve(pressures, litres, Pen(colour, 1.6))
        power.curve(pressures, kilowatts, Pen(colour, 1.1, (4, 2.5)))
        end = plot.at(limit, litres(limit))
        canvas.line(end, plot.at(limit, 0), pen=Pen(colour, 0.5, (1, 2)))
        x, y = plot.at(6, litres(6))
        canvas.text(x, y - 5.5, name, Style("B", 8.4, colour))
        x, y = plot.at(limit, 0.35)
        canvas.text(x + 4, y, f"limit {limit} bar", Style("R", 7.2, colour))


def _walther(at40: float, at100: float) -> Callable[[float], float]:
    """Viscosity in mm²/s against °C through two points (Walther's equation, ASTM D341)."""

    def lift(v: float) -> float:
        return math.log10(math.log10(v + 0.7))

    cold, hot = math.log10(313.15), math.log10(373.15)
    slope = (lift(at40) - lift(at100)) / (hot - cold)
    return lambda t: 10 ** (10 ** (lift(at40) + slope * (cold - math.log10(t + 273.15)))) - 0.7


def _viscosity(canvas: Canvas, top: float) -> None:
    plot = Plot(canvas, (LEFT + 36, top, WIDTH - 78, 260), (-20, 100), (5, 5000), math.log10)
    band = [plot.at(-20, 400), plot.at(100, 400), plot.at(100, 16), plot.at(-20, 16)]
    ticks = (5, 10, 16, 25, 50, 100, 200, 400, 1000, 2000, 5000)
    plot.frame(range(-20, 101, 10), ticks, ("Oil temperature in °C", "Viscosity in mm²/s"))
    with canvas.clip(rectangle(*plot.box)):
        canvas.draw(polygon(band), fill="#dcefe3")
        for x in range(-10, 100, 10):
            canvas.line(plot.at(x, 16), plot.at(x, 400), pen=Pen("#b5d3c1", 0.35))
        for y in (25, 50, 100, 200):
            canvas.line(plot.at(-20, y), plot.at(100, y), pen=Pen("#b5d3c1", 0.35))
        grades = [
            ("HLP 32", 32.0, 5.4, ORANGE, -11),
            ("HLP 46", 46.0, 6.8, PETROL, -8),
            ("HLP 68", 68.0, 8.7, "#7a4b8c", -5),
        ]
        for _, at40, at100, colour, _ in grades:
            plot.curve(range(-20, 101, 2), _walther(at40, at100), Pen(colour, 1.5))
    for name, at40, at100, colour, t in grades:
        x, y = plot.at(t, _walther(at40, at100)(t))
        canvas.draw(rectangle(x - 15, y - 5.5, 30, 11), fill=WHITE)
        canvas.text(x, y + 2.9, name, Style("B", 8, colour), align="centre")
    canvas.text(
        plot.at(98, 330)[0],
        plot.at(98, 330)[1] + 4,
        "work under load: 16 to 400 mm²/s",
        Style("B", 7.6, GREEN),
        align="right",
    )
    canvas.text(
        plot.at(98, 2600)[0], plot.at(98, 2600)[1], "start without load only", Style("I", 7.6, GREY), align="right"
    )
    canvas.text(plot.at(-18, 8)[0], plot.at(-18, 8)[1], "too thin: the pump wears", Style("I", 7.6, GREY))


def _reading(sheet: Sheet, column: Column) -> None:
    top = column.y + 2
    sheet.canvas.draw(rectangle(LEFT, top, WIDTH, 66, 3), fill=MIST)
    left = sheet.column(x=LEFT + 12, y=top + 3, width=226)
    left.minor("Example 1: speed of a cylinder")
    left.set(
        "HA 24-8 at 120 bar gives 11.0 l/min. A piston of 63 mm has 31.2 cm², so it moves at 11 000 / 31.2 = "
        "353 cm/min, "
        "that is 59 mm/s.",
        Style("R", 8.4),
    )
    right = sheet.column(x=LEFT + 256, y=top + 3, width=226)
    right.minor("Example 2: cold start")
    right.set(
        "HLP 46 has 400 mm²/s at about 4 °C. In a colder hall let the unit run without load for ten minutes, or "
        "fill HLP 32.",
        Style("R", 8.4),
    )
