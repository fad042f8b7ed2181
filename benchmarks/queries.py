"""What queries cost an existing library, one by one and sixteen at once.

python -m benchmarks.queries LIBRARY QUESTIONS.jsonl [COLLECTION]

The file holds lines of JSON with a `text`. Only MaxSim is used, so that libraries with and without text layers
compare. Elapsed time of each query, and processor time of sixteen: their encoding is part of both.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from colvision.library import open_library

_BATCH = 16


def main() -> None:
    folder, questions, *rest = sys.argv[1:]
    collection = rest[0] if rest else "default"
    texts = [json.loads(line)["text"] for line in Path(questions).read_text().splitlines()]
    with open_library(folder, create=False, read_only=True) as library:
        first = library.collection(collection).search(texts[0], text_fusion=False)
        answers, waits = [], []
        for text in texts:
            begun = time.perf_counter()
            answers.append(library.collection(collection).search(text, text_fusion=False))
            waits.append((time.perf_counter() - begun) * 1000)
        begun = time.process_time()
        for text in texts[:_BATCH]:
            library.collection(collection).search(text, text_fusion=False)
        alone = time.process_time() - begun
        begun = time.process_time()
        library.collection(collection).search_many(texts[:_BATCH], text_fusion=False)
        together = time.process_time() - begun
    middle, late = np.percentile(waits, [50, 95])
    parts = {part: statistics.median(answer.timing_ms[part] for answer in answers) for part in first.timing_ms}
    print(f"{machine()}; {first.pages} pages, {len(texts)} questions")
    print(f"one by one: median {middle:.1f} ms, 95 % within {late:.1f} ms; {parts_text(parts)}")
    print(f"{_BATCH} at once take {together / alone:.2f} of the processor time that they take one by one")


def parts_text(parts: dict[str, float]) -> str:
    return ", ".join(f"{part} {spent:.1f}" for part, spent in parts.items())


if __name__ == "__main__":
    main()
