"""How often "no page matches well" is right: queries for things that a library holds and that it does not.

python -m benchmarks.no_match [--library DIR --collection NAME --questions FILE.jsonl]

Without options the sample manual, born digital and as a scan, and the questions about it. A false alarm is a question
that the library answers and that gets the notice; a miss is a question about something else that does not get it.
"""

import argparse
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import colvision
from colvision.library import Library
from colvision.search.results import NO_MATCH

_DATA = Path(__file__).parents[1] / "data"
# Three each of twenty fields that no service manual is about.
_THINGS = """sourdough starter hydration; caramel glaze for cinnamon rolls; proofing croissant dough overnight
pruning rose bushes in winter; compost ratio for tomato seedlings; slugs eating lettuce
offside rule for goalkeepers; penalty shootout order; yellow card suspension
violin vibrato exercises; tuning a twelve string guitar; chord inversions on the piano
eclipse of Jupiter's moons; brightness of a supernova; telescope eyepiece for Saturn rings
inheritance tax for grandchildren; tenant eviction notice period; divorce custody hearing
dosage of ibuprofen for toddlers; symptoms of appendicitis; knee ligament surgery rehabilitation
hemming velvet curtains; bobbin tension for denim; crochet baby blanket pattern
reefing the mainsail in a gale; anchoring in coral; spinnaker gybe with two crew
kitten vaccination schedule; cat scratching the sofa; feline dental plaque
siege of Constantinople; treaty of Westphalia delegates; Roman aqueduct slaves
visa for Mongolia; ferry from Dover to Calais timetable; hotel near Lisbon airport
decanting vintage port; malolactic fermentation temperature; oak barrel ageing of rioja
Sicilian defence dragon variation; rook endgame Lucena position; castling through check
migration of arctic terns; owl pellet dissection; nest box for swallows
director of photography in Casablanca; silent comedies of Buster Keaton; popcorn prices
bedtime stories for twins; potty training rewards; kindergarten lunch ideas
pilgrimage to Santiago; monastery bread and honey; gospel choir rehearsal
marathon training in eight weeks; javelin throwing grip; butterfly stroke breathing
knotting a bow tie; cashmere sweater washing; leather boots for snow"""
_WORDINGS = ("{}", "how do I handle {}", "advice about {} for beginners")


def absent_questions() -> list[str]:
    """Sixty questions, in three wordings."""
    things = [thing.strip() for line in _THINGS.splitlines() for thing in line.split(";")]
    return [_WORDINGS[number % 3].format(thing) for number, thing in enumerate(things)]


def shares(library: Library, questions: Iterable[str], collection: str) -> np.ndarray:
    """(questions,) the best page's score over the weights of the words; and (questions,) whether the notice came."""
    rows = []
    for question in questions:
        answer = library.collection(collection).search(question, text_fusion=False)
        rows.append((max(hit.score for hit in answer) / float(answer.query.weights.sum()), NO_MATCH in answer.notice))
    return np.array(rows)


def report(name: str, library: Library, questions: list[str], collection: str) -> str:
    """One line of the table."""
    there, absent = shares(library, questions, collection), shares(library, absent_questions(), collection)
    apart = (there[:, None, 0] > absent[None, :, 0]).mean()
    wrong, missed = there[:, 1].mean(), 1 - absent[:, 1].mean()
    return f"| {name} | {len(there)} | {len(absent)} | {wrong:.2f} | {missed:.2f} | {apart:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--collection", default="default")
    parser.add_argument("--questions", type=Path)
    options = parser.parse_args()
    print("| library | answered | absent | false alarms | misses | apart (AUC) |")
    print("|---|---|---|---|---|---|")
    if options.library:
        with colvision.open_library(options.library, create=False) as library:
            questions = _texts(options.questions)
            print(report(options.library.name, library, questions, options.collection))
        return
    for name, file in (("sample-manual", "questions.jsonl"), ("sample-manual-scan", "questions-scan.jsonl")):
        with tempfile.TemporaryDirectory() as folder, colvision.open_library(folder) as library:
            library.ingest(_DATA / f"{name}.pdf")
            print(report(name, library, _texts(_DATA / file), "default"))


def _texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
