"""How well an encoder finds the pages that answer a set of queries: `colvision evaluate`."""

from colvision.evaluation.corpus import (
    LEVELS,
    Corpus,
    Level,
    TaskProgress,
    TaskProgressCallback,
    find_corpus,
    parse_level,
)
from colvision.evaluation.corpus_library import default_cache
from colvision.evaluation.evaluate import EvaluationOptions, evaluate
from colvision.evaluation.metrics import Measures
from colvision.evaluation.pointing import Pointing
from colvision.evaluation.queries import Query, read_pages_file, read_queries
from colvision.evaluation.report import Comparison, EvaluationReport, EvaluationSetting, GroupMeasures
from colvision.evaluation.runs import Run, read_run, write_run

__all__ = [
    "LEVELS",
    "Comparison",
    "Corpus",
    "EvaluationOptions",
    "Level",
    "Measures",
    "Pointing",
    "TaskProgressCallback",
    "Query",
    "EvaluationReport",
    "GroupMeasures",
    "Run",
    "EvaluationSetting",
    "TaskProgress",
    "default_cache",
    "evaluate",
    "find_corpus",
    "parse_level",
    "read_pages_file",
    "read_queries",
    "read_run",
    "write_run",
]
