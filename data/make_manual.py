"""Makes the sample manual: a born-digital PDF, a bad scan of it, and questions about the pages of both.

    python data/make_manual.py [FOLDER] [--no-scan]

FOLDER is where the files go; the folder of this script if not given.
"""

import argparse
from pathlib import Path

from manual.book import NUMBERS, TITLE, write_manual
from manual.questions import write_questions
from scan import write_scan


def main() -> None:
    """Reads the arguments and writes the files."""
    parser = argparse.ArgumentParser(description="Make the sample manual, its scan, and the questions about both.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--no-scan", action="store_true", help="write the born-digital manual and its questions only")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    manual = folder / "sample-manual.pdf"
    write_manual(manual)
    write_questions(folder / "questions.jsonl", NUMBERS, document="sample-manual", name="sample")
    if not arguments.no_scan:
        write_scan(manual, folder / "sample-manual-scan.pdf", title=f"{TITLE} (scan)")
        scanned = folder / "questions-scan.jsonl"
        write_questions(scanned, NUMBERS, document="sample-manual-scan", name="sample-scan")


if __name__ == "__main__":
    main()
