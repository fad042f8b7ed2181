"""Page 2: contents, how the manual is meant to be read, the signs in it."""

from manual.canvas import GREY, INK, ORANGE, PETROL, RULE, WHITE, Pen, Style, circle, rectangle
from manual.flow import CAUTION, DANGER, NOTICE, WARNING, Signal, warning_sign
from manual.sheet import LEFT, WIDTH, Chapter, Sheet

SIGNALS = [
    (DANGER, "You will be killed or badly hurt if you do not follow the text."),
    (WARNING, "You can be killed or badly hurt."),
    (CAUTION, "You can be hurt, or the machine can be damaged."),
    (NOTICE, "No danger; saves work, oil or money."),
]


def draw(sheet: Sheet) -> None:
    sheet.furniture()
    y = 128.0
    for chapter in sheet.book[2:]:
        _entry(sheet, chapter, y)
        y += 24.4
    column = sheet.column(y=y + 6, width=236)
    column.head("How to use this manual")
    column.set(
        "Each chapter stands on a page of its own, so that the page can be copied and taken to the machine. "
        "The tab at the edge of the paper carries the chapter number. Numbers in a circle belong to the drawing "
        "on the same page; part numbers begin with QH and are the ones to order by."
    )
    column.set("Pressures are gauge pressures in bar. Left and right are seen from the control box.")
    right = sheet.column(x=LEFT + 262, y=y + 6, width=WIDTH - 262)
    right.head("Signal words")
    for signal, meaning in SIGNALS:
        top = right.y
        _signal(sheet, top + 2, signal)
        right.set(meaning, Style("R", 8.2), indent=84, after=0)
        right.y = top + 26


def _entry(sheet: Sheet, chapter: Chapter, y: float) -> None:
    canvas, number = sheet.canvas, sheet.numbers[chapter.key]
    canvas.text(LEFT + 20, y, chapter.number, Style("B", 10.5, ORANGE), align="right")
    end = LEFT + 34 + canvas.text(LEFT + 34, y, chapter.title, Style("R", 10.5, INK))
    last = canvas.text(LEFT + WIDTH, y, str(number), Style("B", 10.5, PETROL), align="right")
    canvas.line((end + 6, y - 1), (LEFT + WIDTH - last - 6, y - 1), pen=Pen(GREY, 0.6, (0.6, 3)))
    if chapter.size[0] > chapter.size[1]:
        canvas.draw(rectangle(LEFT + WIDTH - 92, y - 7, 55, 9), fill=WHITE)
        canvas.text(LEFT + WIDTH - 88, y, "fold-out, A3", Style("I", 8, GREY))
    canvas.line((LEFT, y + 6), (LEFT + WIDTH, y + 6), pen=Pen(RULE, 0.25))
    canvas.link((LEFT, y - 12, LEFT + WIDTH, y + 5), number)


def _signal(sheet: Sheet, y: float, signal: Signal) -> None:
    canvas, x = sheet.canvas, LEFT + 262
    canvas.draw(rectangle(x, y, 74, 15), fill=signal.colour)
    canvas.text(x + 22, y + 10.8, signal.word, Style("B", 8.2, WHITE, 0.5))
    if signal.triangle:
        warning_sign(canvas, x + 11, y + 12.6, 10.5)
    else:
        canvas.draw(circle(x + 11, y + 7.5, 5), fill=WHITE)
        canvas.text(x + 11, y + 10.6, "i", Style("B", 8.5, signal.colour), align="centre")
