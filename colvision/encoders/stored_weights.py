"""Weights on disk: which files hold them, how many there are, and whether they are those of a model. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from colvision.encoders.json_file import read_json
from colvision.errors import EncoderNotFound, WeightsMismatch

_NAMED = 3  # weights of each sort that a message names; a wrong layout has hundreds


def weight_files(folder: Path, name: str) -> list[Path]:
    """The files that hold the weights of checkpoint `name`: one, or those that the sharded checkpoint's table names.

    Raises EncoderNotFound where one is missing, or there is no `config.json` beside them.
    """
    if not (folder / "config.json").is_file():
        raise EncoderNotFound(
            f"{folder} holds no config.json: pass the folder that holds config.json, *.safetensors and the tokenizer"
        )
    names = _weight_names(folder)
    missing = [file for file in names if not (folder / file).is_file()]
    if missing:
        raise EncoderNotFound(
            f"checkpoint {name!r} lacks {', '.join(missing[:_NAMED])} in {folder}: "
            "copy all its safetensors files there (pickled weights are not read)"
        )
    return [folder / file for file in names]


def _weight_names(folder: Path) -> list[str]:
    table = folder / "model.safetensors.index.json"
    if not table.is_file():
        return ["model.safetensors"]
    parts = read_json(table)
    weight_map = parts.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or not isinstance(parts.get("metadata"), dict):
        raise EncoderNotFound(f"{table} says no 'weight_map' or no 'metadata': copy it again from where it came")
    return sorted(set(map(str, weight_map.values())))


def count_stored(files: Iterable[Path]) -> int:
    """How many numbers the weights of a checkpoint are, by the headers of its files.

    Raises WeightsMismatch for a file that holds none, and for a weight that two of them hold.
    """
    count, found = 0, set[str]()
    for path in files:
        try:
            with safe_open(path, framework="np") as file:
                names = set(file.keys())
                count += sum(prod(file.get_slice(name).get_shape()) for name in names)
        except (OSError, SafetensorError) as error:
            raise WeightsMismatch(
                f"{path} holds no weights in the format of safetensors ({error}): copy it again from where it came "
                "(pickled weights are not read, whatever they are called)"
            ) from error
        if twice := sorted(names & found):
            raise WeightsMismatch(
                f"{path} holds {', '.join(twice[:_NAMED])}, which another file of this checkpoint holds, too: "
                "take all files from one checkpoint"
            )
        found |= names
    return count


def check_weights(what: str, *, missing: Iterable[str], unexpected: Iterable[str], reshaped: Iterable[str]) -> None:
    """Raises WeightsMismatch when there are any, naming some."""
    kinds = {"missing": sorted(missing), "unexpected": sorted(unexpected), "of another shape": sorted(reshaped)}
    found = [
        f"{len(keys)} {kind} ({', '.join(keys[:_NAMED])}{', ...' if len(keys) > _NAMED else ''})"
        for kind, keys in kinds.items()
        if keys
    ]
    if found:
        raise WeightsMismatch(
            f"{what}: weights {'; '.join(found)}. It was saved in a layout that colvision does not read, or for "
            "another model: choose a checkpoint of docs/encoders.md, or report these names"
        )
