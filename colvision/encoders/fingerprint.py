"""The fingerprint of a checkpoint: its bytes that decide vectors, and what else does."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from colvision.encoders.json_file import read_json

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
_SETS = ("target_modules", "modules_to_save", "exclude_modules")  # peft writes them in any order
_INCIDENTAL = ("_name_or_path", "base_model_name_or_path", "transformers_version")  # differ between equal copies


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
    vocabulary = () if (folder / "tokenizer.json").is_file() else ("tokenizer.model", "vocab.txt")
    for name in (*_TOKENIZER, *vocabulary, *weights):
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
