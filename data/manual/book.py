"""The order of the pages, and the manual as a PDF."""

from pathlib import Path

from manual import pdf
from manual.canvas import FACES, Canvas
from manual.pages import (
    bleeding,
    contents,
    cover,
    curves,
    errors,
    exploded,
    faults,
    foldout,
    german,
    hydraulics,
    installation,
    maintenance,
    safety,
    spares,
    startup,
    technical,
    torque,
    warranty,
    wiring,
    wordlist,
)
from manual.sheet import A3_LANDSCAPE, Chapter, Sheet
from manual.solid import PALETTES

BOOK = (
    Chapter("cover", "", "Cover", cover.draw),
    Chapter("contents", "", "Contents", contents.draw),
    Chapter("safety", "1", "Safety", safety.draw),
    Chapter("technical", "2", "Technical data", technical.draw),
    Chapter("curves", "3", "Performance curves", curves.draw),
    Chapter("exploded", "4", "Motor and pump: exploded view", exploded.draw),
    Chapter("hydraulics", "5", "Hydraulic diagram", hydraulics.draw),
    Chapter("wiring", "6", "Wiring diagram", wiring.draw),
    Chapter("installation", "7", "Installation", installation.draw),
    Chapter("foldout", "8", "General arrangement", foldout.draw, A3_LANDSCAPE),
    Chapter("startup", "9", "Start-up", startup.draw),
    Chapter("bleeding", "10", "Bleeding the pump", bleeding.draw),
    Chapter("maintenance", "11", "Maintenance intervals", maintenance.draw),
    Chapter("faults", "12", "Fault finding", faults.draw),
    Chapter("errors", "13", "Error codes", errors.draw),
    Chapter("torque", "14", "Tightening torques", torque.draw),
    Chapter("spares", "15", "Spare parts", spares.draw),
    Chapter("german", "16", "Kurzanleitung auf Deutsch", german.draw),
    Chapter("warranty", "17", "Warranty and disposal", warranty.draw),
    Chapter("wordlist", "18", "Word list", wordlist.draw),
)
NUMBERS = {chapter.key: number for number, chapter in enumerate(BOOK, 1)}
TITLE = "Quellmar HA 24 hydraulic power unit: service manual"
INFO = {
    "Title": TITLE,
    "Author": "The colvision authors",
    "Subject": "An invented machine: sample document of colvision",
    "CreationDate": "D:20260301000000Z",
}


def write_manual(path: Path) -> None:
    """Writes the born-digital manual."""
    pages = []
    for chapter in BOOK:
        canvas = Canvas(*chapter.size)
        chapter.draw(Sheet(canvas, chapter, BOOK, NUMBERS))
        pages.append(canvas.page())
    marks = [(f"{chapter.number} {chapter.title}".strip(), NUMBERS[chapter.key]) for chapter in BOOK]
    pdf.write(path, pages, info=INFO, look=pdf.Look(FACES, PALETTES), outline=marks)
