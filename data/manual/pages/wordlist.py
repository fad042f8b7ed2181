"""Chapter 18: the words of the trade, English and German."""

from manual.canvas import GREY, INK, ORANGE, PETROL, RULE, WHITE, Pen, Style, rectangle
from manual.flow import Column, put_line, wrap
from manual.sheet import LEFT, WIDTH, Sheet

WORDS = (
    ("accumulator", "Druckspeicher", "Vessel with a gas cushion that stores oil under pressure. The HA 24 has none."),
    ("back-up ring", "Stützring", "Plastic ring that keeps an O-ring from being pressed into the gap."),
    ("bellhousing", "Pumpenträger", "Casting that holds motor and pump in line around the coupling."),
    ("bonded seal", "Dichtring mit Gummilippe", "Steel washer with a rubber lip, used under unions."),
    ("bypass valve", "Umgehungsventil", "Opens at 2.5 bar and lets the oil round a clogged filter."),
    (
        "cavitation",
        "Kavitation",
        "Bubbles that form in the suction line and collapse in the pump; it sounds like gravel.",
    ),
    ("check valve", "Rückschlagventil", "Lets oil pass one way only."),
    ("creep", "Absinken", "Slow movement of a load that ought to stand still."),
    ("dead man's control", "Totmannsteuerung", "Moves only as long as the button is held."),
    ("displacement", "Fördervolumen", "Volume that the pump moves in one revolution."),
    ("drain line", "Leckölleitung", "Line that takes leakage to the tank without pressure."),
    ("duty S3", "Aussetzbetrieb", "Share of ten minutes during which the motor may run."),
    ("float position", "Schwimmstellung", "Position of a valve in which A and B are both joined to T."),
    ("flushing", "Spülen", "Washing the lines with clean oil before the first run."),
    ("hose DN 10", "Schlauch DN 10", "Hose with a bore of 10 mm, here with two layers of wire."),
    ("jogging", "Tippen", "Running the motor for a second at a time."),
    ("lock-out", "Freischalten und sichern", "Switching off and locking, so that nobody can switch on again."),
    ("manifold", "Steuerblock", "Block of steel with bores into which valves are screwed."),
    ("meter-out", "Ablaufdrosselung", "Throttling of the oil that leaves the cylinder."),
    ("override, manual", "Handnotbetätigung", "Pin in the end of a solenoid with which the spool is pushed."),
    ("orifice", "Blende", "Hole with a sharp edge that slows oil down, whatever its viscosity."),
    ("pilot line", "Steuerleitung", "Thin line that carries a signal, not power."),
    ("pour point", "Stockpunkt", "Temperature at which oil just stops flowing: −27 °C for HLP 46."),
    ("relief valve", "Druckbegrenzungsventil", "Opens at the set pressure and protects pump and hoses."),
    ("running-in", "Einlaufen", "First 50 hours, after which the filter element is renewed."),
    ("scissor lift", "Scherenhubtisch", "Table on crossed arms, raised by one cylinder."),
    ("sight glass", "Schauglas", "Window in the tank with marks for the level."),
    ("spider", "Zahnkranz", "Star of elastic plastic between the halves of the coupling."),
    ("spool", "Steuerkolben", "Sliding pin inside a directional valve."),
    ("strainer", "Saugsieb", "Coarse filter at the end of the suction pipe."),
    ("stroke", "Hub", "Way of the piston from one end to the other."),
    ("surge", "Druckstoß", "Short peak of pressure when a valve closes fast."),
    ("tandem centre", "Umlaufstellung", "Middle position of a valve in which P is joined to T."),
    ("threadlocker", "Schraubensicherung", "Liquid that sets in the thread; warm it to 200 °C to undo."),
    ("throttle", "Drossel", "Narrow place that slows the oil down."),
    ("undervoltage", "Unterspannung", "Control voltage below 20 V; the valves then close."),
    ("union", "Verschraubung", "Screwed joint between pipe and port."),
    ("viscosity grade", "Viskositätsklasse", "Viscosity at 40 °C in mm²/s; 46 for HLP 46."),
    ("water content", "Wassergehalt", "Water in the oil, in parts per million; 1 000 ppm is 0.1 %."),
    ("wiper", "Abstreifer", "Lip that keeps dirt off the piston rod."),
)


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    columns = [sheet.column(x=LEFT + i * (WIDTH / 2 + 8), y=110, width=WIDTH / 2 - 8) for i in range(2)]
    half = len(WORDS) // 2 - 1
    for column, words in zip(columns, (WORDS[:half], WORDS[half:]), strict=True):
        letter = ""
        for word, german, meaning in words:
            if word[0] != letter:
                letter = word[0]
                _letter(column, letter.upper())
            _entry(column, word, german, meaning)
    sheet.canvas.line((LEFT + WIDTH / 2, 118), (LEFT + WIDTH / 2, 786), pen=Pen(RULE, 0.4))


def _letter(column: Column, letter: str) -> None:
    column.move(3.4)
    column.canvas.draw(rectangle(column.x, column.y, 13, 13, 2), fill=PETROL)
    column.canvas.text(column.x + 6.5, column.y + 9.9, letter, Style("B", 9, WHITE), align="centre")
    column.y -= 1.5


def _entry(column: Column, word: str, german: str, meaning: str) -> None:
    canvas, x = column.canvas, column.x + 20
    column.move(12.6)
    length = canvas.text(x, column.y, word, Style("B", 9.4, INK))
    canvas.text(x + length + 6, column.y, german, Style("I", 9, ORANGE))
    for line in wrap(meaning, Style("R", 8.6), column.width - 20):
        column.move(10.7)
        put_line(canvas, x, column.y, line, Style("R", 8.6, GREY))
    column.move(4.9)
