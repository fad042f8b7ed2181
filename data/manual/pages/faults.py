"""Chapter 12: fault finding."""

from manual.canvas import GREY, INK, MIST, ORANGE, PETROL, WHITE, Canvas, Pen, Style, polygon, rectangle
from manual.flow import put_line, wrap
from manual.sheet import LEFT, WIDTH, Sheet

# symptom -> (cause, remedy), the likeliest first
FAULTS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Motor does not start, display dark", (
        ("Main switch off, fuse F2 blown", "Switch on; fuse QH-7041, 2 A slow. Blows again: T1 has a short circuit"),
        ("Power supply T1 has no output", "Measure 24 V between X2:1 and X2:0; renew QH-7021"),
    )),
    ("Motor hums but does not turn", (
        ("One phase is missing", "Measure L1, L2, L3 at Q0 and behind K1"),
        ("Pump blocked by a foreign body", "Turn the coupling by hand through the inspection hole; strip the pump"),
    )),
    ("Load does not rise, motor runs", (
        ("Wrong direction of rotation", "Swap two phases at X1"),
        ("Solenoid Y1 without current", "LED in the valve plug dark: wire OG from CU-3:10; coil must have 19 Ω"),
        ("Spool of valve 8 sticks", "Push the hand override; wash or renew QH-4417"),
        ("Relief valve open or dirty", "Read the gauge; take out and rinse QH-4423, set it again"),
    )),
    ("Load rises slowly", (
        ("Oil too cold, strainer clogged", "Warm up without load; clean QH-3155"),
        ("Pump worn", "Flow at 100 bar below 9.5 l/min (HA 24-6: 7.2): renew the pump"),
    )),
    ("Load sinks by itself", (
        ("Hand lowering valve not closed", "Close the red knob hand-tight"),
        ("Shred of tape or rust in valve 9", "Rinse QH-4436, seat without scratches; O-rings from kit QH-9002"),
        ("Piston seal of the cylinder leaks", "Unscrew hose B: oil flows from the cylinder although nothing moves"),
    )),
    ("Load goes down in jerks", (
        ("Air in the cylinder", "Move five full strokes without load"),
        ("Throttle 10 closed too far", "Open by a quarter of a turn, mark the old position"),
    )),
    ("Loud rattle or howl from the pump", (
        ("Pump draws air (cavitation)", "Oil level; tighten the suction flange; bleed the pump"),
        ("Spider worn out", "Renew QH-2214, keep 2 to 3 mm between the halves"),
    )),
    ("Oil too hot, above 65 °C", (
        ("Motor runs all the time against the relief valve", "Limit switch W4 out of place; setting too low?"),
        ("Duty above 40 %, hot room", "Count the lifts in ten minutes; open the air inlet"),
    )),
    ("Oil foams or looks milky", (
        ("Foam: return above the oil level", "Fill up to the upper mark"),
        ("Milky: more than 0.1 % of water in it", "Change the oil; fit the desiccant breather QH-6134"),
    )),
    ("Oil drips from the bellhousing", (
        ("Shaft seal of the pump worn", "Renew QH-3117; look for score marks on the shaft"),
    )),
)  # fmt: skip
FIRST, SECOND = 128.0, 152.0  # widths of the first two columns
TEXT, STEP = Style("R", 8), 9.8


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    canvas = sheet.canvas
    y = 112.0
    canvas.draw(rectangle(LEFT, y, WIDTH, 17), fill=PETROL)
    for x, title in ((LEFT + 6, "Symptom"), (LEFT + FIRST + 6, "Likely cause"), (LEFT + FIRST + SECOND + 6, "Remedy")):
        canvas.text(x, y + 11.8, title, Style("B", 8.6, WHITE))
    y += 17
    for number, (symptom, causes) in enumerate(FAULTS, 1):
        y = _fault(canvas, y, number, (symptom, causes))
    note = sheet.column(y=y + 4)
    note.set(
        f"Always lock out ({sheet.see('safety')}) before you open a union. If the display shows a code, begin with "
        f"the list of error codes on {sheet.see('errors')}.",
        Style("I", 8, GREY),
    )
    note.head("Pump or valve? Four questions when the load does not rise")
    _questions(canvas, note.y + 8)


def _fault(canvas: Canvas, top: float, number: int, fault: tuple[str, tuple[tuple[str, str], ...]]) -> float:
    """One symptom with its causes; returns where the next one begins."""
    symptom, causes = fault
    third = WIDTH - FIRST - SECOND
    rows = [(wrap(cause, TEXT, SECOND - 22), wrap(remedy, TEXT, third - 12)) for cause, remedy in causes]
    heights = [max(len(cause), len(remedy)) * STEP + 8.2 for cause, remedy in rows]
    title = wrap(symptom, Style("B", 8.6), FIRST - 32)
    height = max(sum(heights), len(title) * 10.6 + 6)
    canvas.draw(rectangle(LEFT, top, FIRST, height), fill=MIST)
    canvas.draw(rectangle(LEFT, top, 20, height), fill=mix_tone(number))
    canvas.text(LEFT + 10, top + height / 2 + 3.6, str(number), Style("B", 10, WHITE), align="centre")
    first = top + height / 2 - len(title) * 10.6 / 2 + 8
    for k, line in enumerate(title):
        put_line(canvas, LEFT + 26, first + 10.6 * k, line, Style("B", 8.6))
    heights[-1] += height - sum(heights)
    y = top
    for (cause, remedy), own in zip(rows, heights, strict=True):
        x = LEFT + FIRST + 6
        middle = y + own / 2
        canvas.draw(polygon([(x, middle - 3), (x + 5, middle), (x, middle + 3)]), fill=ORANGE)
        _lines(canvas, x + 10, (y, own), cause)
        _lines(canvas, LEFT + FIRST + SECOND + 6, (y, own), remedy)
        y += own
        if y < top + height - 1:
            canvas.line((LEFT + FIRST, y), (LEFT + WIDTH, y), pen=Pen("#cfd9dd", 0.35))
    canvas.line((LEFT, top + height), (LEFT + WIDTH, top + height), pen=Pen(PETROL, 0.6))
    canvas.line((LEFT + FIRST + SECOND, top), (LEFT + FIRST + SECOND, top + height), pen=Pen("#cfd9dd", 0.35))
    return top + height


QUESTIONS = (
    ("Lift with the hand override of valve 8?", "yes", "Solenoid, plug or wire: E12, E13"),
    ("Gauge above 150 bar?", "yes", "Load too heavy, or cylinder jammed"),
    ("More pressure after a quarter turn of valve 5?", "yes", "Relief valve: rinse, set, seal"),
    ("Oil without foam, strainer clean?", "yes", "Pump worn: QH-3082 / QH-3061"),
)


def _questions(canvas: Canvas, top: float) -> None:
    """A row of diamonds from left to right; every yes leads down to an answer."""
    step = WIDTH / 4
    middle, half = top + 27, 27.0
    for i, (question, yes, answer) in enumerate(QUESTIONS):
        x = LEFT + step * (i + 0.5) - 6
        wide = 53.0
        diamond = [(x - wide, middle), (x, middle - half), (x + wide, middle), (x, middle + half)]
        canvas.draw(polygon(diamond), Pen(PETROL, 0.9), WHITE)
        _centred(canvas, (x, middle), question, 62)
        canvas.arrow((x, middle + half), (x, middle + half + 19), pen=Pen(PETROL, 0.9), size=5)
        canvas.text(x + 5, middle + half + 11, yes, Style("B", 7.6, "#2e8b57"))
        box = rectangle(x - 52, middle + half + 19, 104, 27, 3)
        canvas.draw(box, Pen(PETROL, 0.7), MIST)
        _centred(canvas, (x, middle + half + 32.5), answer, 96)
        if i < 3:
            canvas.arrow((x + wide, middle), (x + step - wide, middle), pen=Pen(PETROL, 0.9), size=5)
            canvas.text(x + step / 2, middle - 4, "no", Style("B", 7.6, "#c1121f"), align="centre")
    canvas.text(
        LEFT,
        middle + half + 60,
        "Four times no: clean the strainer, change foaming oil, then bleed the pump.",
        Style("I", 8, GREY),
    )


def _centred(canvas: Canvas, place: tuple[float, float], text: str, width: float) -> None:
    lines = wrap(text, Style("C", 7.8), width)
    for k, line in enumerate(lines):
        y = place[1] + 2.8 + 8.6 * (k - (len(lines) - 1) / 2)
        canvas.text(place[0], y, " ".join(word for word, _ in line), Style("C", 7.8), align="centre")


def mix_tone(number: int) -> str:
    """Two tones of petrol in turn."""
    return PETROL if number % 2 else "#2f7488"


def _lines(canvas: Canvas, x: float, place: tuple[float, float], lines: list[list[tuple[str, Style]]]) -> None:
    top, height = place
    y = top + (height - len(lines) * STEP) / 2 + 7.6
    for k, line in enumerate(lines):
        put_line(canvas, x, y + STEP * k, line, TEXT.but(colour=INK))
