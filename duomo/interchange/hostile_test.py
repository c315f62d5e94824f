"""Hostile files of every format: each is refused in one line, no file is made, and memory stays where it was."""

import json
import re
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from duomo.interchange.gguf import write as write_gguf
from duomo.interchange.gguf_file import GGUFFile
from duomo.interchange.gguf_test import outside
from duomo.interchange.huggingface import write

MOST = 200  # MiB above idle
HUGE = 1 << 62
PICKLE = b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
TRIAL = """
import contextlib, io, json, pathlib, resource, sys
import gguf, safetensors.torch, tokenizers
from duomo.cli import main
from duomo.commands import interchange

def peak():  # KiB; what getrusage tells begins with the memory of whoever started this process
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))

folder, names = sys.argv[1], sys.argv[2:]
idle, told = peak(), {}
for name in names:
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(["import", f"{folder}/{name}", "new", "--cache", f"{folder}/cache"])
    told[name] = [code, said.getvalue()]
print(json.dumps({"told": told, "mib": (peak() - idle) / 1024}))
"""


def text(words: bytes, size: int | None = None) -> bytes:
    return struct.pack("<Q", len(words) if size is None else size) + words


@dataclass(frozen=True)
class Entry:
    """What the header of a GGUF file says of a tensor; its shape has the fastest axis first."""

    name: bytes
    shape: tuple[int, ...]
    kind: int
    offset: int

    def written(self) -> bytes:
        """As it stands there."""
        axes = len(self.shape)
        return text(self.name) + struct.pack(f"<I{axes}QIQ", axes, *self.shape, self.kind, self.offset)


@dataclass(frozen=True)
class Parts:
    """What a GGUF file is made of, to be put together again with one thing wrong."""

    keys: bytes
    key_count: int
    entries: tuple[Entry, ...]
    data: bytes

    @classmethod
    def of(cls, path: Path) -> "Parts":
        """The parts of a file that is as it should be."""
        file, whole = GGUFFile(path), path.read_bytes()
        begin = min(stored.start for stored in file.stored.values())
        entries = tuple(Entry(name.encode(), s.shape[::-1], s.kind, s.start - begin) for name, s in file.stored.items())
        parts = cls(whole[24 : whole.index(entries[0].written())], len(file.fields), entries, whole[begin:])
        assert parts.file() == whole
        return parts

    def file(self, version: int = 3, count: int | None = None) -> bytes:
        """The file that they make, aligned as the format wants it."""
        head = b"GGUF" + struct.pack("<IQQ", version, len(self.entries) if count is None else count, self.key_count) + self.keys
        head += b"".join(entry.written() for entry in self.entries)
        return head + bytes(-len(head) % 32) + self.data

    def but(self, **said: Any) -> bytes:
        """The file, whose second tensor says something else of itself."""
        first, second, *rest = self.entries
        return replace(self, entries=(first, replace(second, **said), *rest)).file()

    def after(self, key: bytes) -> bytes:
        """The file with another key before its own ones."""
        return replace(self, keys=key + self.keys, key_count=self.key_count + 1).file()


def array(kind: int, count: int) -> bytes:
    """A key with the head of an array, and nothing in it."""
    return text(b"a") + struct.pack("<IIQ", 9, kind, count)


def singles(good: Parts) -> dict[str, tuple[bytes, str]]:
    """Single files, each with one thing wrong, and what is said of it."""
    first, second = good.entries[0], good.entries[1]
    return {
        "truncated.gguf": (good.file()[:-100], "bytes at .*, but the file has"),
        "overlapping.gguf": (good.but(offset=first.offset), "overlap"),
        "misaligned.gguf": (good.but(offset=second.offset + 8), "an alignment of 32"),
        "long-text.gguf": (good.after(text(b"a") + struct.pack("<I", 8) + text(b"llama", HUGE)), "are claimed at byte .*, past the end of"),
        "long-array.gguf": (good.after(array(5, HUGE)), "are claimed at byte .*, past the end of"),
        "many-texts.gguf": (good.after(array(8, 1 << 40)), "claims 1,099,511,627,776 texts"),
        "nested-arrays.gguf": (good.after(array(9, 4)), "is an array of unknown type 9"),
        "unknown-value.gguf": (good.after(text(b"a") + struct.pack("<I", 13)), "has a value of unknown type 13"),
        "key-twice.gguf": (good.after(text(b"general.name") + struct.pack("<I", 8) + text(b"a")), "'general.name' stands twice"),
        "many-tensors.gguf": (good.file(count=HUGE), "tensors, more than the 65,536"),
        "far-offset.gguf": (good.but(offset=HUGE), "bytes at .*, but the file has"),
        "negative-offset.gguf": (good.but(offset=2**64 - 32), "bytes at .*, but the file has"),
        "overflowing-shape.gguf": (good.but(shape=(1 << 40, 1 << 40)), "bytes at .*, but the file has"),
        "shape-of-nothing.gguf": (good.but(shape=(0, 4)), "which blocks of 1 do not fill"),
        "many-axes.gguf": (good.but(shape=(1,) * 9), "has 9 axes"),
        "unknown-type.gguf": (good.but(kind=99), "is of type 99, which is not known"),
        "no-weights.gguf": (good.but(kind=24), "is of type 24, which is not known"),
        "path.gguf": (good.but(name=b"../../etc/passwd"), "is no tensor's name"),
        "twice.gguf": (good.but(name=first.name), "a tensor's name stands twice"),
        "old.gguf": (good.file(version=1), "GGUF version 1, known are"),
        "without-architecture.gguf": (Parts(b"", 0, good.entries, good.data).file(), "holds a model of the architecture 'None'"),
        "empty.gguf": (b"", "not a GGUF file"),
        "pickle.gguf": (PICKLE, "not a GGUF file"),
        "pickle.bin": (PICKLE, "is a pickle"),
        "unknown.bin": (bytes(64), "is a pickle, or may be one"),
    }


def folders(good: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Folders of Hugging Face's and CTranslate2's kinds, each with one thing wrong."""
    weights, config = good["model.safetensors"], json.loads(good["config.json"])
    size = struct.unpack("<Q", weights[:8])[0]
    header, rest = json.loads(weights[8 : 8 + size]), weights[8 + size :]
    names = [name for name in header if name != "__metadata__"]

    def safetensors(changed: dict) -> dict[str, bytes]:
        told = json.dumps(header | changed).encode()
        return good | {"model.safetensors": struct.pack("<Q", len(told)) + told + rest}

    def said(**changes: object) -> dict[str, bytes]:
        return good | {"config.json": json.dumps(config | changes).encode()}

    nan = good["config.json"].replace(f'"hidden_size": {config["hidden_size"]}'.encode(), b'"hidden_size": NaN')
    first, second = header[names[0]], header[names[1]]
    index = {"weight_map": {name: "../../../../etc/passwd" for name in names}}
    vast = b"\x0a\0decoder/a\0" + struct.pack("<BIIBI", 2, 1 << 20, 1 << 20, 0, 4)
    whisper = struct.pack("<IH", 6, 12) + b"WhisperSpec\0" + struct.pack("<II", 3, 1) + vast + bytes(64)
    return {
        "cut-short": good | {"model.safetensors": weights[: len(weights) // 2]},
        "long-header": good | {"model.safetensors": struct.pack("<Q", HUGE) + weights[8:]},
        "overlapping": safetensors({names[1]: second | {"data_offsets": first["data_offsets"]}}),
        "overflowing-shape": safetensors({names[0]: first | {"shape": [HUGE, HUGE]}}),
        "wrong-type": safetensors({names[0]: first | {"dtype": "I64"}}),
        "unknown-type": safetensors({names[0]: first | {"dtype": "PICKLE"}}),
        "path-as-name": safetensors({"../../etc/passwd": first}),
        "pickle": good | {"model.safetensors": PICKLE},
        "pickle-under-its-name": {k: v for k, v in good.items() if k != "model.safetensors"} | {"pytorch_model.bin": PICKLE},
        "index-out-of-the-folder": {k: v for k, v in good.items() if k != "model.safetensors"}
        | {"model.safetensors.index.json": json.dumps(index).encode(), "model-00001-of-00001.safetensors": weights},
        "another-architecture": said(architectures=["MambaForCausalLM"], model_type="mamba"),
        "remote-code": said(auto_map={"AutoModelForCausalLM": "evil.py"}),
        "vast": said(hidden_size=1 << 40, num_hidden_layers=1 << 40),
        "not-a-number": good | {"config.json": nan},
        "no-tokenizer": good | {"tokenizer.json": PICKLE},
        "ctranslate2-vast": {"model.bin": whisper, "tokenizer.json": b"{}"},
        "ctranslate2-cut-short": {"model.bin": whisper[:40], "tokenizer.json": b"{}"},
    }


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the command line says to each of them, one after the other in one process, and how much memory that took."""
    place = tmp_path_factory.mktemp("hostile")
    write(outside(), place / "good")
    wrong = folders({path.name: path.read_bytes() for path in (place / "good").iterdir()})
    write_gguf(outside(), place / "good.gguf")
    single = singles(Parts.of(place / "good.gguf"))
    for name, (data, _) in single.items():
        (place / name).write_bytes(data)
    for name, files in wrong.items():
        (place / name).mkdir()
        for file, data in files.items():
            (place / name / file).write_bytes(data)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    names = [*single, *wrong, "good"]
    done = subprocess.run([sys.executable, "-c", TRIAL, str(place), *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {str(path.relative_to(place)) for path in place.rglob("*") if path not in before}
    why = {name: told for name, (_, told) in single.items()}
    return json.loads(done.stdout.splitlines()[-1]) | {"place": place, "made": made, "names": names[:-1], "why": why}


def test_every_one_is_refused_in_one_line_that_names_it(trial: dict) -> None:
    assert len(trial["names"]) >= 15
    for name in trial["names"]:
        code, said = trial["told"][name]
        assert code == 2 and said.startswith("error: ") and said.count("\n") == 1, (name, code, said)
        assert str(trial["place"] / name) in said and "Traceback" not in said, (name, said)


def test_a_single_file_is_refused_for_the_one_thing_that_is_wrong_with_it(trial: dict) -> None:
    for name, why in trial["why"].items():
        assert re.search(why, trial["told"][name][1]), (name, why, trial["told"][name])


def test_nothing_is_written(trial: dict) -> None:
    assert trial["told"]["good"][0] == 0  # the last, which is kept
    assert trial["made"] and all(path == "cache" or path.startswith(str(Path("cache") / "models")) for path in trial["made"])
    assert {path.split("/")[2] for path in trial["made"] if path.count("/") > 1} == {"new"}


def test_no_memory_is_taken(trial: dict) -> None:
    assert trial["mib"] < MOST
