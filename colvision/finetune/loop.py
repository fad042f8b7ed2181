"""The training: queries and their pages in, the weights of the best check out."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from colvision.core.page import PageId
from colvision.encoders.vlm.family import Family
from colvision.evaluation import TaskProgress, TaskProgressCallback
from colvision.finetune.gradient_cache import gradients
from colvision.finetune.held_out import Check
from colvision.finetune.losses import PaddedVectors, in_batch, pairwise, similarity
from colvision.finetune.negatives import TrainingExample
from colvision.finetune.recipe import FinetuneRecipe
from colvision.finetune.state import TrainingState, load_state, save_state

_WARM_UP = 0.05  # of the steps, in which the rate rises; then it falls in a line to zero
_LONGEST_GRADIENT = 1.0


class SaveSettings(NamedTuple):
    """Where the state of a training goes and how often; `digest` stands for all that decides the training."""

    folder: Path
    digest: str
    minutes_between: float


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What a training works on: the model, the weights that it may change, and where its pages and checks come from."""

    family: Family
    weights: dict[str, nn.Parameter]
    examples: Sequence[TrainingExample]
    page_image: Callable[[PageId], Image.Image]
    check: Callable[[int], Check]
    recipe: FinetuneRecipe

    def run(self, saving: SaveSettings, *, progress: TaskProgressCallback) -> TrainingState:
        """Trains to the last step or until the checks get no better.

        Leaves the model with the weights of the best check. Every step's queries follow from seed and step alone, so
        what was interrupted goes on as if it had not been.
        """
        optimiser = torch.optim.AdamW(self.weights.values(), lr=self.recipe.rate, weight_decay=0.0)
        state = load_state(saving.folder, self.weights, optimiser, saving.digest)
        if not state.checks:
            self._run_check(state)
        saved = time.monotonic()
        batches = self._batches(state.step)
        while state.step < self.recipe.steps and state.checks_since_best < self.recipe.patience:
            self._step(state, optimiser, *next(batches))
            is_due = state.step % self.recipe.check_every == 0 or state.step == self.recipe.steps
            if is_due:
                self._run_check(state)
            if is_due or time.monotonic() - saved >= 60 * saving.minutes_between:
                save_state(saving.folder, state, self.weights, optimiser, saving.digest)
                saved = time.monotonic()
            progress(TaskProgress(f"training, loss {state.losses[-1]:.3f}", state.step, self.recipe.steps))
        batches.close()
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(state.best[name])
        return state

    def _run_check(self, state: TrainingState) -> None:
        state.checks.append(self.check(state.step))
        if state.checks_since_best == 0:
            state.best = {name: weight.detach().cpu().clone() for name, weight in self.weights.items()}

    def _batches(self, step: int) -> Generator[tuple[Batch, list[Image.Image]]]:
        """The batches from a step on with their page images, which are read while the batch before is trained on."""
        with ThreadPoolExecutor(1) as reader:
            batch = Batch.of(self.examples, self.recipe, step)
            images = [reader.submit(self.page_image, page) for page in batch.pages]
            while True:
                step += 1
                following = Batch.of(self.examples, self.recipe, step)
                waiting = [reader.submit(self.page_image, page) for page in following.pages]
                yield batch, [image.result() for image in images]
                batch, images = following, waiting

    def _step(
        self, state: TrainingState, optimiser: torch.optim.Optimizer, batch: Batch, images: Sequence[Image.Image]
    ) -> None:
        optimiser.zero_grad()
        loss = batch.loss(self.recipe)
        state.losses.append(gradients(self.family, batch.texts, images, loss, at_once=self.recipe.at_once))
        nn.utils.clip_grad_norm_(self.weights.values(), _LONGEST_GRADIENT)
        for group in optimiser.param_groups:
            group["lr"] = self.recipe.rate * _rate_share(state.step, self.recipe.steps)
        optimiser.step()


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Queries and the pages that stand for and against them, each page once.

    `gold` (q,) is the column of each query's page; `neutral` and `wrong` (q, p) say what the other columns are to it.
    """

    texts: tuple[str, ...]
    pages: tuple[PageId, ...]
    gold: Tensor
    neutral: Tensor
    wrong: Tensor

    @classmethod
    def of(cls, examples: Sequence[TrainingExample], recipe: FinetuneRecipe, step: int) -> Batch:
        """The queries of a step: every pass over all of them has an order of its own."""
        size = min(recipe.batch, len(examples))
        chosen = [
            examples[_example_number(recipe.seed, number, len(examples))]
            for number in range(step * size, (step + 1) * size)
        ]
        rng = np.random.default_rng((recipe.seed, 1, step))
        answers = [example.gold[int(rng.integers(len(example.gold)))] for example in chosen]
        pages = tuple(dict.fromkeys([*answers, *(page for example in chosen for page in example.negatives)]))
        return cls(
            texts=tuple(example.text for example in chosen),
            pages=pages,
            gold=torch.tensor([pages.index(page) for page in answers]),
            neutral=torch.tensor([[page in example.neutral for page in pages] for example in chosen]),
            wrong=torch.tensor([[page in example.negatives for page in pages] for example in chosen]),
        )

    def loss(self, recipe: FinetuneRecipe) -> Callable[[PaddedVectors, PaddedVectors], Tensor]:
        """The recipe's loss of these queries and pages, given as vectors."""

        def batch_loss(queries: PaddedVectors, pages: PaddedVectors) -> Tensor:
            similar = similarity(queries, pages)
            gold, wrong, neutral = (each.to(similar.device) for each in (self.gold, self.wrong, self.neutral))
            if recipe.loss == "in-batch":
                return in_batch(similar, gold, neutral, recipe.temperature)
            return pairwise(similar, gold, wrong, neutral, recipe.temperature)

        return batch_loss


def _example_number(seed: int, number: int, count: int) -> int:
    """Which example comes as the `number`th (from 0) of all passes."""
    epoch, place = divmod(number, count)
    return int(np.random.default_rng((seed, 0, epoch)).permutation(count)[place])


def _rate_share(step: int, steps: int) -> float:
    """Of the full rate at a step, counted from 1."""
    rising = step / max(_WARM_UP * steps, 1)
    return min(rising, (steps - step + 1) / steps, 1.0)
