"""Commands that train, and that hand on what was trained."""

import json
from pathlib import Path
from typing import Annotated

import typer

from colvision.cli.console import echo, steps_bar
from colvision.cli.options import (
    CollectionOption,
    DeviceOption,
    DtypeOption,
    EncoderArgument,
    JsonOption,
    LibraryOption,
    MaxPatchesOption,
    encoder_options,
    open_existing,
)
from colvision.encoders.spec import EncoderSpec
from colvision.finetune.recipe import FinetuneOptions, FinetuneRecipe, Loss, refuse_mini

commands = typer.Typer()
_USUAL = FinetuneRecipe()


@commands.command()
def finetune(
    encoder: Annotated[str, typer.Argument(help="The checkpoint: a folder or a hub id.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="The folder for the adapter.", show_default=False)],
    library: LibraryOption,
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries", "--questions", help="Questions with their pages; the documents' own headings without."
        ),
    ] = None,
    collection: CollectionOption = None,
    loss: Annotated[
        Loss, typer.Option(help="Against all pages of a step, or against the mined ones alone.")
    ] = "in-batch",
    steps: Annotated[int, typer.Option(help="At most so many.")] = _USUAL.steps,
    batch: Annotated[int, typer.Option(help="Questions a step.")] = _USUAL.batch,
    at_once: Annotated[
        int, typer.Option(help="Pages on the device at once; less memory, the same result.")
    ] = _USUAL.at_once,
    negatives: Annotated[int, typer.Option(help="Mined pages a question.")] = _USUAL.negatives,
    rate: Annotated[float, typer.Option(help="The highest learning rate.")] = _USUAL.rate,
    rank: Annotated[int, typer.Option(help="Of the LoRA layers.")] = _USUAL.rank,
    temperature: Annotated[float, typer.Option(help="Of the loss.")] = _USUAL.temperature,
    check_every: Annotated[
        int, typer.Option(help="Steps between checks on documents kept apart.")
    ] = _USUAL.check_every,
    patience: Annotated[int, typer.Option(help="Checks without progress that end the training.")] = _USUAL.patience,
    seed: Annotated[int, typer.Option(help="Of the split, the order and the first weights.")] = _USUAL.seed,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_patches: MaxPatchesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a LoRA adapter for a checkpoint on your own pages; a run that was interrupted goes on where it stopped."""
    refuse_mini(encoder)
    from colvision.finetune import finetune as train  # seconds, which the other commands need not wait for

    with (
        open_existing(library) as opened,
        steps_bar("reading the questions") as on_progress,
    ):
        recipe = FinetuneRecipe(
            loss=loss,
            steps=steps,
            batch=batch,
            at_once=at_once,
            negatives=negatives,
            rate=rate,
            rank=rank,
            temperature=temperature,
            check_every=check_every,
            patience=patience,
            seed=seed,
        )
        options = FinetuneOptions(recipe, queries, collection or "default", device, dtype, max_patches)
        report = train(opened, encoder, out, options=options, progress=on_progress)
    echo(json.dumps(report.to_dict()) if as_json else str(report))


@commands.command()
@encoder_options(EncoderArgument)
def export(
    out: Annotated[Path, typer.Option(help="The folder, which is made.", show_default=False)], *, encoder: EncoderSpec
) -> None:
    """Write a checkpoint, its adapters folded in, as a folder that sentence-transformers 6 reads."""
    from colvision.encoders.vlm.export import export_encoder  # torch, which other commands need not wait for

    if encoder.name is None:
        raise typer.BadParameter("name the checkpoint to export")
    export_encoder(encoder.name, out, encoder.options)
    echo(f"{out}: read by sentence-transformers 6 (MultiVectorEncoder) and by colvision")
