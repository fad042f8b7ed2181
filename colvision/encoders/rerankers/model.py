"""The models of rerankers, complete and on their device, and how a score is read off them: always in float32."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from safetensors import safe_open
from torch import Tensor

from colvision.encoders.batching import sorted_batches
from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts
from colvision.encoders.vlm.weights import StoredWeights, load_weights
from colvision.errors import EncoderError, EncoderNotFound

if TYPE_CHECKING:
    from transformers import PreTrainedModel

T = TypeVar("T")

_BATCH_TOKENS = {"cpu": 2048, "cuda": 16384, "mps": 4096}
_AS_STORED = CheckpointLayout(Prompts(" ", " ", "", "", source=""))  # the model's own names, and no prompts
_COMPUTING = threading.Lock()  # searches of several threads would each take a batch's memory
_COUNTED = ".position_ids"  # older files hold the numbers 0, 1, 2 ... as if they were weights
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Identity": lambda logits: logits,
}


class Judge(Protocol):
    """A model with what reads its answer."""

    @property
    def model(self) -> PreTrainedModel: ...

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """(b,) float32 of padded inputs on the model's device."""
        ...


def load_model(checkpoint: Checkpoint, options: EncoderOptions) -> PreTrainedModel:
    """The model of the class that its configuration names, on its device. Raises WeightsMismatch, EncoderNotFound."""
    import transformers

    architecture = str(checkpoint.config()["architectures"][0])
    model_class = getattr(transformers, architecture, None)
    if model_class is None or model_class.config_class.model_type != checkpoint.model_type:
        raise EncoderNotFound(
            f"checkpoint {checkpoint.name!r} is a {architecture} of type {checkpoint.model_type!r}, which transformers "
            f"{transformers.__version__} does not know: take its newest revision, or a newer transformers"
        )
    [device, *_] = options.torch_devices()
    stored = StoredWeights(checkpoint, _AS_STORED)
    model = load_weights(model_class, stored, options.torch_dtype(device), unused=_counted(checkpoint))
    return model.to(device)


class ClassifierJudge:
    """A classifier of one label."""

    def __init__(self, model: PreTrainedModel, name: str) -> None:
        if model.config.num_labels != 1:
            raise EncoderNotFound(
                f"checkpoint {name!r} sorts texts into {model.config.num_labels} classes: a reranker has one label, "
                "whether the text answers the query"
            )
        self.model = model
        heads = [part for part in model.modules() if isinstance(part, torch.nn.Linear) and part.out_features == 1]
        heads[-1].float().register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.model(**inputs).logits
        return logits[:, 0].float()


class AnswerJudge:
    """A language model that is asked and answers with a word: logit of yes minus that of no, at the last position.

    `no` is None where the logit of yes alone is the score. Inputs are padded on the left.
    """

    def __init__(self, model: PreTrainedModel, answers: tuple[int, int | None], name: str) -> None:
        yes, no = answers
        weight = model.get_output_embeddings().weight  # (words, hidden)
        if max(yes, no or 0) >= len(weight):
            raise EncoderNotFound(
                f"checkpoint {name!r} answers with the tokens {yes} and {no}, and has {len(weight)}: take all files "
                "from one checkpoint"
            )
        self.model = model
        self._answer = weight[yes].float() - (0.0 if no is None else weight[no].float())  # (hidden,)

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        hidden = self.model.model(**inputs).last_hidden_state[:, -1]  # (b, hidden)
        logits: Tensor = hidden.float() @ self._answer
        return logits


def judge_in_batches(
    judge: Judge, items: Sequence[T], size: Callable[[T], int], batch: Callable[[Sequence[T]], dict[str, Tensor]]
) -> Tensor:
    """(items,) on the CPU. Those of nearly one size share a batch; out of memory, a batch is halved.

    Raises EncoderError for an item that does not fit alone.
    """
    device = judge.model.device
    logits = torch.empty(len(items))
    with torch.inference_mode(), _COMPUTING:
        waiting = sorted_batches([size(item) for item in items], _BATCH_TOKENS[device.type])
        while waiting:
            places = waiting.pop()
            try:
                inputs = {name: each.to(device) for name, each in batch([items[place] for place in places]).items()}
                logits[places] = judge.logits(inputs).cpu()
            except torch.cuda.OutOfMemoryError as error:
                if len(places) == 1:
                    raise EncoderError(
                        f"the reranker ran out of the device's memory on one page of {size(items[places[0]])} tokens: "
                        "load it with a smaller max_patches, or a smaller model"
                    ) from error
                torch.cuda.empty_cache()
                middle = len(places) // 2
                waiting += [places[:middle], places[middle:]]
    return logits


def _counted(checkpoint: Checkpoint) -> set[str]:
    names: set[str] = set()
    for path in checkpoint.weight_files():
        with safe_open(path, framework="pt") as file:
            names.update(name for name in file.keys() if name.endswith(_COUNTED))  # noqa: SIM118  no mapping
    return names
