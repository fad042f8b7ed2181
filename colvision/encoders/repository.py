"""Where a checkpoint lies: a folder that was named, or a repository of the Hugging Face hub in its cache. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from colvision.encoders.module_steps import MODULES_FILE, SETTINGS_FILE, TRANSFORMER_FILE
from colvision.errors import EncoderNotFound

STANFORD_FILE = "artifact.metadata"  # lengths and markers of a ColBERT as Stanford's code saves it
ADAPTER_FILE = "adapter_model.safetensors"
# What is fetched: never pickled weights, and nothing of sub-folders, which patterns that begin with "*" would match.
FILES = (
    "config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "adapter_config.json",
    ADAPTER_FILE,
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer*.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.*",  # jinja or json
    "finetune.json",
    STANFORD_FILE,
    # what sentence-transformers saves beside the model: steps of a folder each, such as 1_Dense
    MODULES_FILE,
    SETTINGS_FILE,
    TRANSFORMER_FILE,
    "sentence_*_config.json",  # the same, named after another model
    "[1-9]_*/config.json",
    "[1-9]_*/model.safetensors",
)

_HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Hub:
    """Where hub ids are looked up: in `cache` (None: the hub's own), then, with `fetch`, on the net."""

    cache: Path | None = None
    fetch: bool = True


DEFAULT_HUB = Hub()


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of files; `name` is the folder's name or the hub id.

    `source` finds it again: the absolute path that was given, or the hub id at its commit.
    """

    folder: Path
    name: str
    source: str


def could_be_checkpoint(name: str | Path) -> bool:
    """Whether it is the path of a folder, or is spelled as a hub id."""
    return Path(name).expanduser().is_dir() or (isinstance(name, str) and _HUB_ID.fullmatch(name) is not None)


def find_repository(name: str | Path, read: Callable[[Repository], _Found], *, hub: Hub = DEFAULT_HUB) -> _Found:
    """What `read` makes of a folder, or of a hub id.

    The hub's cache comes first even when a newer revision is out: a library stays with the weights that filled it. What
    `read` refuses with EncoderNotFound there, since a file is missing, is fetched and read once more.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        return read(Repository(folder, folder.name, str(folder)))
    hub_id = _HUB_ID.fullmatch(name) if isinstance(name, str) else None
    if hub_id is None:
        raise EncoderNotFound(
            f"no encoder {str(name)!r}: expected 'mini', a checkpoint folder or a hub id 'owner/name'"
        )
    return _read_from_hub(hub_id["id"], hub_id["revision"], read, hub)


def _read_from_hub(hub_id: str, revision: str | None, read: Callable[[Repository], _Found], hub: Hub) -> _Found:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    reason = ""
    for offline in (True, False) if hub.fetch else (True,):
        try:
            found = snapshot_download(
                hub_id, revision=revision, cache_dir=hub.cache, allow_patterns=list(FILES), local_files_only=offline
            )
            folder = Path(found)  # the cache names it by its commit
            return read(Repository(folder, hub_id, f"{hub_id}@{folder.name}"))
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, EncoderNotFound) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
    raise EncoderNotFound(
        f"encoder {hub_id!r} is neither a folder here nor in the hub's cache, and "
        f"{'could not be' if hub.fetch else 'is not'} fetched{f' ({reason})' if hub.fetch else ''}: "
        "place its config.json, *.safetensors, tokenizer and processor files in a folder and pass the folder"
    )
