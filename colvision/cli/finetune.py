"""Commands that train adapters and merge them."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from colvision.cli.console import echo, echo_report, steps_bar
from colvision.cli.options import (
    AttentionOption,
    CollectionOption,
    DeviceOption,
    DimOption,
    DtypeOption,
    JsonOption,
    LibraryOption,
    MaxPatchesOption,
    PagePromptOption,
    QueryPrefixOption,
    open_existing,
)
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
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Keep less for the gradients and compute it again; the same result.")
    ] = False,
    negatives: Annotated[int, typer.Option(help="Mined pages a question.")] = _USUAL.negatives,
    rate: Annotated[float, typer.Option(help="The highest learning rate.")] = _USUAL.rate,
    rank: Annotated[int, typer.Option(help="Of the LoRA layers.")] = _USUAL.rank,
    query_only: Annotated[
        bool, typer.Option("--query-only", help="Train the queries' side alone: stored pages stay valid.")
    ] = False,
    temperature: Annotated[float, typer.Option(help="Of the loss.")] = _USUAL.temperature,
    check_every: Annotated[
        int, typer.Option(help="Steps between checks on documents kept apart.")
    ] = _USUAL.check_every,
    patience: Annotated[int, typer.Option(help="Checks without progress that end the training.")] = _USUAL.patience,
    seed: Annotated[int, typer.Option(help="Of the split, the order and the first weights.")] = _USUAL.seed,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_patches: MaxPatchesOption = None,
    query_prefix: QueryPrefixOption = None,
    page_prompt: PagePromptOption = None,
    attention: AttentionOption = None,
    dim: DimOption = None,
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
            query_only=query_only,
            temperature=temperature,
            check_every=check_every,
            patience=patience,
            seed=seed,
        )
        options = FinetuneOptions(
            recipe,
            queries,
            collection or "default",
            device,
            dtype,
            max_patches,
            checkpointing,
            query_prefix=query_prefix,
            page_prompt=page_prompt,
            attention=attention,
            dim=dim,
        )
        report = train(opened, encoder, out, options=options, progress=on_progress)
    echo_report(report, as_json=as_json)


@commands.command()
def merge(
    encoder: Annotated[
        str,
        typer.Argument(help="The checkpoint, or an adapter that names it: a folder or a hub id.", show_default=False),
    ],
    out: Annotated[Path, typer.Argument(help="The folder for the checkpoint.", show_default=False)],
    adapter: Annotated[
        Path | None, typer.Option(help="An adapter that was trained on this checkpoint, to be merged as well.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="Of the written weights; bfloat16 takes half of the disk.")
    ] = "float32",
    sentence_transformers: Annotated[
        bool,
        typer.Option("--sentence-transformers", help="In the form that sentence-transformers 6 reads, and colvision."),
    ] = False,
    query_prefix: QueryPrefixOption = None,
    page_prompt: PagePromptOption = None,
    attention: AttentionOption = None,
) -> None:
    """Write a checkpoint with its adapter folded into the weights: one folder that needs neither base nor adapter."""
    from colvision.encoders import merge_adapters

    merge_adapters(
        encoder,
        out,
        adapter=adapter,
        dtype=dtype,
        sentence_transformers=sentence_transformers,
        query_prefix=query_prefix,
        page_prompt=page_prompt,
        attention=attention,
    )
    echo(f"{out} holds the merged checkpoint: --encoder {shlex.quote(str(out))}")
