"""LanceDB: a table in a folder. Every page is compared, until somebody makes an index.

The distance is "dot": with "cosine" the order is another one, as codes are not of unit length. With an index, which for
multi-vectors can be of "cosine" alone, LanceDB answers from that without a word, and `_distance` is no longer that of
MaxSim. So a search that is to be exact goes past it, and another has its best compared again (`refine_factor`).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.core.first_stage import FoundPage, PageScope
from colvision.engines.engine import FIELDS, PATCHES, ExportedPage, found_page, require
from colvision.errors import LibraryError

if TYPE_CHECKING:
    import lancedb
    import pyarrow

_TABLE = "colvision"
_REFINED = 4  # times as many pages as are asked for are compared again after an index


def open_at(place: Path, *, exact: bool) -> "LanceDb":
    require("lancedb", "lancedb")
    return LanceDb(place, exact=exact)


class LanceDb:
    """A table of a database in a folder; several processes may have it open."""

    name = "lancedb"
    most_numbers = None

    def __init__(self, folder: Path, *, exact: bool = False) -> None:
        self._folder = folder
        self._exact = exact
        self._opened: lancedb.table.Table | None = None

    @property
    def table(self) -> "lancedb.table.Table":
        """Raises `LibraryError` where there is none."""
        if self._opened is None:
            if not self._is_there:
                raise LibraryError(f"there is no LanceDB table in {self._folder}: run `colvision export lancedb` first")
            self._opened = _connect(self._folder).open_table(_TABLE)
        return self._opened

    @property
    def _is_there(self) -> bool:
        return (self._folder / f"{_TABLE}.lance").exists()

    @property
    def pages(self) -> int:
        return int(self.table.count_rows())

    def prepare(self, info: EncoderInfo) -> None:
        wanted = schema(info)
        if not self._is_there:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._opened = _connect(self._folder).create_table(_TABLE, schema=wanted)
        elif self.table.schema.field(PATCHES).type != wanted.field(PATCHES).type:
            raise LibraryError(
                f"the LanceDB table in {self._folder} holds {self.table.schema.field(PATCHES).type}, not "
                f"{wanted.field(PATCHES).type}: give another folder"
            )

    def ids(self) -> Iterator[str]:
        for batch in self.table.search().select(["id"]).to_batches():
            yield from batch["id"].to_pylist()

    def write(self, pages: Sequence[ExportedPage]) -> None:
        rows = records(pages)
        self.table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def remove(self, ids: Sequence[str]) -> None:
        self.table.delete(f"id in {_sql(ids)}")

    def finish(self) -> None:
        """Joins the pieces that were written, and drops what was removed."""
        self.table.optimize()

    def find(self, query: Floats, count: int, scope: PageScope) -> list[FoundPage]:
        asked: Any = self.table.search(query, vector_column_name=PATCHES).limit(count)
        if self._exact or not self._has_index:
            asked = asked.distance_type("dot").bypass_vector_index()
        else:
            asked = asked.distance_type("cosine").refine_factor(_REFINED)
        wanted = {"document_id": scope.documents, "page": scope.pages}
        where = [f"{name} in {_sql(values)}" for name, values in wanted.items() if values is not None]
        if where:
            asked = asked.where(" and ".join(where), prefilter=True)
        found = asked.select(["document_id", "page", "encoder", "_distance"]).to_list()
        return [found_page(row, len(query) - row["_distance"]) for row in found]  # each token's distance is 1 - dot

    @property
    def _has_index(self) -> bool:
        return any(PATCHES in index.columns for index in self.table.list_indices())

    def close(self) -> None:
        self._opened = None


def _connect(folder: Path) -> "lancedb.DBConnection":
    """What others write, or index, is seen by the next question."""
    import lancedb

    return lancedb.connect(folder, read_consistency_interval=timedelta(0))


def schema(info: EncoderInfo) -> "pyarrow.Schema":
    """The codes are float16 there, which holds them exactly."""
    import pyarrow

    kinds: dict[str, Any] = {"page": pyarrow.int32(), "facts": pyarrow.list_(pyarrow.string())}
    fields = [pyarrow.field(name, kinds.get(name, pyarrow.string())) for name in ("id", *FIELDS)]
    vectors = pyarrow.field(PATCHES, pyarrow.list_(pyarrow.list_(pyarrow.float16(), info.dim)))
    return pyarrow.schema([*fields, vectors], {"quantisation_range": str(info.quantisation_range)})


def records(pages: Sequence[ExportedPage]) -> "pyarrow.Table":
    import pyarrow

    codes = np.concatenate([page.codes for page in pages])
    starts = np.cumsum([0, *(len(page.codes) for page in pages)], dtype=np.int32)
    flat = pyarrow.array(codes.astype(np.float16).ravel())
    vectors = pyarrow.ListArray.from_arrays(starts, pyarrow.FixedSizeListArray.from_arrays(flat, codes.shape[1]))
    columns: dict[str, Any] = {"id": [page.id for page in pages]}
    for name in FIELDS:
        columns[name] = [page.fields[name] for page in pages]
    columns["page"] = pyarrow.array(columns["page"], pyarrow.int32())
    columns["facts"] = pyarrow.array(columns["facts"], pyarrow.list_(pyarrow.string()))
    return pyarrow.table({**columns, PATCHES: vectors})


def _sql(values: Sequence[str | int]) -> str:
    """A list for SQL; texts stand in quotes, and a quote in a text is doubled."""
    shown = [str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'" for value in values]
    return f"({', '.join(shown)})"
