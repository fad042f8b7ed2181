"""The training loop: batches of crops in, checkpoints out. It resumes where it was killed."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from colvision.atomic_io import atomic_write
from colvision.encoders.mini.encoder import QUERY_TOWER
from colvision.encoders.mini.training.crops import COLS, ROWS, UNKNOWN, Crop
from colvision.encoders.mini.training.dataset import CropDataset
from colvision.encoders.mini.training.forms import forms_of
from colvision.encoders.mini.training.lookalikes import lookalikes
from colvision.encoders.mini.training.loss import Losses, matching_loss
from colvision.encoders.mini.training.model import PageTower, QueryTower, Refinement
from colvision.encoders.mini.training.muon import Muon
from colvision.encoders.precision import computes_bfloat16

_CHECKPOINT = "checkpoint.safetensors"
FLOAT_PAGE_TOWER = "page.safetensors"  # the page tower before it was quantised, in a folder of weights
_TRAINED_TEMPERATURE = 50.0  # what the matching's came to (docs/mini.md): weights do not say theirs
_LETTERS_WEIGHT, _INK_WEIGHT = 1.0, 0.25
_ADDED_FORMS = 0.3  # share of the batch's words that get a form which is not printed on it
_LOOKALIKES = 700  # words on no patch of the batch that every patch is compared with


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that decides the weights, beside the pages."""

    steps: int = 8000
    batch: int = 8  # crops
    rate: float = 2e-3
    warm_up: int = 100  # steps, also after a resume
    weight_decay: float = 0.02
    seed: int = 1


class Towers(nn.Module):
    """Both towers and the temperature of their matching."""

    def __init__(self) -> None:
        super().__init__()
        self.page = PageTower()
        self.query = QueryTower()
        self.log_temperature = nn.Parameter(torch.tensor(float(np.log(14.0))))

    def begin_with(self, weights: Path) -> None:
        """Takes the weights of a folder; blocks that those lack begin as they are made, changing nothing."""
        page = load_file(weights / FLOAT_PAGE_TOWER)
        missing, unexpected = self.page.load_state_dict(page, strict=False)
        new = {name for name, block in self.page.named_modules() if isinstance(block, Refinement)}
        counts = {name for name in missing if name.endswith("num_batches_tracked")}
        odd = [*unexpected, *(name for name in {*missing} - counts if name.partition(".inside")[0] not in new)]
        if odd:
            raise SystemExit(f"{weights} holds other weights than mini's, such as {odd[0]}: take what export wrote")
        self.query.load_state_dict(load_file(weights / QUERY_TOWER))
        self.log_temperature.data.fill_(np.log(_TRAINED_TEMPERATURE))

    def losses(self, crops: list[Crop], rng: np.random.Generator) -> Losses:
        """All losses of a batch."""
        device = self.log_temperature.device
        images = torch.from_numpy(np.stack([crop.image for crop in crops]))[:, None]
        ink = 1 - images.to(device, torch.float32).div_(255)
        with torch.autocast(device.type, torch.bfloat16, enabled=computes_bfloat16(device)):
            reading = self.page(ink.to(memory_format=torch.channels_last))
        words, pairs, neutral = _batch_words(crops, rng)
        others = lookalikes(words, _LOOKALIKES, rng)
        vectors = self.query(words + others)
        temperature = self.log_temperature.exp().clamp(max=60)
        patches = reading.vectors.permute(0, 2, 3, 1).reshape(len(crops) * ROWS * COLS, -1) * temperature
        matched = matching_loss(patches, vectors[: len(words)], vectors[len(words) :], pairs, neutral)
        letters = torch.from_numpy(np.stack([crop.letters for crop in crops])).to(device, torch.long)
        weight = torch.ones(reading.letters.shape[1], device=device)
        weight[0] = 0.3  # most cells hold no letter
        named = functional.cross_entropy(reading.letters, letters, weight, ignore_index=UNKNOWN)
        printed = torch.from_numpy(np.stack([crop.ink for crop in crops])).to(device, torch.float32)
        inked = functional.binary_cross_entropy_with_logits(reading.ink, printed)
        return Losses(matched[0], matched[1], named, inked, matched[2], matched[3])


def _batch_words(crops: list[Crop], rng: np.random.Generator) -> tuple[list[str], Tensor, Tensor]:
    """The batch's unique words, and pairs and neutral ones in numbers of the batch.

    A word's other forms belong to its patches as it does: those that the batch has, and one more of some words.
    """
    names: dict[str, int] = {}
    pairs: list[NDArray[np.int64]] = []
    neutral: list[NDArray[np.int64]] = []
    for number, crop in enumerate(crops):
        own = np.array([names.setdefault(word, len(names)) for word in crop.words], dtype=np.int64)
        for source, into in ((crop.pairs, pairs), (crop.neutral, neutral)):
            into.append(np.stack([source[:, 0] + number * ROWS * COLS, own[source[:, 1]]], axis=1))
    forms = _word_forms(names, rng)
    both = [_add_word_forms(np.concatenate(part), forms) for part in (pairs, neutral)]
    return list(names), torch.from_numpy(both[0]).long(), torch.from_numpy(both[1]).long()


def _word_forms(names: dict[str, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """(n, 2) words of the batch and their other forms; some forms are added to `names`."""
    found: list[tuple[int, int]] = []
    for word, number in list(names.items()):
        forms = forms_of(word)
        if forms and rng.random() < _ADDED_FORMS:
            names.setdefault(forms[int(rng.integers(len(forms)))], len(names))
        found.extend((number, names[form]) for form in forms if form in names)
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _add_word_forms(pairs: NDArray[np.int64], forms: NDArray[np.int64]) -> NDArray[np.int64]:
    """`pairs` (n, 2) of (patch, word), and each patch with the other forms of its word."""
    order = np.argsort(pairs[:, 1], kind="stable")
    first = np.searchsorted(pairs[order, 1], forms[:, 0])
    last = np.searchsorted(pairs[order, 1], forms[:, 0], side="right")
    more = [
        np.stack([pairs[order[begin:end], 0], np.full(end - begin, form)], axis=1)
        for begin, end, form in zip(first.tolist(), last.tolist(), forms[:, 1].tolist(), strict=True)
    ]
    return np.unique(np.concatenate([pairs, *more]), axis=0)


def train(
    crops: CropDataset, out: Path, recipe: TrainingRecipe, *, start: Path | None = None, minutes_between: float = 5
) -> Path:
    """Trains until `recipe.steps`, resuming from `out` if it holds a checkpoint. Returns the last checkpoint.

    `start`: a folder of weights that a new run begins with, as `export` writes it; without, it begins with nothing.
    """
    torch.manual_seed(recipe.seed)
    towers = Towers().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    if start is not None:
        towers.begin_with(start)
    optimisers = _optimisers(towers, recipe)
    first_step = step = _resume(towers, optimisers, out)
    batches = _batches(crops, recipe, step)
    rng = np.random.default_rng((recipe.seed, step))
    saved = time.monotonic()
    recent: list[list[float]] = []
    started = time.monotonic()
    while step < recipe.steps:
        rate = recipe.rate * min((step - first_step + 1) / recipe.warm_up, 1 - step / recipe.steps)
        for group in [group for optimiser in optimisers.values() for group in optimiser.param_groups]:
            group["lr"] = rate
        losses = towers.losses(next(batches), rng)
        total = losses.to_word + losses.to_patch + _LETTERS_WEIGHT * losses.letters + _INK_WEIGHT * losses.ink
        towers.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(towers.parameters(), 5.0)
        for optimiser in optimisers.values():
            optimiser.step()
        step += 1
        recent.append([float(torch.as_tensor(value).detach()) for value in losses])
        if step % 25 == 0:
            _log(out, step, recent, towers, time.monotonic() - started)
            recent = []
        if time.monotonic() - saved > 60 * minutes_between or step == recipe.steps:
            _save(towers, optimisers, step, out)
            saved = time.monotonic()
    return out / _CHECKPOINT


def _optimisers(towers: Towers, recipe: TrainingRecipe) -> dict[str, torch.optim.Optimizer]:
    """Muon for the convolutions between the first and the heads, AdamW for everything else."""
    inner = [p for name, p in towers.page.named_parameters() if p.ndim == 4 and "head" not in name]
    chosen = {id(p) for p in inner}
    rest = [p for p in towers.parameters() if id(p) not in chosen]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return {
        "muon": Muon(inner, lr=recipe.rate, weight_decay=recipe.weight_decay),
        "adam": torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98)),
    }


def _batches(crops: CropDataset, recipe: TrainingRecipe, step: int) -> Iterator[list[Crop]]:
    crops.start_at(step)
    return iter(DataLoader(crops, batch_size=recipe.batch, collate_fn=list, num_workers=1, prefetch_factor=6))


def _log(out: Path, step: int, recent: list[list[float]], towers: Towers, seconds: float) -> None:
    means = np.mean(recent, axis=0)
    line = {name: round(float(value), 4) for name, value in zip(Losses._fields, means, strict=True)}
    line |= {
        "step": step,
        "temperature": round(float(towers.log_temperature.detach().exp()), 2),
        "seconds": round(seconds),
    }
    with (out / "curve.jsonl").open("a") as curve:
        curve.write(json.dumps(line) + "\n")


def _save(towers: Towers, optimisers: dict[str, torch.optim.Optimizer], step: int, out: Path) -> None:
    """Weights and optimiser state in one file, replaced in one step: a kill or a power cut leaves the old one."""
    tensors = {f"towers.{name}": value.contiguous() for name, value in towers.state_dict().items()}
    for kind, optimiser in optimisers.items():
        for number, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{kind}.{number}.{name}": value.contiguous() for name, value in state.items()}
    atomic_write(out / _CHECKPOINT, [save(tensors, metadata={"step": str(step)})])


def _resume(towers: Towers, optimisers: dict[str, torch.optim.Optimizer], out: Path) -> int:
    path = out / _CHECKPOINT
    if not path.exists():
        return 0
    tensors = load_file(path)
    towers.load_state_dict({name[7:]: value for name, value in tensors.items() if name.startswith("towers.")})
    for kind, optimiser in optimisers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith(f"{kind}."):
                _, number, key = name.split(".")
                state.setdefault(int(number), {})[key] = value
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    with safe_open(path, framework="pt") as file:
        return int(file.metadata()["step"])
