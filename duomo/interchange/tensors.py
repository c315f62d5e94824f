"""Tensors: safetensors files of a folder, mapped, checked, one tensor at a time. Never a pickle.

The library checks a file's header against its length: offsets, overlaps, holes, types, overflow of shapes. What it does not
check is checked here: how much the header may take to read, which files an index may name, and what lies there instead.
"""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors import SafetensorError
from torch import Tensor

from duomo.interchange.format import Lazy

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
PICKLED = (b"\x80", b"PK\x03\x04")  # a pickle; the archive in which torch keeps one
LONGEST_HEADER = 4 << 20  # bytes; 1,000 tensors take 100,000
MOST_JSON = 64 << 20
NUMBERS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
NO_PICKLE = "a pickle runs whatever code its maker put into it, so none is read; save the model as safetensors"


def tensors_in(folder: Path) -> Lazy:
    """Every tensor of a model's folder by its name in the files, as float32. Raises ValueError, with the file, for anything hostile."""
    owner: dict[str, Path] = {}
    for path in _files(folder):
        for name in names_in(path):
            if name in owner:
                raise ValueError(f"{path}: holds {name}, which {owner[name].name} holds too")
            owner[name] = path
    opened = {path: safetensors.safe_open(path, "pt") for path in dict.fromkeys(owner.values())}  # once: each opening reads all names
    return Lazy({name: partial(_tensor, path, opened[path], name) for name, path in owner.items()})


def names_in(path: Path) -> list[str]:
    """The names in one safetensors file, whose header is found whole and honest. Raises ValueError with the file."""
    with path.open("rb") as file:
        first = file.read(8)
        size = int.from_bytes(first, "little")
    if len(first) < 8 or size > path.stat().st_size - 8:
        if first.startswith(PICKLED):
            raise ValueError(f"{path}: is a pickle; {NO_PICKLE}")
        raise ValueError(f"{path}: is no safetensors file: its header would be longer than the file, so it is cut short or something else")
    if size > LONGEST_HEADER:
        raise ValueError(f"{path}: its header claims {size:,} bytes, more than the {LONGEST_HEADER:,} that are read")
    try:
        with safetensors.safe_open(path, "pt") as opened:
            return list(opened.keys())
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: is no safetensors file that can be trusted ({' '.join(str(error).split()):.160})") from error


def read_json(path: Path) -> dict[str, Any]:
    """A table out of a JSON file. Raises ValueError with the file."""
    try:
        if path.stat().st_size > MOST_JSON:
            raise ValueError(f"larger than {MOST_JSON >> 20} MiB")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: can not be read as JSON ({' '.join(str(error).split()):.120})") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: is not a table")
    return found


def _files(folder: Path) -> Iterable[Path]:
    if (folder / INDEX).is_file():
        return _shards(folder)
    found = [folder / WHOLE] if (folder / WHOLE).is_file() else sorted(folder.glob("*.safetensors"))
    if len(found) == 1:
        return found
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles and not found:
        raise ValueError(f"{folder}: its weights are in {pickles[0]}; {NO_PICKLE}")
    told = f"several files and no {INDEX}" if found else f"no {WHOLE}"
    raise ValueError(f"{folder}: {told}, so it can not be told which weights are meant")


def _shards(folder: Path) -> list[Path]:
    """The files that an index names: they lie beside it, each holds what the index says, and nothing else is meant."""
    where, wanted = folder / INDEX, read_json(folder / INDEX).get("weight_map")
    if not isinstance(wanted, dict) or not wanted or not all(isinstance(name, str) for name in wanted.values()):
        raise ValueError(f"{where}: has no weight_map")
    for name in dict.fromkeys(wanted.values()):
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise ValueError(f"{where}: names {name!r:.80}, which is not a safetensors file beside it")
        if not (folder / name).is_file():
            raise ValueError(f"{where}: names {name}, which is not there; fetch all parts")
    files = [folder / name for name in sorted(set(wanted.values()))]
    if lacking := wanted.items() - {(name, path.name) for path in files for name in names_in(path)}:
        name, _ = min(lacking)
        raise ValueError(f"{where}: says that {wanted[name]} holds {name:.80}, which it does not")
    return files


def _tensor(path: Path, opened: safetensors.safe_open, name: str) -> Tensor:
    tensor: Tensor = opened.get_tensor(name)
    if tensor.dtype not in NUMBERS:
        raise ValueError(f"{path}: {name} is of type {str(tensor.dtype).removeprefix('torch.')}, which is not read as weights")
    return tensor.to(torch.float32, copy=True)  # its own memory: the file may go
