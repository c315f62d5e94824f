"""Hostile folders: every one is refused in one line, before memory is taken."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from duomo.interchange import HUGGINGFACE, read
from duomo.interchange.assemble import model_of
from duomo.interchange.huggingface_test import of
from duomo.interchange.tensors import LONGEST_HEADER

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = "model-00001-of-00001.safetensors"


def changed(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """The file with another header before the same numbers."""

    def spoil(folder: Path) -> None:
        data = (folder / WHOLE).read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        told = json.dumps(change(header) or header).encode()
        (folder / WHOLE).write_bytes(struct.pack("<Q", len(told)) + told + data[8 + size :])

    return spoil


def tensor(changes: dict) -> Callable[[Path], None]:
    return changed(lambda header: header["model.norm.weight"].update(changes))


def bytes_of(made: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: (folder / WHOLE).write_bytes(made((folder / WHOLE).read_bytes())) and None


def index(names: object, shard: str = SHARD) -> Callable[[Path], None]:
    """The same weights under an index that says this."""

    def spoil(folder: Path) -> None:
        held = safetensors.torch.load_file(folder / WHOLE)
        (folder / WHOLE).rename(folder / shard)
        told = names(dict.fromkeys(held, shard)) if callable(names) else names
        (folder / INDEX).write_text(json.dumps({"weight_map": told}))

    return spoil


def renamed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / WHOLE).rename(folder / name) and None


def file(name: str, body: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(body) and None


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut short": (bytes_of(lambda data: data[:-100]), "can be trusted"),
    "cut within its header": (bytes_of(lambda data: data[:40]), "longer than the file"),
    "empty": (bytes_of(lambda data: b""), "longer than the file"),
    "a header larger than the file": (bytes_of(lambda data: struct.pack("<Q", 1 << 60) + data[8:]), "longer than the file"),
    "a header of many bytes": (
        bytes_of(lambda data: struct.pack("<Q", LONGEST_HEADER + 1) + b" " * (LONGEST_HEADER + 9)),
        "more than the 4,194,304",
    ),
    "a header that is no JSON": (bytes_of(lambda data: data[:8] + b"[" * 200 + data[208:]), "can be trusted"),
    "overlapping tensors": (tensor({"data_offsets": [0, 128]}), "can be trusted"),
    "offsets past the end": (tensor({"data_offsets": [1 << 40, (1 << 40) + 128]}), "can be trusted"),
    "offsets backwards": (tensor({"data_offsets": [128, 0]}), "can be trusted"),
    "an unknown type": (tensor({"dtype": "F31"}), "can be trusted"),
    "a type of another width": (tensor({"dtype": "F64"}), "can be trusted"),
    "whole numbers as weights": (tensor({"dtype": "I32"}), "is of type int32"),
    "a shape that overflows": (tensor({"shape": [1 << 62, 1 << 62]}), "can be trusted"),
    "a negative shape": (tensor({"shape": [-32]}), "can be trusted"),
    "another shape of as many numbers": (tensor({"shape": [4, 8]}), r"has the shape \(4, 8\)"),
    "a tensor missing": (
        changed(lambda header: {"model.nrm.weight" if k == "model.norm.weight" else k: v for k, v in header.items()}),
        "missing",
    ),
    "a pickle renamed": (bytes_of(lambda data: b"\x80\x04K\x01." + data), "is a pickle"),
    "torch's archive renamed": (bytes_of(lambda data: b"PK\x03\x04" + data), "is a pickle"),
    "a pickle alone": (renamed("pytorch_model.bin"), "a pickle runs whatever code"),
    "two files and no index": (lambda folder: (renamed("a.safetensors")(folder), file("b.safetensors", "")(folder)), "several files"),
    "an index with ../": (index(lambda names: dict.fromkeys(names, "../" + SHARD)), "not a safetensors file beside it"),
    "an index with a whole path": (index(lambda names: dict.fromkeys(names, "/etc/passwd")), "not a safetensors file beside it"),
    "an index of a pickle": (index(lambda names: dict.fromkeys(names, "pytorch_model.bin")), "not a safetensors file beside it"),
    "an index of a missing part": (index(lambda names: names | {"model.norm.weight": "other.safetensors"}), "which is not there"),
    "an index that says too much": (index(lambda names: names | {"extra.weight": SHARD}), "which it does not"),
    "an index that says nothing": (index([]), "has no weight_map"),
    "a config that is no JSON": (file("config.json", "{" * 100_000), "can not be read as JSON"),
    "a config that is nested": (file("config.json", '{"a":' * 100_000), "can not be read as JSON"),
    "a config that is a list": (file("config.json", "[]"), "is not a table"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
    "a tokenizer that is none": (file("tokenizer.json", '{"added_tokens": 3}'), "tokenizer.json"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_folder_is_refused_in_one_line(hostile: str, tmp_path: Path) -> None:
    spoil, told = HOSTILE[hostile]
    folder = tmp_path / "model"
    HUGGINGFACE.write(of("LlamaForCausalLM"), folder)
    spoil(folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=told) as error:
        model_of(read(folder))
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    assert sorted(tmp_path.rglob("*")) == before


FILES = {
    "model.bin": "is a pickle, or may be one",
    "model.pt": "is a pickle, or may be one",
    "model": "is a pickle, or may be one",
    "weights.safetensors": "is a pickle",
    "notes.txt": "is in no known format; known: Hugging Face",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_model_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04K\x01." if name != "notes.txt" else b"words")
    with pytest.raises(ValueError, match=FILES[name]):
        read(tmp_path / name)


def test_a_tensor_outlives_its_file(tmp_path: Path) -> None:
    HUGGINGFACE.write(of("LlamaForCausalLM"), tmp_path)
    found = read(tmp_path).weights["decoder.norm.weight"]
    kept = found.clone()
    (tmp_path / WHOLE).write_bytes(b"")
    assert torch.equal(found, kept)
