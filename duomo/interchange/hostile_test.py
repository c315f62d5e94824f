"""Hostile files of every format: each is refused in one line, no file is made, and memory stays where it was."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from duomo.interchange.gguf_test import outside
from duomo.interchange.huggingface import write

MOST = 200  # MiB above idle
HUGE = 1 << 62
PICKLE = b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
TRIAL = """
import contextlib, io, json, resource, sys
import gguf, safetensors.torch, tokenizers
from duomo.cli import main
from duomo.commands import interchange

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

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


def gguf(*entries: bytes, count: int | None = None, keys: bytes = b"", key_count: int = 0) -> bytes:
    """A header with these entries, and room for small tensors behind it."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(entries) if count is None else count, key_count) + keys + b"".join(entries)
    return head + bytes(8192)


def entry(name: bytes = b"token_embd.weight", shape: tuple[int, ...] = (32, 4), kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


FILES = {
    "truncated.gguf": gguf(entry(shape=(64, 64))),
    "overlapping.gguf": gguf(entry(), entry(b"output.weight", offset=32)),
    "long-text.gguf": gguf(keys=text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama", HUGE), key_count=1),
    "long-array.gguf": gguf(keys=text(b"a") + struct.pack("<IIQ", 9, 5, HUGE), key_count=1),
    "many-texts.gguf": gguf(keys=text(b"a") + struct.pack("<IIQ", 9, 8, 1 << 40), key_count=1),
    "nested-arrays.gguf": gguf(keys=text(b"a") + struct.pack("<IIQ", 9, 9, 4), key_count=1),
    "many-tensors.gguf": gguf(count=HUGE),
    "far-offset.gguf": gguf(entry(offset=HUGE)),
    "negative-offset.gguf": gguf(entry(offset=2**64 - 32)),
    "overflowing-shape.gguf": gguf(entry(shape=(1 << 40, 1 << 40))),
    "shape-of-nothing.gguf": gguf(entry(shape=(0, 4))),
    "unknown-type.gguf": gguf(entry(kind=99)),
    "no-weights.gguf": gguf(entry(kind=24)),
    "path.gguf": gguf(entry(b"../../etc/passwd")),
    "twice.gguf": gguf(entry(), entry(offset=4096)),
    "old.gguf": b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
    "empty.gguf": b"",
    "pickle.gguf": PICKLE,
    "pickle.bin": PICKLE,
    "unknown.bin": bytes(64),
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
    for name, data in FILES.items():
        (place / name).write_bytes(data[:5000] if name == "truncated.gguf" else data)
    for name, files in wrong.items():
        (place / name).mkdir()
        for file, data in files.items():
            (place / name / file).write_bytes(data)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    names = [*FILES, *wrong, "good"]
    done = subprocess.run([sys.executable, "-c", TRIAL, str(place), *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {str(path.relative_to(place)) for path in place.rglob("*") if path not in before}
    return json.loads(done.stdout.splitlines()[-1]) | {"place": place, "made": made, "names": names[:-1]}


def test_every_one_is_refused_in_one_line_that_names_it(trial: dict) -> None:
    assert len(trial["names"]) >= 15
    for name in trial["names"]:
        code, said = trial["told"][name]
        assert code == 2 and said.startswith("error: ") and said.count("\n") == 1, (name, code, said)
        assert str(trial["place"] / name) in said and "Traceback" not in said, (name, said)


def test_nothing_is_written(trial: dict) -> None:
    assert trial["told"]["good"][0] == 0  # the last, which is kept
    assert trial["made"] and all(path == "cache" or path.startswith(str(Path("cache") / "models")) for path in trial["made"])
    assert {path.split("/")[2] for path in trial["made"] if path.count("/") > 1} == {"new"}


def test_no_memory_is_taken(trial: dict) -> None:
    assert trial["mib"] < MOST
