"""A page image with a similarity map of any origin: what a component shows where no library has explained the page."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colvision.core.embedding import Floats, PatchGrid
from colvision.explain.heatmap import draw_heatmap

from .explanation_view import coded
from .views import ExplanationView, MatchView, ScaleView


@dataclass(frozen=True, slots=True, eq=False)
class MappedPage:
    """A page image and how alike each of its patches is to each word of a query, by whatever encoder.

    `image` is (height, width, 3) uint8, or of PIL. `similarity_map` (words, rows, cols) holds a similarity for each
    patch of a grid that covers the whole image, NaN where there is no vector; `words` names its planes: tokens as they
    are, or words whose tokens' planes were joined. `name` is shown above the page. `contributions` (words,) is what
    each adds to the score, by default its best similarity, as in MaxSim (https://arxiv.org/abs/2004.12832). `scale` are
    the similarities that have the faintest and the strongest colour, by default the median of the map and its highest:
    give the same to pages that are to be compared.

    Raises `ValueError` for shapes that do not fit, a map without a number, or an empty scale.
    """

    image: Image.Image | NDArray[np.uint8] = field(repr=False)
    similarity_map: Floats = field(repr=False)
    words: Sequence[str]
    name: str = ""
    contributions: Sequence[float] | Floats | None = None
    scale: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        shape, count = np.shape(self.similarity_map), len(self.words)
        if len(shape) != 3 or shape[0] != count or not np.isfinite(self.similarity_map).any():
            raise ValueError(
                f"a similarity map is (words, rows, cols) and holds numbers; of {count} words it is {shape}"
            )
        if self.contributions is not None and np.shape(self.contributions) != (count,):
            raise ValueError(
                f"contributions are {np.shape(self.contributions)}; expected ({count},), one for each word"
            )
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise ValueError(f"the scale {self.scale} is empty; expected its lowest similarity first")

    @property
    def picture(self) -> Image.Image:
        """The image, without its map."""
        image = self.image if isinstance(self.image, Image.Image) else Image.fromarray(self.image)
        return image.convert("RGB")

    def heatmap(self, word: str | None = None, *, opacity: float = 0.85) -> Image.Image:
        """The page with its patches coloured, of one word or of all, and the best patch of each outlined.

        Raises `ValueError` for a word that there is not.
        """
        if word is not None and word not in self.words:
            raise ValueError(f"there is no word {word!r}; there are {', '.join(self.words)}")
        shown = [number for number, each in enumerate(self.words) if word in (None, each)]
        low, high = self._scale
        strength = np.clip((self.similarity_map[shown] - low) / (high - low), 0, 1)  # (shown, rows, cols)
        boxes = [self._grid.box(*cell) for cell in (self._best(number) for number in shown) if cell]
        strongest = np.nan_to_num(strength, nan=0.0).max(axis=0).astype(np.float32)
        return draw_heatmap(self.picture, strongest, boxes, opacity=opacity)

    def _repr_png_(self) -> bytes:
        """For notebooks: the heatmap of all words."""
        data = io.BytesIO()
        self.heatmap().save(data, "PNG")
        return data.getvalue()

    def view(self) -> ExplanationView:
        """As a client draws it."""
        matches = tuple(self._match(number) for number in range(len(self.words)))
        codes, low, high = coded(np.asarray(self.similarity_map, np.float32))
        return ExplanationView(
            document=self.name,
            document_id="",
            page=0,
            pages=0,
            score=sum(match.contribution for match in matches),
            score_terms={},
            rows=self._grid.rows,
            cols=self._grid.cols,
            matches=matches,
            map=codes,
            scale=ScaleView(low, high, False, 0.0, 0.0, *self._scale, is_lead=False),
            reranker="",
        )

    @property
    def _grid(self) -> PatchGrid:
        return PatchGrid.full(*self.similarity_map.shape[1:])

    @property
    def _scale(self) -> tuple[float, float]:
        if self.scale is not None:
            return self.scale
        known = self.similarity_map[np.isfinite(self.similarity_map)]
        low = float(np.median(known))
        return low, max(float(known.max()), low + 1e-6)

    def _best(self, number: int) -> tuple[int, int] | None:
        """Row and column of the patch that is most like a word; None where its plane holds no number."""
        plane = self.similarity_map[number]
        if not np.isfinite(plane).any():
            return None
        row, col = np.unravel_index(np.nanargmax(plane), plane.shape)
        return int(row), int(col)

    def _match(self, number: int) -> MatchView:
        cell = self._best(number)
        similarity = float(self.similarity_map[number][cell]) if cell else 0.0
        return MatchView(
            word=self.words[number],
            printed="",
            similarity=similarity,
            contribution=similarity if self.contributions is None else float(self.contributions[number]),
            strength=similarity,
            in_text=False,
            unread=False,
            cell=cell,
            box=self._grid.box(*cell) if cell else None,
            text_boxes=(),
        )
