"""Options that several commands share, each written once, and the opening of a library with them."""

import inspect
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, overload

import typer
from typer.models import OptionInfo

import colvision
from colvision.encoders.options import Attention, EncoderOptions, Quantise
from colvision.encoders.spec import EncoderSpec
from colvision.environment import ENCODER_VARIABLE, LIBRARY_VARIABLE, default_library
from colvision.errors import LibraryError, LibraryFormat

if TYPE_CHECKING:
    from colvision.cluster import Cluster, ClusterCollection

_Opened = Union["colvision.Library", "Cluster"]
_Collection = Union["colvision.Collection", "ClusterCollection"]
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
MetaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--meta",
        help="Note NAME=VALUE with every document (year=2021), NAME= removes; give it several times.",
    ),
]
MemoryOption = Annotated[
    int | None,
    typer.Option(
        parser=lambda text: parse_bytes(text),  # defined below
        metavar="SIZE",
        help="Work within so many bytes, such as 512MB, beside the encoder.",
    ),
]
SearchDeviceOption = Annotated[
    str | None,
    typer.Option(
        "--search-device",
        metavar="NAME",
        show_default="the processor",
        help="Compare with the pages on a GPU: cuda or cuda:1. Where the encoder computes is --device.",
    ),
]
DeviceMemoryOption = Annotated[
    int | None,
    typer.Option(
        "--device-memory",
        parser=lambda text: parse_bytes(text),
        metavar="SIZE",
        show_default="half of what is free",
        help="Use so many bytes of the search device, such as 8GB; the processor compares what does not fit.",
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
OcrOption = Annotated[
    bool,
    typer.Option("--ocr", help="Read the text of pages that have none, by RapidOCR or tesseract: the slow part."),
]
OcrEngineOption = Annotated[
    str | None,
    typer.Option(
        "--ocr-engine",
        metavar="NAME",
        show_default="rapidocr where it is installed, else tesseract",
        help="Read their text by this: rapidocr, tesseract, or tesseract:deu+eng for other languages.",
    ),
]


def ocr_engine_of(engine: str | None, *, ocr: bool) -> str | None:
    """Which engine reads text, as `--ocr-engine` and `--ocr` say; None for none."""
    return engine or ("auto" if ocr else None)


WordsArgument = Annotated[
    list[str], typer.Argument(help="What to look for, in plain words; no quotes are needed.", show_default=False)
]
DocumentArgument = Annotated[
    str, typer.Argument(help="The document (name, id or the end of its path).", show_default=False)
]


def _of_encoder(
    flag: str, meaning: str, *, without: str | bool = True, metavar: str | None = None, least: int | None = None
) -> OptionInfo:
    """An option of the encoder; `without` says what is so where it is not given."""
    option: OptionInfo = typer.Option(
        flag, help=meaning, show_default=without, metavar=metavar, min=least, rich_help_panel=_PANEL
    )
    return option


DeviceOption = Annotated[
    str | None,
    _of_encoder(
        "--device", "cpu, mps, cuda (all GPUs: experimental), cuda:1 or cuda:0,cuda:1; the fastest there is without."
    ),
]
DtypeOption = Annotated[
    str | None, _of_encoder("--dtype", "float32, bfloat16 or float16; the fastest that is exact enough without.")
]
MaxPatchesOption = Annotated[int | None, _of_encoder("--max-patches", "The most patches a page becomes.", least=1)]
_AdapterOption = Annotated[Path | None, _of_encoder("--adapter", "The folder of a LoRA adapter for the encoder.")]
_QuantiseOption = Annotated[
    Quantise | None,
    _of_encoder("--quantise", "The encoder's backbone in fewer bits: less memory, less exact (experimental)."),
]
EncoderOption = Annotated[
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
    _of_encoder(
        "--query-prefix",
        "The words before every query, such as 'Query: '; '' for none.",
        without="the checkpoint's own",
        metavar="TEXT",
    ),
]
PagePromptOption = Annotated[
    str | None,
    _of_encoder(
        "--page-prompt",
        "The whole text around a page, with the model's image token once.",
        without="the checkpoint's own",
        metavar="TEXT",
    ),
]
AttentionOption = Annotated[
    Attention | None,
    _of_encoder(
        "--attention",
        "Which way the model reads: every token sees all, or those before it.",
        without="as config.json says, else as published",
    ),
]
DimOption = Annotated[
    int | None,
    _of_encoder(
        "--dim",
        "The first components of every vector, for a model that was trained to be cut.",
        without="all",
        least=1,
    ),
]
RerankOption = Annotated[
    str | None,
    typer.Option(
        "--rerank",
        metavar="NAME",
        show_default="none",
        help="Order the best pages again by a reranker: a checkpoint folder or hub id.",
    ),
]
CandidatesOption = Annotated[
    int, typer.Option("--candidates", min=1, max=1000, help="How many of the best pages the reranker is given.")
]


def check_candidates(rerank: str | None, *, is_given: bool) -> None:
    """Raises `BadParameter` where a number of candidates is given, and no reranker for them."""
    if rerank is None and is_given:
        raise typer.BadParameter("--candidates goes with --rerank")


_ENCODER_OPTIONS = {  # the fields of `EncoderOptions`
    "device": DeviceOption,
    "dtype": DtypeOption,
    "max_patches": MaxPatchesOption,
    "adapter": _AdapterOption,
    "quantise": _QuantiseOption,
    "query_prefix": QueryPrefixOption,
    "page_prompt": PagePromptOption,
    "attention": AttentionOption,
    "dim": DimOption,
}


def encoder_options(name: object = EncoderOption) -> Callable[[Callable[..., None]], Callable[..., None]]:
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


def parse_count(text: str) -> int:
    """2500, 100K, 1.5M -> a number. Raises `typer.BadParameter`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)", text.strip().replace(",", ""), re.IGNORECASE)
    if found is None or not float(found[1]):
        raise typer.BadParameter(f"{text!r} is no number of pages; give one such as 2500, 100K or 100M")
    return int(float(found[1]) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[found[2].upper()])


@overload
def select_collection(
    library: colvision.Library, name: str | None
) -> Union["colvision.Library", "colvision.Collection"]: ...
@overload
def select_collection(library: _Opened, name: str | None) -> _Opened | _Collection: ...
def select_collection(library: _Opened, name: str | None) -> _Opened | _Collection:
    """A collection; without its name `default`, and documents are found by name wherever they are."""
    return library if name is None else library.collection(name)


def open_searchable(
    library: Path,
    *,
    encoder: EncoderSpec | None = None,
    max_memory: int | None = None,
    keep_free: int | None = None,
    renderer: _Renderer = "pdfium",
    create: bool = False,
    search_device: str | None = None,
    device_memory: int | None = None,
    ocr: str | None = None,
) -> _Opened:
    """The library, or the cluster whose `cluster.json` the folder holds, for commands that know both.

    Raises `LibraryError` for a device of searches beside a cluster, whose replicas compare on processors.
    """
    from colvision.cluster.layout import is_cluster

    if is_cluster(library):
        from colvision.cluster import ReplicaOptions, open_cluster

        if search_device is not None:
            raise LibraryError("replicas of a cluster compare on processors: leave --search-device out")
        chosen = encoder or EncoderSpec()
        options = ReplicaOptions(chosen, renderer=renderer, ocr=ocr, max_memory=max_memory, keep_free=keep_free)
        return open_cluster(library, encoder=chosen, replica_options=options)
    return colvision.open_library(
        library,
        encoder=encoder,
        create=create,
        max_memory=max_memory,
        keep_free=keep_free,
        renderer=renderer,
        ocr=ocr,
        search_device=search_device,
        device_memory=device_memory,
    )


def open_if_cluster(
    library: Path | None, *, encoder: EncoderSpec, search_device: str | None
) -> AbstractContextManager[Union["Cluster", None]]:
    """The cluster of a folder, None for any other. Raises `LibraryError` as `open_searchable`."""
    from colvision.cluster.layout import is_cluster

    if library is None or not is_cluster(library):
        return nullcontext()
    opened = open_searchable(library, encoder=encoder, search_device=search_device)
    assert not isinstance(opened, colvision.Library)
    return opened


def open_existing(
    library: Path,
    *,
    encoder: EncoderSpec | None = None,
    max_memory: int | None = None,
    keep_free: int | None = None,
    renderer: _Renderer = "pdfium",
    search_device: str | None = None,
    device_memory: int | None = None,
) -> colvision.Library:
    """The library, which is not made if it is missing. Raises `LibraryFormat` also for a cluster."""
    from colvision.cluster.layout import is_cluster

    if is_cluster(library):
        raise LibraryFormat(f"{library} is a cluster, and this command works on one library: see docs/cluster.md")
    return colvision.open_library(
        library,
        encoder=encoder,
        create=False,
        max_memory=max_memory,
        keep_free=keep_free,
        renderer=renderer,
        search_device=search_device,
        device_memory=device_memory,
    )
