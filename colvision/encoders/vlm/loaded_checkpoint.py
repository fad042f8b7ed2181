"""Where an encoder's weights come from: enough to load them, to load them again, and to recognise them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from colvision.core.encoder import CheckpointRef
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.json_file import read_json
from colvision.encoders.options import Attention, EncoderOptions
from colvision.encoders.vlm.adapters import REPORT_FILE, add_adapters, check_given, is_query_only
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.direction import Direction, choose_direction, set_direction, transformers_direction
from colvision.encoders.vlm.family import Family, ProcessorConfig, with_shared_weights
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts
from colvision.encoders.vlm.quantised import quantisation_arguments, to_int8
from colvision.encoders.vlm.resolution import PatchLimit, patch_limit
from colvision.encoders.vlm.weights import StoredWeights, check_dim, load_weights
from colvision.errors import EncoderNotFound, WeightsMismatch


class LoadedCheckpoint(NamedTuple):
    """A checkpoint of a family; `options.adapter` was trained on it, beside the one that its repository may bring."""

    family: type[Family]
    checkpoint: Checkpoint
    options: EncoderOptions = EncoderOptions()

    @property
    def name(self) -> str:
        adapter = self.options.adapter
        return self.checkpoint.name if adapter is None else f"{self.checkpoint.name} + {adapter.name}"

    @property
    def reference(self) -> CheckpointRef:
        """What a collection remembers of it."""
        options = self.options
        return CheckpointRef(
            self.checkpoint.source,
            max_patches=options.max_patches,
            adapter=None if options.adapter is None else str(options.adapter.resolve()),
            quantise=options.quantise,
            query_prefix=options.query_prefix,
            page_prompt=options.page_prompt,
            attention=options.attention,
            dim=options.dim,
        )

    @property
    def layout(self) -> CheckpointLayout:
        return self.family.layout(self.checkpoint)

    @property
    def direction(self) -> Direction:
        """Which way the model is made to read."""
        config = self.checkpoint.config()
        default = Direction(self.layout.attention, "as the published ones were trained; config.json does not say")
        if self.layout.is_turnable and self._processor.is_plain_folder:
            default = Direction(transformers_direction(config), "as sentence-transformers runs it")
        return choose_direction(config, self.layout, self.options.attention, default)

    @property
    def _processor(self) -> ProcessorConfig:
        return ProcessorConfig(self.checkpoint.processor_folder(), self.layout, self.options, self.checkpoint.modules)

    def prompts(self, family: Family) -> Prompts:
        """Those that a model of these files and options is to be given."""
        return self.family.with_options(family.stated_prompts(self._processor), self.options)

    @property
    def _weights(self) -> StoredWeights:
        return StoredWeights(self.checkpoint, self.layout, self.adapters)

    @property
    def adapters(self) -> list[Path]:
        return [adapter for adapter in (self.checkpoint.adapter, self.options.adapter) if adapter is not None]

    @property
    def page_adapters(self) -> list[Path]:
        """Those that pages are encoded with; queries are with all."""
        return [adapter for adapter in self.adapters if not is_query_only(adapter)]

    def load(self, device: torch.device, dtype: torch.dtype) -> Family:
        """The model on its device, complete and in evaluation mode. Raises WeightsMismatch, EncoderNotFound."""
        layout, direction, modules = self.layout, self.direction, self.checkpoint.modules
        if self.options.adapter is not None:
            check_given(self.options.adapter)
        if modules is not None and modules.is_native != layout.is_native:
            raise EncoderNotFound(
                f"checkpoint {self.name!r} has steps of sentence-transformers that do not go with its model_type "
                f"{self.checkpoint.model_type!r}: take all files from one checkpoint"
            )
        model_class, unused = self.family.model_class(), self.family.unused_weights
        quantisation = quantisation_arguments(self.options.quantise, device, dtype)
        implementation = attention_implementation(self.family, device, dtype, has_flash=_has_flash())
        arguments = {**quantisation, "attn_implementation": implementation}
        model = load_weights(model_class, self._weights, dtype, unused=unused, arguments=arguments)
        check_dim(self.checkpoint, model.config.embedding_dim, self.options.dim)
        if layout.is_turnable:
            set_direction(model, direction.attention)
        pairs = [(model, self.page_adapters)]
        if self.page_adapters != self.adapters:
            pairs.append((with_shared_weights(model), self.adapters))
        for each, adapters in pairs:
            if adapters:
                add_adapters(each, adapters, self.checkpoint, layout)
            if not quantisation:  # else it is where it belongs, in fewer bits
                each.to(device)
                if self.options.quantise is not None:
                    to_int8(each)
        family = self.family(model, self._processor)
        family.query_model = pairs[-1][0]
        family.check_page_length()
        self._check_trained_alike(family)
        return family

    def trained_with(self, family: Family) -> Mapping[str, object]:
        """What an adapter that is trained now has to be loaded with, by the names of the options."""
        prompts = family.prompts
        return {
            "query_prefix": prompts.query_prefix.removeprefix(family.query_start),
            "page_prompt": prompts.page,
            "attention": self.direction.attention,
            "dim": family.dim,
        }

    def _check_trained_alike(self, family: Family) -> None:
        """Raises WeightsMismatch for an adapter of ours that was trained with other prompts or another direction, or
        fits what an earlier version made of the same files.
        """
        base = self._replace(options=replace(self.options, adapter=None, quantise=None))
        now = self.trained_with(family)
        for folder in self.adapters:
            report = folder / REPORT_FILE
            then = read_json(report).get("base", {}) if report.is_file() else {}
            other = {name: then[name] for name, value in now.items() if then.get(name, value) != value}
            if other:
                wanted = ", ".join(f"{name}={value!r}" for name, value in other.items())
                raise WeightsMismatch(
                    f"adapter {folder.name!r} was trained with {wanted}, and the model is given "
                    f"{', '.join(repr(now[name]) for name in other)}: load it with what it was trained with"
                )
            if change := base.former_fingerprints(family).get(str(then.get("fingerprint"))):
                raise WeightsMismatch(
                    f"adapter {folder.name!r} fits what an earlier version made of {self.checkpoint.name}: {change}. "
                    "Train it again, or load both as they were then (attention, query_prefix, page_prompt, max_patches)"
                )

    def patch_limit(self, family: Family) -> PatchLimit:
        """The most patches that a page may become."""
        return patch_limit(family, family.stated_patches, self.options)

    def fingerprint(self, family: Family) -> str:
        """sha256 over all that decides the vectors of pages: weights, adapters, prompts, resolution, direction.

        An adapter for queries alone is no part of it: what pages were encoded to stays valid.
        """
        return self._fingerprint(_Settings(family.prompts, family.max_patches, self.direction.attention), family)

    def former_fingerprints(self, family: Family) -> Mapping[str, str]:
        """That of the vectors which earlier versions made of the same files and options -> what has changed since."""
        now = _Settings(family.prompts, family.max_patches, self.direction.attention)
        then = _Settings(
            _former_prompts(family.prompts, self.layout),
            self.options.max_patches or family.stated_patches,
            transformers_direction(self.checkpoint.config()) if self.layout.is_turnable else now.attention,
        )
        changes = {
            "gives it the prompts that it was trained with": now.prompts != then.prompts,
            f"makes at most {now.max_patches:,} patches of a page for {then.max_patches:,}, as it was trained": (
                now.max_patches != then.max_patches
            ),
            f"has it read {now.attention}ly, as it was trained": now.attention != then.attention,
        }
        changed = [change for change, is_so in changes.items() if is_so]
        return {self._fingerprint(then, family): f"colvision now {', and '.join(changed)}"} if changed else {}

    def _fingerprint(self, settings: _Settings, family: Family) -> str:
        """The direction counts where it is not what transformers makes of the same configuration: that is what ran
        before directions could be chosen.
        """
        prompts = settings.prompts
        said = (prompts.page, prompts.query_prefix, prompts.query_suffix)
        made = (self.checkpoint.model_type, str(family.revision), *said, str(settings.max_patches))
        bits = () if self.options.quantise is None else (self.options.quantise,)
        is_turned = self.layout.is_turnable and settings.attention != transformers_direction(self.checkpoint.config())
        turned = (settings.attention,) if is_turned else ()
        cut = (f"{family.dim} components",) if family.dim != family.model.config.embedding_dim else ()
        modules = self.checkpoint.modules
        projection = () if modules is None or modules.projection is None else (modules.projection,)
        beside = () if modules is None else modules.settings
        files = [self.checkpoint.folder, *self.page_adapters, *projection]
        return fingerprint(files, (*made, *bits, *turned, *cut, *beside))


class _Settings(NamedTuple):
    """What decides the vectors beside files, adapters and bits."""

    prompts: Prompts
    max_patches: int
    attention: Attention


def _former_prompts(prompts: Prompts, layout: CheckpointLayout) -> Prompts:
    """What nobody states was the layout's own, then as now."""
    former = layout.former_prompts
    if former is None:
        return prompts
    return replace(
        prompts,
        page=prompts.page if "page" in prompts.sources else former.page,
        query_prefix=prompts.query_prefix if "query_prefix" in prompts.sources else former.query_prefix,
    )


def attention_implementation(family: type[Family], device: torch.device, dtype: torch.dtype, *, has_flash: bool) -> str:
    """PyTorch's own attention, unless flash-attention is installed and made for this model, device and precision."""
    can = has_flash and family.supports_flash_attention and device.type == "cuda" and dtype is torch.bfloat16
    return "flash_attention_2" if can else "sdpa"


def _has_flash() -> bool:
    from transformers.utils import is_flash_attn_2_available

    return bool(is_flash_attn_2_available())
