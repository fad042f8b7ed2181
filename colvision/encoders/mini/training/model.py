"""The two towers of mini: a convolutional page reader and a query tower that is little more than a table.

Page: grey pixels, one patch is 32 pixels wide and 16 high (at 98 dpi a word or two of body text, one line).
The height is reduced before the width, so that one cell a letter (8 pixels) is left where letters are told apart.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from colvision.encoders.mini.geometry import BLOCK, DIM, LETTERS
from colvision.encoders.mini.words import BUCKETS, features


class PageTowerOutput(NamedTuple):
    """What the page tower gives for a batch of page images."""

    vectors: Tensor  # (batch, DIM, rows, cols), unit length along DIM
    ink: Tensor  # (batch, rows, cols), logit that the patch carries any print
    letters: Tensor  # (batch, LETTERS, rows, 4 * cols), logits


class Convolution(nn.Sequential):
    """Convolution, batch norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> None:
        padding = (kernel[0] // 2, kernel[1] // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(outputs),
            nn.SiLU(inplace=True),
        )


class Bottleneck(nn.Module):
    """Half the width inside, added to what came in."""

    strength = 1.0  # of what is added, at first

    def __init__(self, width: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        half = width // 2
        norm = nn.BatchNorm2d(width)
        nn.init.constant_(norm.weight, self.strength)
        self.inside = nn.Sequential(
            Convolution(width, half, (1, 1)),
            Convolution(half, half, kernel),
            nn.Conv2d(half, width, 1, bias=False),
            norm,
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = nn.functional.silu(x + self.inside(x))
        return out


class Refinement(Bottleneck):
    """One that changes nothing at first, so that a trained tower can be given more of them."""

    strength = 0.0

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.inside(x)
        return out


class PageTower(nn.Module):
    """(batch, 1, height, width) ink in 0..1, sides multiples of the patch -> `PageTowerOutput`."""

    def __init__(self) -> None:
        super().__init__()
        self.letters_tower = nn.Sequential(
            nn.PixelUnshuffle(BLOCK),  # (16, height / 4, width / 4)
            Convolution(16, 64, (3, 3)),
            Convolution(64, 96, (3, 3), (2, 2)),  # height / 8, width / 8
            Bottleneck(96, (3, 3)),
            Bottleneck(96, (3, 3)),
            Convolution(96, 192, (3, 3), (2, 1)),  # height / 16, width / 8
            Bottleneck(192, (3, 5)),
            Bottleneck(192, (3, 5)),
            Refinement(192, (3, 5)),
        )
        self.words_tower = nn.Sequential(
            Convolution(192, 256, (3, 3), (1, 2)),  # height / 16, width / 16
            Bottleneck(256, (3, 5)),
            Bottleneck(256, (3, 5)),
            Convolution(256, 256, (3, 3), (1, 2)),  # height / 16, width / 32
            Bottleneck(256, (3, 5)),
            Refinement(256, (3, 5)),
            Refinement(256, (3, 5)),
        )
        self.letters_head = nn.Conv2d(192, LETTERS, 1)
        self.patch_head = nn.Conv2d(256, DIM + 1, 1)

    def forward(self, images: Tensor) -> PageTowerOutput:
        patches, letters = self.heads(self.letters_tower[0](images))
        vectors = nn.functional.normalize(patches[:, :DIM].float(), dim=1)
        return PageTowerOutput(vectors, patches[:, DIM].float(), letters.float())

    def heads(self, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 16, height / 4, width / 4) -> vectors and ink (batch, DIM + 1, rows, cols), and letters."""
        middle = self.letters_tower[1:](blocks)
        return self.patch_head(self.words_tower(middle)), self.letters_head(middle)


class QueryTower(nn.Module):
    """A word's vector: the mean of its features' rows in one table, a small residual network, unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(BUCKETS, DIM, mode="mean")
        nn.init.normal_(self.table.weight, std=0.5)
        self.network = nn.Sequential(nn.Linear(DIM, 2 * DIM), nn.SiLU(), nn.Linear(2 * DIM, DIM))

    def forward(self, words: Sequence[str]) -> Tensor:
        rows = [features(word) for word in words]
        starts = torch.tensor([0] + [len(row) for row in rows[:-1]]).cumsum(0)
        bag = self.table(torch.tensor([i for row in rows for i in row]), starts)  # (words, DIM)
        return nn.functional.normalize(bag + self.network(bag), dim=1)
