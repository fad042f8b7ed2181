"""A ColBERT checkpoint on disk: complete or refused, loaded, and recognised again by its fingerprint."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colvision.core.encoder import CheckpointRef
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.json_file import read_json
from colvision.encoders.options import EncoderOptions
from colvision.encoders.stored_weights import check_weights, count_stored, weight_files
from colvision.encoders.text.layouts import ColbertLayout, read_layout
from colvision.errors import EncoderNotFound

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

    from colvision.encoders.repository import Repository
    from colvision.encoders.text.model import ColbertModel
    from colvision.encoders.text.projection import Projection

_REVISION = 1  # of what is made of a page's text: passages, the order of vectors
_INLINE = "linear.weight"  # Stanford's projection, among the weights of the model
_POSITIONS = ".position_ids"  # numbers in a row, which old transformers stored
_POOLER = "pooler."  # what makes one vector of a text
_REASON = 200  # characters of what transformers says


@dataclass(frozen=True, slots=True)
class TextCheckpoint:
    """A folder with `config.json`, safetensors weights and a tokenizer, and what its files say of how it reads text.

    `name` and `source` as a `Repository` has them.
    """

    name: str
    folder: Path
    source: str
    layout: ColbertLayout

    @classmethod
    def read(cls, repository: Repository) -> TextCheckpoint:
        """Raises EncoderNotFound for files that are missing or damaged, and for what is not run here."""
        folder, name = repository.folder, repository.name
        check_text_files(repository)
        layout = read_layout(folder, name)
        lacking = [layer.file for layer in layout.projection if not layer.file.is_file()]
        if lacking and lacking[0].parent != folder:
            raise EncoderNotFound(
                f"{lacking[0].parent} lacks model.safetensors, the projection to token vectors: copy it there from "
                "the checkpoint (pickled weights are not read)"
            )
        return cls(name, folder, repository.source, layout)

    @property
    def reference(self) -> CheckpointRef:
        """What a collection remembers of it."""
        return CheckpointRef(self.source)

    def check_options(self, options: EncoderOptions) -> None:
        """Raises ValueError for an option that decides the vectors: an encoder of text is as its files say. And for
        several devices: it computes on one.
        """
        devices = options.device.split(",") if isinstance(options.device, str) else options.device or ()
        if len(devices) > 1:
            raise ValueError(f"{self.name!r} is an encoder of text, which computes on one device: give one of them")
        chosen = [
            name for name, value in asdict(options).items() if value is not None and name not in ("device", "dtype")
        ]
        if chosen:
            raise ValueError(
                f"{self.name!r} is an encoder of text: it takes no {', '.join(chosen)}, all that decides its vectors "
                "stands in its files"
            )

    def fingerprint(self) -> str:
        """sha256 over all that decides the vectors: weights, tokenizer, prompts, lengths, what is skipped."""
        layout = {key: value for key, value in asdict(self.layout).items() if key != "projection"}
        adds = [layer.adds_input for layer in self.layout.projection]
        folders = dict.fromkeys(
            layer.file.parent for layer in self.layout.projection if layer.file.parent != self.folder
        )
        settings = (f"text {_REVISION}", json.dumps(layout, sort_keys=True), json.dumps(adds))
        return fingerprint([self.folder, *folders], settings)

    def load(self, device: torch.device, dtype: torch.dtype) -> ColbertModel:
        """The model on its device, complete and in evaluation mode; its projection stays in float32.

        Raises WeightsMismatch, EncoderNotFound.
        """
        from colvision.encoders.text.model import ColbertModel
        from colvision.encoders.vlm.processing import load_tokenizer

        tokenizer = load_tokenizer(self.folder)
        if not tokenizer.is_fast:
            raise EncoderNotFound(
                f"the tokenizer of {self.name!r} does not tell where its tokens stand in a text: copy tokenizer.json "
                "there from the checkpoint"
            )
        state = self._state()
        inline = {name: state.pop(name) for name in [_INLINE] if name in state}
        backbone = self._backbone(state, dtype)
        projections = self._projections(inline, int(backbone.config.hidden_size))
        return ColbertModel(backbone, projections, tokenizer, self.layout).to(device).eval()

    def _state(self) -> dict[str, torch.Tensor]:
        from safetensors.torch import load_file

        files = weight_files(self.folder, self.name)
        count_stored(files)  # names a file that is none
        return {name: weight for file in files for name, weight in load_file(file).items()}

    def _backbone(self, state: Mapping[str, torch.Tensor], dtype: torch.dtype) -> PreTrainedModel:
        model_class, config = self._model_class()
        unused = [_POSITIONS]
        arguments: dict[str, Any] = {}
        if "add_pooling_layer" in inspect.signature(model_class.__init__).parameters:
            arguments["add_pooling_layer"] = False
            unused.append(_POOLER)
        used = {name: weight for name, weight in state.items() if not any(each in name for each in unused)}
        model, report = model_class.from_pretrained(
            None,
            config=config,
            state_dict=used,
            dtype=dtype,
            ignore_mismatched_sizes=True,  # so that they are reported with the others
            output_loading_info=True,
            **arguments,
        )
        check_weights(
            f"checkpoint {self.name!r} does not fit {model_class.__name__}",
            missing=report["missing_keys"],
            unexpected=report["unexpected_keys"],
            reshaped=(key for key, *_ in report["mismatched_keys"]),
        )
        if hasattr(model.config, "use_cache"):
            model.config.use_cache = False
        found: PreTrainedModel = model
        return found

    def _model_class(self) -> tuple[type[PreTrainedModel], PreTrainedConfig]:
        import transformers

        try:
            config = transformers.AutoConfig.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=False
            )
            model_class = transformers.MODEL_MAPPING[type(config)]
        except (ValueError, KeyError, TypeError) as error:
            reason = str(error).partition("\n")[0][:_REASON]
            raise EncoderNotFound(
                f"the config.json of {self.name!r} describes a model that transformers {transformers.__version__} does "
                f"not know ({reason}): take the checkpoint's newest revision, or a newer transformers"
            ) from error
        if getattr(config, "is_encoder_decoder", False):
            raise EncoderNotFound(
                f"checkpoint {self.name!r} has an encoder and a decoder ({config.model_type}), which is not read here: "
                "choose a ColBERT of docs/encoders.md"
            )
        return model_class, config

    def _projections(self, inline: Mapping[str, torch.Tensor], hidden: int) -> list[Projection]:
        from safetensors.torch import load_file

        from colvision.encoders.text.projection import make_projection

        found = []
        for layer in self.layout.projection:
            is_inline = layer.file.parent == self.folder
            weights = inline if is_inline else load_file(layer.file)
            projection = make_projection(layer, weights, hidden)
            hidden = int(projection.linear.out_features)
            found.append(projection)
        return found


def check_text_files(repository: Repository) -> None:
    """Raises EncoderNotFound where `config.json` or weights of a text encoder are missing, for code of its own, and for
    an adapter.
    """
    folder, name = repository.folder, repository.name
    weight_files(folder, name)
    config = read_json(folder / "config.json")
    if config.get("auto_map"):
        raise EncoderNotFound(
            f"checkpoint {name!r} brings its own code ({', '.join(map(str, config['auto_map'].values()))}), which "
            f"is never run: as a plain {config.get('model_type')} it would give other vectors; choose a checkpoint "
            "whose model transformers has"
        )
    if (folder / "adapter_config.json").is_file():
        raise EncoderNotFound(f"checkpoint {name!r} is an encoder of text with an adapter: merge it with peft")
