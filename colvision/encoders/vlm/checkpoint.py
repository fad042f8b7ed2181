"""A checkpoint on disk: found in a folder or in the hub's cache, checked for its files, fingerprinted. No torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from colvision.encoders.bi_encoders.kind import is_text_bi_encoder
from colvision.encoders.module_steps import MODULES_FILE
from colvision.encoders.vlm.json_file import read_json
from colvision.encoders.vlm.module_folder import (
    SETTINGS_FILE,
    TRANSFORMER_FILE,
    ModuleFolder,
    read_modules,
)
from colvision.errors import EncoderNotFound, MissingExtra

_HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_PREFIX = "base_model.model."  # before every name in an adapter's file
# What is fetched: never pickled weights, and nothing of sub-folders, which patterns that begin with "*" would match.
_FILES = (
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
    # what sentence-transformers saves beside the model: steps of a folder each, such as 1_Dense
    MODULES_FILE,
    SETTINGS_FILE,
    TRANSFORMER_FILE,
    "sentence_*_config.json",  # the same, named after another model
    "[1-9]_*/config.json",
    "[1-9]_*/model.safetensors",
)

# What decides the vectors besides the weights. Tokenizers come as one file, or as vocabulary and merges.
_CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json", "adapter_config.json")
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_SETS = ("target_modules", "modules_to_save", "exclude_modules")  # peft writes them in any order
_INCIDENTAL = ("_name_or_path", "base_model_name_or_path", "transformers_version")  # differ between equal copies


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder with `config.json` and safetensors weights; `name` is the folder's name or the hub id.

    `adapter` is the folder that was given when it holds an adapter alone: then `folder` is its base. `source` finds
    it again: the absolute path that was given, or the hub id at its commit. `modules`: what sentence-transformers saved
    beside the model, or beside the adapter.
    """

    name: str
    folder: Path
    model_type: str
    source: str
    adapter: Path | None = None
    modules: ModuleFolder | None = None

    @classmethod
    def read(cls, folder: Path, name: str, source: str = "") -> Checkpoint:
        """Raises EncoderNotFound when the folder lacks its configuration or any of its weights, or one is damaged."""
        config = folder / "config.json"
        if not config.is_file():
            raise EncoderNotFound(
                f"{folder} holds no config.json: pass the folder that holds config.json, *.safetensors and the "
                "tokenizer"
            )
        missing = [file for file in _weight_files(folder) if not (folder / file).is_file()]
        if missing:
            raise EncoderNotFound(
                f"checkpoint {name!r} lacks {', '.join(missing[:3])} in {folder}: "
                "copy all its safetensors files there (pickled weights are not read)"
            )
        model_type = str(read_json(config).get("model_type", ""))
        modules = None if is_text_bi_encoder(folder) else read_modules(folder, name)
        return cls(name, folder, model_type, source or str(folder.resolve()), modules=modules)

    @property
    def folders(self) -> list[Path]:
        """Where its files lie: the base's, and those of the adapter that was given instead of it."""
        return [self.folder] if self.adapter is None else [self.folder, self.adapter]

    @property
    def pools_last_token(self) -> bool:
        """Whether a page or a query is one vector: that of its last token."""
        return self.modules is not None and self.modules.last_token

    def config(self) -> dict[str, Any]:
        """What `config.json` says."""
        return read_json(self.folder / "config.json")

    def weight_files(self) -> list[Path]:
        """The files that hold the weights: one, or those that the sharded checkpoint's table names."""
        return [self.folder / name for name in _weight_files(self.folder)]

    def processor_folder(self) -> Path:
        """Where tokenizer and image processor lie: an adapter's repository may bring its own."""
        has_own = self.adapter is not None and any((self.adapter / name).is_file() for name in _PROCESSORS)
        return self.adapter if self.adapter is not None and has_own else self.folder


def require_vlm_extra(*packages: str, what: str = "this encoder") -> None:
    """Raises MissingExtra, with the command that installs them, when one of these packages is not there."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(f"{what} needs {', '.join(missing)}, not installed here: pip install 'colvision[vlm]'")


@dataclass(frozen=True, slots=True)
class Hub:
    """Where hub ids are looked up: in `cache` (None: the hub's own), then, with `fetch`, on the net."""

    cache: Path | None = None
    fetch: bool = True


_DEFAULT_HUB = Hub()


def could_be_checkpoint(name: str | Path) -> bool:
    """Whether it is the path of a folder, or is spelled as a hub id."""
    return Path(name).expanduser().is_dir() or (isinstance(name, str) and _HUB_ID.fullmatch(name) is not None)


def find_checkpoint(name: str | Path, *, hub: Hub = _DEFAULT_HUB) -> Checkpoint:
    """A folder, or a hub id.

    The hub's cache comes first even when a newer revision is out: a library stays with the weights that filled it.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _read(folder, folder.resolve().name, hub)
    hub_id = _HUB_ID.fullmatch(name) if isinstance(name, str) else None
    if hub_id is None:
        raise EncoderNotFound(
            f"no encoder {str(name)!r}: expected 'mini', a checkpoint folder or a hub id 'owner/name'"
        )
    return _from_hub(hub_id["id"], hub_id["revision"], hub)


def fingerprint(folders: Iterable[Path], settings: Iterable[str]) -> str:
    """sha256 over every file of a checkpoint (and its adapter) that decides its vectors, and over `settings`.

    The same bytes give the same fingerprint wherever they lie; configurations are compared by content.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for name, content in _parts(folder):
            digest.update(f"{name} {content}\n".encode())
        digest.update(b"\n")
    digest.update(json.dumps(list(settings)).encode())
    return digest.hexdigest()


def _parts(folder: Path) -> Iterator[tuple[str, str]]:
    for name in _CONFIGS:
        if (folder / name).is_file():
            yield name, json.dumps(_without_incidentals(read_json(folder / name)), sort_keys=True)
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    earlier = () if (folder / "tokenizer.json").is_file() else ("tokenizer.model", "vocab.txt")
    for name in (*_TOKENIZER, *earlier, *weights):
        if (folder / name).is_file():
            file = folder / name
            status = file.stat()
            yield name, _sha256(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _sha256(path: Path, size: int, changed: int) -> str:
    """Remembered while size and time of change stay: gigabytes would be read twice when an adapter names its base."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_incidentals(config: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            kept[key] = _without_incidentals(value)
        elif key in _SETS and isinstance(value, list):
            kept[key] = sorted(value)
        elif key not in _INCIDENTAL:
            kept[key] = value
    return kept


def _weight_files(folder: Path) -> list[str]:
    """The files that hold the weights, by name: one, or those that the sharded checkpoint's table names."""
    table = folder / "model.safetensors.index.json"
    if not table.is_file():
        return ["model.safetensors"]
    parts = read_json(table)
    weight_map = parts.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or not isinstance(parts.get("metadata"), dict):
        raise EncoderNotFound(f"{table} says no 'weight_map' or no 'metadata': copy it again from where it came")
    return sorted(set(map(str, weight_map.values())))


def _read(folder: Path, name: str, hub: Hub, source: str = "") -> Checkpoint:
    """The checkpoint in a folder; for a folder with an adapter alone, the base that it names, and the adapter."""
    config = folder / "adapter_config.json"
    if (folder / "config.json").is_file() or not config.is_file():
        return Checkpoint.read(folder, name, source)
    base = _base_of(read_json(config), folder)
    try:
        found = find_checkpoint(base, hub=hub) if base else None
    except EncoderNotFound as error:
        raise EncoderNotFound(
            f"{name!r} holds an adapter, and the checkpoint that it was trained on, {base!r}, is not here: place that "
            f"checkpoint in a folder, load the folder and pass adapter={str(folder)!r}"
        ) from error
    if found is None or found.adapter is not None:
        raise EncoderNotFound(
            f"{name!r} holds an adapter, not a checkpoint: "
            f"load the checkpoint it was trained on and pass adapter={str(folder)!r}"
        )
    modules = read_modules(folder, name) or found.modules
    return replace(found, name=name, adapter=folder, source=source or str(folder.resolve()), modules=modules)


def _base_of(config: Mapping[str, object], folder: Path) -> str:
    """The base that an adapter's configuration names, at the revision that it names; "" for none."""
    base, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(base, str):
        return ""
    if not revision:
        return base
    if Path(base).expanduser().is_dir():
        raise EncoderNotFound(
            f"{folder.name!r} holds an adapter for revision {revision!r} of {base!r}, which is a folder here and tells "
            f"no revision: load that folder and pass adapter={str(folder)!r} if it is the right one"
        )
    return f"{base}@{revision}"


def _from_hub(hub_id: str, revision: str | None, hub: Hub) -> Checkpoint:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    reason = ""
    for offline in (True, False) if hub.fetch else (True,):
        try:
            found = snapshot_download(
                hub_id, revision=revision, cache_dir=hub.cache, allow_patterns=list(_FILES), local_files_only=offline
            )
            folder = Path(found)  # the cache names it by its commit
            return _read(folder, hub_id, hub, f"{hub_id}@{folder.name}")
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, EncoderNotFound) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
    raise EncoderNotFound(
        f"encoder {hub_id!r} is neither a folder here nor in the hub's cache, and "
        f"{'could not be' if hub.fetch else 'is not'} fetched{f' ({reason})' if hub.fetch else ''}: "
        "place its config.json, *.safetensors, tokenizer and processor files in a folder and pass the folder"
    )
