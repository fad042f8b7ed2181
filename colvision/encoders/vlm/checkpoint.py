"""A checkpoint of page images on disk: its base, its adapter, its steps, complete or refused. No torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from colvision.encoders.json_file import read_json
from colvision.encoders.repository import DEFAULT_HUB, Hub, Repository, find_repository
from colvision.encoders.stored_weights import weight_files
from colvision.encoders.vlm.module_folder import ModuleFolder, read_modules
from colvision.errors import EncoderNotFound, MissingExtra

ADAPTER_PREFIX = "base_model.model."  # before every name in an adapter's file
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")


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
    def read(cls, folder: Path, name: str, source: str = "", *, with_modules: bool = True) -> Checkpoint:
        """Raises EncoderNotFound when the folder lacks its configuration or any of its weights, or one is damaged."""
        weight_files(folder, name)
        model_type = str(read_json(folder / "config.json").get("model_type", ""))
        modules = read_modules(folder, name) if with_modules else None
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
        return weight_files(self.folder, self.name)

    def processor_folder(self) -> Path:
        """Where tokenizer and image processor lie: an adapter's repository may bring its own."""
        has_own = self.adapter is not None and any((self.adapter / name).is_file() for name in _PROCESSORS)
        return self.adapter if self.adapter is not None and has_own else self.folder


def require_vlm_extra(*packages: str, what: str = "this encoder") -> None:
    """Raises MissingExtra, with the command that installs them, when one of these packages is not there."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(f"{what} needs {', '.join(missing)}, not installed here: pip install 'colvision[vlm]'")


def find_checkpoint(name: str | Path, *, hub: Hub = DEFAULT_HUB, with_modules: bool = True) -> Checkpoint:
    """A folder, or a hub id: see `find_repository`; without `modules`, those of an encoder, for what is none."""
    return find_repository(name, lambda found: read_checkpoint(found, hub, with_modules=with_modules), hub=hub)


def read_checkpoint(repository: Repository, hub: Hub = DEFAULT_HUB, *, with_modules: bool = True) -> Checkpoint:
    """The checkpoint in a folder; for a folder with an adapter alone, the base that it names, and the adapter."""
    folder, name = repository.folder, repository.name
    config = folder / "adapter_config.json"
    if (folder / "config.json").is_file() or not config.is_file():
        return Checkpoint.read(folder, name, repository.source, with_modules=with_modules)
    base = _base_of(read_json(config), folder)
    beneath = Path(base).expanduser()
    if base and (beneath / "adapter_config.json").is_file() and not (beneath / "config.json").is_file():
        base = ""  # another adapter, or this one itself
    try:
        found = find_checkpoint(base, hub=hub, with_modules=with_modules) if base else None
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
    modules = (read_modules(folder, name) or found.modules) if with_modules else None
    return replace(found, name=name, adapter=folder, source=repository.source, modules=modules)


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
