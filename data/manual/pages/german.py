"""Chapter 16: the short guide in German."""

from manual.canvas import GREY, INK, MIST, ORANGE, PETROL, WHITE, Canvas, Path, Pen, Style, circle, polygon, rectangle
from manual.flow import Signal, balloon
from manual.sheet import LEFT, WIDTH, Sheet
from manual.table import Field, TableLook, draw_table

WARNUNG = Signal("WARNUNG", "#e36414")
TROUBLE = (
    ("Motor läuft nicht an", "Hauptschalter Q0 aus, Not-Halt S0 gedrückt", "einschalten, S0 herausziehen"),
    ("Last hebt nicht", "falsche Drehrichtung, zu wenig Öl", "Elektriker rufen, Öl nachfüllen"),
    ("Last sinkt langsam ab", "rotes Handrad nicht geschlossen", "von Hand fest zudrehen"),
    ("Pumpe rattert", "Luft in der Pumpe", "abschalten, Pumpe entlüften (Kapitel 10)"),
    ("Anzeige E05", "Ölstand unter 15 Liter", "Leck suchen, HLP 46 nachfüllen"),
    ("Anzeige E11", "Rücklauffilter verstopft", "Filtereinsatz QH-6104 wechseln"),
)


def draw(sheet: Sheet) -> None:
    sheet.furniture(rights="Hydraulikaggregat HA 24", book="Servicehandbuch")
    canvas = sheet.canvas
    _flag(canvas, LEFT + WIDTH - 34, 72)
    column = sheet.column(y=108)
    column.box(
        WARNUNG,
        "*Niemals unter die gehobene Last treten.* Leitungen bleiben auch bei stehendem Motor unter Druck. "
        "Verschraubungen "
        "erst lösen, wenn das Manometer 0 bar zeigt. Öl, das unter die Haut gedrungen ist, sofort im Krankenhaus "
        "behandeln lassen.",
    )
    left = sheet.column(y=column.y - 2, width=236)
    left.head("Tägliche Prüfung")
    left.bullets(
        [
            "Ölstand zwischen den Strichen des Schauglases?",
            "Öl klar, ohne Schaum, nicht milchig?",
            "Schläuche trocken, keine Scheuerstellen?",
            "Ungewohnte Geräusche an Motor oder Pumpe?",
            "Anzeige ohne Fehler, grüne Lampe an?",
        ],
        Style("R", 9.6),
        after=1.5,
    )
    right = sheet.column(x=LEFT + 257, y=column.y - 2, width=236)
    right.head("Heben und Senken")
    right.steps(
        [
            "Hauptschalter Q0 auf I, grüne Lampe abwarten.",
            "Weißer Taster S1: *Heben*. Last im Auge behalten.",
            "Schwarzer Taster S2: *Senken*.",
            "Nach der Schicht Last absenken, Q0 auf 0.",
        ],
        Style("R", 9.6),
        after=2.5,
    )
    top = max(left.y, right.y) + 4
    _lowering(sheet, top)
    table = sheet.column(y=top + 226)
    table.head("Kleine Störungen selbst beheben")
    fields = (Field("Störung", 26, face="B"), Field("Ursache", 36), Field("Abhilfe", 36))
    draw_table(table, fields, TROUBLE, TableLook(size=8.8, pad=4.6))
    table.set(
        "Alle anderen Arbeiten sind Sache des Fachpersonals. Ausführliche Anleitung: englischer Teil dieses Handbuchs. "
        "Altöl und ölige Lappen gehören in getrennte, verschlossene Behälter.",
        Style("R", 9.2),
    )


def _flag(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(rectangle(x, y, 34, 20, 3), Pen(PETROL, 0.8), WHITE)
    canvas.text(x + 17, y + 14, "DE", Style("B", 11, PETROL), align="centre")


def _lowering(sheet: Sheet, top: float) -> None:
    canvas = sheet.canvas
    canvas.draw(rectangle(LEFT, top, WIDTH, 216, 4), fill=MIST)
    _valve(canvas, LEFT + 110, top + 108)
    column = sheet.column(x=LEFT + 234, y=top + 6, width=WIDTH - 250)
    column.head("Notablass bei Stromausfall")
    column.steps(
        [
            "Gefahrenbereich räumen, gelbe Linie am Boden beachten.",
            "Schutzkappe (1) abnehmen.",
            "Rotes Handrad (2) *langsam* gegen den Uhrzeigersinn öffnen, höchstens zwei Umdrehungen. Die Last "
            "sinkt durch ihr "
            "Eigengewicht.",
            "Sinkgeschwindigkeit mit dem Handrad regeln, notfalls sofort schließen.",
            "Unten angekommen: Handrad von Hand fest schließen, Kappe aufsetzen.",
        ],
        Style("R", 9.4),
        after=3,
    )


def _valve(canvas: Canvas, x: float, y: float) -> None:
    canvas.draw(rectangle(x - 80, y + 6, 150, 70, 3), Pen(INK, 0.9), "#b9c3c8")
    for cx in (x - 58, x + 48):
        canvas.draw(circle(cx, y + 41, 13), Pen(INK, 0.8), "#8b989e")
        canvas.draw(circle(cx, y + 41, 7), Pen(INK, 0.6), "#333c41")
    canvas.text(x - 58, y + 67, "A", Style("B", 9), align="centre")
    canvas.text(x + 48, y + 67, "B", Style("B", 9), align="centre")
    canvas.draw(rectangle(x - 15, y - 14, 20, 20), Pen(INK, 0.8), "#d3b463")
    canvas.draw(rectangle(x - 10, y - 28, 10, 14), Pen(INK, 0.7), "#cfd7da")
    canvas.draw(rectangle(x - 33, y - 52, 56, 24, 8), Pen(INK, 0.9), "#c1121f")
    for i in range(8):
        canvas.line((x - 26 + 6 * i, y - 51), (x - 26 + 6 * i, y - 29), pen=Pen("#8d0d17", 0.8))
    arc = Path().arc((x - 5, y - 56), 40, 20, -160)
    with canvas.clip(rectangle(x - 60, y - 96, 120, 34)):
        canvas.draw(arc, Pen(ORANGE, 2.4))
    canvas.draw(polygon([(x - 45, y - 50), (x - 49, y - 66), (x - 35, y - 63)]), fill=ORANGE)
    canvas.text(x - 5, y - 72, "2 ×", Style("B", 11, ORANGE), align="centre")
    cap = (
        Path()
        .move(x + 58, y - 22)
        .line(x + 58, y - 44)
        .arc((x + 74, y - 44), 16, 180, 360)
        .line(x + 90, y - 22)
        .close()
    )
    canvas.draw(cap, Pen(INK, 0.8), "#56646b")
    balloon(canvas, x + 92, y - 80, "1", (x + 78, y - 54))
    balloon(canvas, x - 80, y - 34, "2", (x - 30, y - 40))
    canvas.text(x - 5, y + 92, "Abb. 16.1  Notablassventil am Steuerblock", Style("I", 7.8, GREY), align="centre")
