"""Where a training is: written whole into one file, so that a run that was killed goes on as if it had not been."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from colvision.atomic_io import atomic_write
from colvision.errors import InputError
from colvision.finetune.held_out import Check

FILE = "checkpoint.safetensors"


@dataclass(slots=True, eq=False)
class TrainingState:
    """Steps done, their losses, the checks, and the weights of the best one."""

    losses: list[float] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def step(self) -> int:
        return len(self.losses)

    @property
    def best_check(self) -> Check:
        """The one of least loss, the earliest of equals."""
        return min(self.checks, key=lambda check: (check.loss, check.step))

    @property
    def checks_since_best(self) -> int:
        """Checks since the best one."""
        return len(self.checks) - 1 - self.checks.index(self.best_check)


def save_state(
    folder: Path,
    state: TrainingState,
    weights: Mapping[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    digest: str,
) -> None:
    """Replaces the file of an existing folder in one step; `digest` stands for everything that decides the training."""
    tensors = {f"now.{name}": weight.detach() for name, weight in weights.items()}
    tensors |= {f"best.{name}": weight for name, weight in state.best.items()}
    for number, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": value for name, value in moments.items()}
    tensors["losses"] = torch.tensor(state.losses, dtype=torch.float64)
    tensors["checks"] = torch.tensor([(c.step, c.loss, c.ndcg10) for c in state.checks], dtype=torch.float64)
    whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    atomic_write(folder / FILE, [save(whole, metadata={"digest": digest})])


def load_state(
    folder: Path, weights: Mapping[str, nn.Parameter], optimiser: torch.optim.Optimizer, digest: str
) -> TrainingState:
    """What an earlier run has saved, put into the weights and the optimiser; a new state where there is none.

    Raises `InputError` when that run was another training.
    """
    path = folder / FILE
    if not path.exists():
        return TrainingState()
    with safe_open(path, framework="pt") as file:
        if file.metadata()["digest"] != digest:
            raise InputError(
                f"{folder.parent} holds an unfinished training with other questions, pages, checkpoint or options: "
                "give the same ones to go on with it, or another folder"
            )
    tensors = load_file(path)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[f"now.{name}"])
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("adam."):
            _, number, name = key.split(".")
            moments.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    checks = [Check(int(step), loss, ndcg10) for step, loss, ndcg10 in tensors["checks"].tolist()]
    best = {name.removeprefix("best."): tensor for name, tensor in tensors.items() if name.startswith("best.")}
    return TrainingState(tensors["losses"].tolist(), checks, best)
