"""Questions about the manual, with the page (and the pages that are neither right nor wrong) for each."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Question(NamedTuple):
    """`gold` and `neutral` are keys of chapters, separated by spaces."""

    text: str
    gold: str
    neutral: str = ""
    lang: str = "en"


QUESTIONS: dict[tuple[str, str], tuple[Question, ...]] = {
    ("content", "figure"): (
        Question("exploded drawing of electric motor, coupling and pump", "exploded"),
        Question("star pattern for the eight bolts of a round cover", "torque"),
        Question("which way round must the fan turn, yellow arrow", "startup", "wiring"),
        Question("picture of a padlock hung in the red main switch", "safety"),
        Question("scissor lift table seen from the side, raised", "foldout"),
        Question("floor plan of the machine room with door and wall duct", "foldout"),
        Question("symbols of pump, check valve, relief valve and tank in one scheme", "hydraulics"),
        Question("seven-segment display with a fault code lit up", "errors"),
        Question("two bottles, one with bubbles and one with clear oil", "bleeding"),
        Question("clear hose from the brass screw into a bottle", "bleeding"),
        Question("pin numbers of the round four-pole sensor connector", "wiring"),
        Question("chain sling angle for hoisting the unit", "installation"),
        Question("top view of the footprint with hole spacing", "installation"),
        Question("machine seen from the front with balloons for every service point", "maintenance"),
        Question("name plate with serial number and year", "technical"),
        Question("section through the relief valve with cap and lock nut", "startup"),
        Question("blue and yellow safety signs: goggles, gloves, boots, lightning", "safety"),
        Question("crossed-out dustbin", "warranty"),
        Question("flow chart with diamonds: is it the pump or a valve", "faults"),
        Question("photo-like view of the whole power pack on the front page", "cover", "maintenance"),
    ),
    ("content", "plot"): (
        Question("how thick is the oil when the hall is cold", "curves"),
        Question("litres per minute left at 200 bar", "curves", "technical"),
        Question("kilowatts the motor draws as pressure goes up", "curves", "technical"),
        Question("time line of pressing the button: one second on, five seconds off", "bleeding"),
    ),
    ("content", "table"): (
        Question("how tight do the long M8 screws of the pump have to be", "torque", "exploded"),
        Question("after how many years must the hoses be replaced", "maintenance", "warranty spares"),
        Question("what does E11 on the display mean", "errors", "german"),
        Question("which colour is the wire of the emergency stop chain", "wiring", "errors"),
        Question("weight of the machine without oil", "technical", "installation"),
        Question("load goes down by itself overnight", "faults", "german"),
        Question("pump howls and rattles, what can it be", "faults", "bleeding german"),
        Question("waste code for old hydraulic oil", "warranty"),
        Question("length and bore of the lines to the lift table", "foldout"),
        Question("order number of the gauge filled with glycerine", "spares", "hydraulics"),
        Question("how long is the control unit under warranty", "warranty"),
        Question("square millimetres of the cable to the pendant control", "foldout"),
        Question("back-up fuse in the mains", "technical installation"),
        Question("list to fill in with the values of the first run", "startup", "warranty"),
        Question("protection class against water and dust", "technical"),
    ),
    ("content", "text"): (
        Question("how do I get the air out of the pump", "bleeding", "faults german"),
        Question("first aid when oil got into the eye", "safety"),
        Question("reset the service counter after 1000 hours", "errors"),
        Question("how far from the wall must the unit stand", "installation", "foldout"),
        Question("change the return filter cartridge step by step", "maintenance"),
        Question("adjust the opening pressure of the safety valve", "startup"),
        Question("what is a pilot line", "wordlist"),
        Question("send a broken part back, return number", "warranty"),
        Question("how many litres for the first filling", "installation", "technical maintenance"),
        Question("gap between the two coupling halves", "exploded", "faults"),
        Question("milliamps of the pressure sensor at 100 bar", "wiring"),
        Question("show older faults on the display", "errors"),
        Question("Wie senke ich die Last bei Stromausfall ab?", "german", "", "de"),
        Question("Was muss der Bediener jeden Tag prüfen?", "german", "maintenance", "de"),
        Question("Luft aus der Pumpe lassen, Entlüftungsschraube", "bleeding", "german faults", "de"),
        Question("Drehmoment für die Ölablassschraube", "torque", "", "de"),
        Question("Schaltplan mit den Aderfarben", "wiring", "", "de"),
        Question("Explosionszeichnung von Motor und Pumpe", "exploded", "", "de"),
        Question("Wohin mit dem Altöl?", "warranty", "german", "de"),
        Question("Was heißt Zahnkranz auf Englisch?", "wordlist", "", "de"),
    ),
    ("title", "outline"): tuple(
        Question(text, gold, f"contents {neutral}".strip(), "de" if gold == "german" else "en")
        for text, gold, neutral in (
            ("Technical data", "technical", ""),
            ("Performance curves", "curves", ""),
            ("Motor and pump: exploded view", "exploded", ""),
            ("Hydraulic diagram", "hydraulics", ""),
            ("Wiring diagram", "wiring", ""),
            ("General arrangement", "foldout", ""),
            ("Bleeding the pump", "bleeding", ""),
            ("Maintenance intervals", "maintenance", ""),
            ("Fault finding", "faults", ""),
            ("Error codes", "errors", "faults warranty"),
            ("Tightening torques", "torque", "exploded"),
            ("Spare parts", "spares", ""),
            ("Kurzanleitung auf Deutsch", "german", ""),
            ("Warranty and disposal", "warranty", ""),
        )
    ),
    ("known_item", "part_number"): (
        Question("QH-5025", "spares"),
        Question("QH-6105", "spares"),
        Question("QH-9011", "spares"),
        Question("QH-4452", "hydraulics spares"),
        Question("QH-2241", "exploded spares"),
        Question("QH-8108", "foldout spares"),
        Question("QH-7018", "errors spares"),
        Question("QH-5006", "torque spares"),
        Question("HA24-GA-01", "foldout"),
        Question("24-03217", "technical"),
    ),
    ("known_item", "4_words"): (
        Question("cardboard injected hospital wound", "safety"),
        Question("hemp shreds bonded twist", "installation"),
        Question("milky desiccant foam symptom", "faults"),
        Question("mineral wool coating planner", "foldout"),
        Question("gravel bubbles collapse gas", "wordlist"),
        Question("plugs parcels claim photograph", "warranty"),
    ),
}


def write_questions(path: Path, numbers: Mapping[str, int], *, document: str, name: str) -> None:
    """Writes one question a line. `numbers` are pages from 1; in evaluation files they count from 0."""

    def pages(keys: str) -> list[dict[str, str | int]]:
        return [{"doc": document, "page": numbers[key] - 1} for key in keys.split()]

    lines = []
    for (kind, subtype), questions in QUESTIONS.items():
        before = sum(f'"type": "{kind}"' in line for line in lines)
        for count, question in enumerate(questions, before + 1):
            record = {"query_id": f"{name}-{kind.replace('_', '-')}-{count:03d}", "set": name, "type": kind}
            record |= {"subtype": subtype, "lang": question.lang, "text": question.text}
            found = {"gold": pages(question.gold), "neutral": pages(question.neutral)}
            lines.append(json.dumps(record | found, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
