"""Options that several commands share, each written once, and the opening of a library with them."""

import inspect
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import colvision
from colvision.encoders.options import Attention, EncoderOptions, Quantise
from colvision.encoders.spec import EncoderSpec
from colvision.environment import ENCODER_VARIABLE, LIBRARY_VARIABLE, default_library

_PANEL = "Encoder"  # of --help
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

LibraryOption = Annotated[
    Path,
    typer.Option(
        "--library",
        envvar=LIBRARY_VARIABLE,
        default_factory=default_library,
        show_default="a folder in your data directory",
        help="The folder that holds the library.",
    ),
]
CollectionOption = Annotated[
    str | None,
    typer.Option("--collection", metavar="NAME", show_default="default", help="`colvision collections` lists them."),
]
AnyCollectionOption = Annotated[
    str | None,
    typer.Option("--collection", metavar="NAME", show_default="all", help="Only this collection."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MemoryOption = Annotated[
    int | None,
    typer.Option(
        parser=lambda text: parse_bytes(text),  # defined below
        metavar="SIZE",
        help="Work within so many bytes, such as 512MB, beside the encoder.",
    ),
]
AcceptOption = Annotated[
    bool,
    typer.Option("--accept-failed-pages", help="Exit with 0 also when pages could not be read; they are named anyway."),
]
KeepFreeOption = Annotated[
    int | None,
    typer.Option(
        "--keep-free",
        parser=lambda text: parse_bytes(text),
        metavar="SIZE",
        show_default="1GB, at most 5 % of the disk",
        help="Stop before less than this is free on the disk; the same command goes on later.",
    ),
]
_Renderer = Literal["pdfium", "poppler"]  # `RendererChoice`, whose module most commands need not wait for
RendererOption = Annotated[
    _Renderer, typer.Option("--renderer", help="What draws the pages of PDFs; poppler where it is installed.")
]
WordsArgument = Annotated[
    list[str], typer.Argument(help="What to look for, in plain words; no quotes are needed.", show_default=False)
]
DocumentArgument = Annotated[
    str, typer.Argument(help="The document (name, id or the end of its path).", show_default=False)
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="cpu, mps, cuda (all GPUs: experimental), cuda:1 or cuda:0,cuda:1; the fastest there is without.",
        rich_help_panel=_PANEL,
    ),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="float32, bfloat16 or float16; the fastest that is exact enough without.",
        rich_help_panel=_PANEL,
    ),
]
MaxPatchesOption = Annotated[
    int | None, typer.Option("--max-patches", min=1, help="The most patches a page becomes.", rich_help_panel=_PANEL)
]
_AdapterOption = Annotated[
    Path | None,
    typer.Option("--adapter", help="The folder of a LoRA adapter for the encoder.", rich_help_panel=_PANEL),
]
_QuantiseOption = Annotated[
    Quantise | None,
    typer.Option(
        "--quantise",
        help="The encoder's backbone in fewer bits: less memory, less exact (experimental).",
        rich_help_panel=_PANEL,
    ),
]
_EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        envvar=ENCODER_VARIABLE,
        metavar="NAME",
        show_default="the one that filled the library, else mini",
        help="mini; or a checkpoint folder or hub id (owner/name, owner/name@revision): experimental.",
        rich_help_panel=_PANEL,
    ),
]
OtherEncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        show_default="the one that is called so already",
        help="mini; or a checkpoint folder or hub id (owner/name, owner/name@revision): experimental.",
        rich_help_panel=_PANEL,
    ),
]
EncoderArgument = Annotated[
    str, typer.Argument(help="mini; or a checkpoint folder or hub id (experimental).", show_default=False)
]
QueryPrefixOption = Annotated[
    str | None,
    typer.Option(
        "--query-prefix",
        metavar="TEXT",
        show_default="the checkpoint's own",
        help="The words before every query, such as 'Query: '; '' for none.",
        rich_help_panel=_PANEL,
    ),
]
PagePromptOption = Annotated[
    str | None,
    typer.Option(
        "--page-prompt",
        metavar="TEXT",
        show_default="the checkpoint's own",
        help="The whole text around a page, with the model's image token once.",
        rich_help_panel=_PANEL,
    ),
]
AttentionOption = Annotated[
    Attention | None,
    typer.Option(
        "--attention",
        show_default="as config.json says, else as published",
        help="Which way the model reads: every token sees all, or those before it.",
        rich_help_panel=_PANEL,
    ),
]
_DimOption = Annotated[
    int | None,
    typer.Option(
        "--dim",
        min=1,
        show_default="all",
        help="The first components of every vector, for a model that was trained to be cut.",
        rich_help_panel=_PANEL,
    ),
]
_ENCODER_OPTIONS = {  # the fields of `EncoderOptions`
    "device": DeviceOption,
    "dtype": DtypeOption,
    "max_patches": MaxPatchesOption,
    "adapter": _AdapterOption,
    "quantise": _QuantiseOption,
    "query_prefix": QueryPrefixOption,
    "page_prompt": PagePromptOption,
    "attention": AttentionOption,
    "dim": _DimOption,
}


def encoder_options(name: object = _EncoderOption) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command with the parameter `encoder: EncoderSpec` the options that make one.

    typer reads a command's signature. It is shown one in which the options stand in the place of the parameter, and
    the command is called with what they say. `name` is how the encoder is named: by an option, or as an argument.
    """
    default = inspect.Parameter.empty if name is EncoderArgument else None
    kind = inspect.Parameter.KEYWORD_ONLY
    shown = [inspect.Parameter("encoder", kind, default=default, annotation=name)]
    shown += [inspect.Parameter(each, kind, default=None, annotation=how) for each, how in _ENCODER_OPTIONS.items()]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        own = [each for each in signature.parameters.values() if each.name != "encoder"]

        @wraps(command)
        def with_spec(**given: Any) -> None:  # noqa: ANN401 -- whatever the command takes
            options = EncoderOptions(**{each: given.pop(each) for each in _ENCODER_OPTIONS})
            command(encoder=EncoderSpec(given.pop("encoder"), options), **given)

        parameters = [each.replace(kind=kind) for each in own] + shown
        with_spec.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return with_spec

    return decorate


def parse_bytes(text: str) -> int:
    """512MB, 2 GB, 100000 -> bytes. Raises `typer.BadParameter`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)i?B?", text.strip(), re.IGNORECASE)
    if found is None or not float(found[1]):
        raise typer.BadParameter(f"{text!r} is no size; give bytes, or a number with KB, MB or GB, such as 512MB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def select_collection(library: colvision.Library, name: str | None) -> colvision.Library | colvision.Collection:
    """A collection; without its name `default`, and documents are found by name wherever they are."""
    return library if name is None else library.collection(name)


def open_existing(
    library: Path,
    *,
    encoder: EncoderSpec | None = None,
    max_memory: int | None = None,
    keep_free: int | None = None,
    renderer: _Renderer = "pdfium",
) -> colvision.Library:
    """The library, which is not made if it is missing."""
    return colvision.open_library(
        library, encoder=encoder, create=False, max_memory=max_memory, keep_free=keep_free, renderer=renderer
    )
