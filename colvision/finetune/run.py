"""A fine-tuning, from a library to an adapter: queries, split, negatives, training, and the test before and after."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from colvision.atomic_io import atomic_write
from colvision.core.page import PageId
from colvision.encoders import load_encoder
from colvision.encoders.loading import find_patch_checkpoint
from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.adapters import REPORT_FILE, is_query_only, stored_modules
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.family import with_shared_weights
from colvision.errors import EncoderError, InputError
from colvision.evaluation import Query, Run, TaskProgressCallback, write_run
from colvision.evaluation.report import compare
from colvision.finetune.held_out import Check, CheckSettings, HeldOutQueries, check, search_run
from colvision.finetune.loop import SaveSettings, Training
from colvision.finetune.lora import BaseCheckpoint, attach, checkpoint_blocks, write_adapter
from colvision.finetune.negatives import NegativeMining, TrainingExample, mine_examples
from colvision.finetune.queries import heading_queries, library_pages, read_library_queries, split_queries
from colvision.finetune.recipe import FinetuneOptions, FinetuneRecipe, refuse_mini
from colvision.finetune.report import FinetuneReport, SplitCounts
from colvision.finetune.state import TrainingState
from colvision.library import Library

_CHECKED_PAGES = 256  # that a check reads: those that answer, and others of the same documents
_DEFAULTS = FinetuneOptions()


def finetune(
    library: Library,
    encoder: str | Path,
    out: Path,
    *,
    options: FinetuneOptions = _DEFAULTS,
    progress: TaskProgressCallback = lambda step: None,
) -> FinetuneReport:
    """Trains LoRA layers for the checkpoint `encoder` on pages of the library, and writes them to the folder `out`.

    The folder is an adapter in peft's format: `load_encoder(encoder, adapter=out)`. Where `encoder` is an adapter
    itself, as many published checkpoints are, it stays as it is, and the new one adds to it.

    The library may have been filled by any encoder; its own search finds the hard negatives. A run that was killed goes
    on when it is started again.

    Raises:
        EncoderError: `encoder` cannot be loaded, or is nothing that LoRA can be trained on.
        InputError: there are no queries, or too few documents, or `out` holds another training.
    """
    refuse_mini(encoder)
    checkpoint = find_patch_checkpoint(encoder)
    if checkpoint.adapter is not None and is_query_only(checkpoint.adapter):
        raise EncoderError(
            f"{checkpoint.name!r} is an adapter for queries alone: fine-tune the checkpoint that it was trained on"
        )
    if (out / REPORT_FILE).exists():  # written last: an adapter without it is not done
        raise InputError(f"{out} holds an adapter that is done: give another folder, or remove this one")
    return _FinetuneRun(library, encoder, checkpoint, options, progress).write_to(out)


class _TrainingResult(NamedTuple):
    state: TrainingState
    base: BaseCheckpoint
    fingerprint: str
    trained_with: Mapping[str, object]
    before: Run


class _FinetuneRun:
    """One fine-tuning, step by step."""

    def __init__(
        self,
        library: Library,
        encoder: str | Path,
        checkpoint: Checkpoint,
        options: FinetuneOptions,
        progress: TaskProgressCallback,
    ) -> None:
        self._library, self._encoder, self._checkpoint = library, encoder, checkpoint
        self._options, self._progress = options, progress
        self._pages = library_pages(library, options.collection)
        self._split = split_queries(self._queries(), seed=options.recipe.seed)
        self._test = HeldOutQueries.of(self._split.test, self._pages)

    def write_to(self, out: Path) -> FinetuneReport:
        trained = self._train(out)
        after = search_run(self._load(out), self._test, self._page_image, progress=self._progress)
        report = FinetuneReport(
            folder=out,
            base=trained.base,
            fingerprint=trained.fingerprint,
            trained_with=trained.trained_with,
            recipe=self._options.recipe,
            counts=SplitCounts.of(self._split, pages=len(self._test.pages)),
            losses=tuple(trained.state.losses),
            checks=tuple(trained.state.checks),
            best=trained.state.best_check,
            test=compare(after, trained.before, self._split.test)[0],
        )
        write_run(trained.before, out / "before.trec")
        write_run(after, out / "after.trec")
        atomic_write(out / REPORT_FILE, [json.dumps(report.to_dict(), indent=2).encode()])
        shutil.rmtree(out / "training")
        return report

    def _train(self, out: Path) -> _TrainingResult:
        """The adapter in `out`, and the test as it was before. The model is gone afterwards: two may be too many."""
        recipe = self._options.recipe
        loaded = self._load()
        family = loaded.family
        if recipe.query_only:
            family.query_model = with_shared_weights(family.model)
        lora = attach(family.query_model, rank=recipe.rank, seed=recipe.seed)
        if self._options.checkpointing:
            checkpoint_blocks(family.query_model)
        examples = self._examples()
        stop = HeldOutQueries.of(self._split.stop, self._pages, most=_CHECKED_PAGES)

        def check_at(step: int) -> Check:
            return check(
                loaded, stop, self._page_image, at=CheckSettings(step, recipe.temperature), progress=self._progress
            )

        training = Training(family, lora.trained(), examples, self._page_image, check_at, recipe)
        fingerprint = loaded.info.fingerprint
        folder = out / "training"
        folder.mkdir(parents=True, exist_ok=True)
        saving = SaveSettings(folder, _digest(fingerprint, examples, stop, recipe), self._options.minutes_between)
        state = training.run(saving, progress=self._progress)
        layout = loaded.checkpoint.layout
        base = BaseCheckpoint.of(self._encoder, self._checkpoint)
        stored = {} if layout.is_native else stored_modules(self._checkpoint, layout)
        write_adapter(lora, out, base, stored, query_only=recipe.query_only)
        with lora.switched_off():
            before = search_run(loaded, self._test, self._page_image, progress=self._progress)
        return _TrainingResult(state, base, fingerprint, loaded.checkpoint.trained_with(family), before)

    def _queries(self) -> Sequence[Query]:
        if self._options.queries is not None:
            return read_library_queries(self._options.queries, self._pages)
        found = heading_queries(self._library, self._options.collection, self._pages)
        if not found:
            raise InputError(
                "the documents have no headings to ask for (no bookmarks, no numbered lines in a text layer): give a "
                "file of questions"
            )
        return found

    def _load(self, adapter: Path | None = None) -> VlmEncoder:
        options = self._options
        loaded = load_encoder(
            self._encoder,
            device=str(EncoderOptions(options.device).torch_devices()[0]),  # a replica elsewhere would not be trained
            dtype=options.dtype,
            max_patches=options.max_patches,
            adapter=adapter,
            query_prefix=options.query_prefix,
            page_prompt=options.page_prompt,
            attention=options.attention,
            dim=options.dim,
        )
        if not isinstance(loaded, VlmEncoder):
            raise EncoderError(f"{loaded.info.name} is no vision-language encoder: LoRA cannot be trained on it")
        return loaded

    def _examples(self) -> tuple[TrainingExample, ...]:
        """Negatives come from documents that are neither checked nor tested with."""
        kept_apart = {*self._split.documents(self._split.stop), *self._split.documents(self._split.test)}
        trained = [name for name in self._pages if name not in kept_apart]
        mining = NegativeMining(self._options.collection, trained, self._options.recipe.negatives)
        return tuple(mine_examples(self._library, self._split.train, mining, progress=self._progress))

    def _page_image(self, page: PageId) -> Image.Image:
        return self._library.collection(self._options.collection).page_image(page.document, page.page)


def _digest(fingerprint: str, examples: Sequence[TrainingExample], stop: HeldOutQueries, recipe: FinetuneRecipe) -> str:
    """Another for anything that another training would differ in."""
    settings = [
        fingerprint,
        asdict(recipe),
        [(each.text, each.gold, each.negatives, sorted(each.neutral)) for each in examples],
        [(query.text, sorted(query.gold), sorted(query.neutral)) for query in stop.queries],
        stop.pages,
    ]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()
