"""What a fine-tuning did, as lines to read and as values for JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from colvision.evaluation import Comparison
from colvision.evaluation.metrics import LABELS
from colvision.finetune.held_out import Check
from colvision.finetune.lora import BaseCheckpoint
from colvision.finetune.queries import Split
from colvision.finetune.recipe import FinetuneRecipe

_SHOWN_MEASURES = ("ndcg5", "ndcg10", "recall1", "recall10", "mrr")


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """How many queries were for what, in how many documents, and how many were left out of the split."""

    train: int
    stop: int
    test: int
    left_out: int
    test_documents: tuple[str, ...]
    test_pages: int

    @classmethod
    def of(cls, split: Split, *, pages: int) -> "SplitCounts":
        """Counts of a split whose test searches so many pages."""
        documents = split.documents(split.test)
        return cls(len(split.train), len(split.stop), len(split.test), split.left_out, documents, pages)


@dataclass(frozen=True, slots=True)
class FinetuneReport:
    """The adapter in `folder`, how it came about, and what it changes on queries that it never saw.

    `trained_with` says what the model was given beside pages and questions: prompts, direction, components.
    `losses` has one value a step, `checks` is in the order of the steps and begins before the first, `best` is the one
    whose weights the adapter holds; `test` compares after with before, paired by query.
    """

    folder: Path
    base: BaseCheckpoint
    fingerprint: str
    trained_with: Mapping[str, object]
    recipe: FinetuneRecipe
    counts: SplitCounts
    losses: tuple[float, ...]
    checks: tuple[Check, ...]
    best: Check
    test: Comparison

    @property
    def is_better(self) -> bool:
        """Whether the interval of the difference in nDCG@10 lies above zero."""
        return self.test.intervals[LABELS.index("nDCG@10")].low > 0

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        intervals = {
            name: list(interval) for name, interval in zip(self.test.theirs._fields, self.test.intervals, strict=True)
        }
        return {
            "base": {**self.base._asdict(), "fingerprint": self.fingerprint, **self.trained_with},
            "recipe": asdict(self.recipe),
            "questions": asdict(self.counts),
            "losses": list(self.losses),
            "checks": [asdict(check) for check in self.checks],
            "best": asdict(self.best),
            "test": {
                "before": self.test.theirs._asdict(),
                "difference": self.test.difference._asdict(),
                "intervals": intervals,
                "better": self.test.better,
                "worse": self.test.worse,
            },
        }

    def _lines(self) -> Iterator[str]:
        counts, test = self.counts, self.test
        left = f" ({counts.left_out} left out: their pages lie in several parts)" if counts.left_out else ""
        yield f"trained on {counts.train} questions, stopped by {counts.stop}, tested with {counts.test}{left}"
        yield f"{len(self.losses)} steps; the best check came after {self.best.step} (loss {self.best.loss:.3f})"
        yield ""
        apart = f"{len(counts.test_documents)} documents that it never saw, {counts.test_pages} pages"
        yield f"{test.queries} questions about {apart}"
        yield f"{'':8s} {'before':>7s} {'after':>7s}  difference  95 %"
        for name, label, interval in zip(test.theirs._fields, LABELS, test.intervals, strict=True):
            if name in _SHOWN_MEASURES:
                before, difference = getattr(test.theirs, name), getattr(test.difference, name)
                span = f"{interval.low:+.3f} .. {interval.high:+.3f}"
                yield f"{label:8s} {before:7.3f} {before + difference:7.3f}  {difference:+10.3f}  {span}"
        yield f"better for {test.better} questions, worse for {test.worse}"
        yield ""
        yield self._verdict()

    def _verdict(self) -> str:
        if self.best.step == 0:
            return f"no check was better than the start: the adapter in {self.folder} changes nothing"
        if self.is_better:
            return f"the adapter in {self.folder} finds these pages better: load the checkpoint with it"
        return f"the adapter in {self.folder} is not surely better: the interval holds 0; more questions would tell"
