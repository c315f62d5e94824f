"""CTranslate2: its flat binary of named variables. Only Whisper is read from it.

Layout of `model.bin`, little-endian, as its Python package writes it (model_spec.py, binary version 6): version u32, name of the
specification, revision u32, count u32; for each variable its name, rank u8, sides u32…, type u8, bytes u32, data; then
count u32 of aliases, each two names. A name is u16 length, then bytes with a zero at the end.
"""

import mmap
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from duomo.interchange.families import recipe_of
from duomo.interchange.families import whisper as families
from duomo.interchange.families.family import Config, Names, Place, both, inward, layers
from duomo.interchange.format import Card, Format, Lazy, Outside
from duomo.recipe import ModelRecipe
from duomo.tokenizer import PLAIN

MODEL, TOKENIZER = "model.bin", "tokenizer.json"
VERSIONS = (4, 5, 6)
SPECIFICATION = "WhisperSpec"
TYPES: tuple[type[np.generic], ...] = (np.float32, np.int8, np.int16, np.int32, np.float16, np.uint16)
BFLOAT16 = 5  # among them: the upper half of a float32
LONGEST_NAME, MOST_AXES, MOST_VARIABLES = 512, 4, 100_000
GELU = 3  # of CTranslate2's enumeration; its Whisper has no other in the encoder, whatever a file says
FLAGS = {  # every lone number that a Whisper may have; None: any, as told elsewhere or of no weight here
    "encoder.num_heads": None,
    "decoder.num_heads": None,
    "decoder.alignment_layer": None,
    "decoder.alignment_heads": None,
    "encoder.pre_norm": 1,
    "decoder.pre_norm": 1,
    "encoder.activation": GELU,
    "decoder.activation": GELU,
    "encoder.scale_embeddings": 0,
    "decoder.scale_embeddings": 0,
    "decoder.alibi": 0,
    "decoder.alibi_use_positive_positions": 0,
    "decoder.scale_alibi": 0,
    "decoder.start_from_zero_embedding": 0,
}
AXES = {"weight": 2, "bias": 1, "gamma": 1, "beta": 1, "encodings": 2}  # by the last word of a name; a convolution's weight has 3


@dataclass(frozen=True)
class Variable:
    """Where one array lies in the file; it is read when it is asked for."""

    shape: tuple[int, ...]
    type: int
    start: int
    bytes: int


class Variables(Mapping[str, Tensor]):
    """The arrays of a file by name ("." between its parts), each converted to float32 when it is asked for.

    Whole numbers are divided by their scales. Raises ValueError for a name that is not there, and for scales that are not its own.
    """

    def __init__(self, file: Path, data: mmap.mmap, table: Mapping[str, Variable]):
        self.file, self._data, self._table = file, data, table

    def __getitem__(self, name: str) -> Tensor:
        values = self._array(name)
        if values.ndim and self.whole(name):
            scale = self._scale(name, values.shape[0])
            values = values.astype(np.float32) / scale.reshape(scale.shape + (1,) * (values.ndim - scale.ndim))
        return torch.from_numpy(values.astype(np.float32))

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def shape(self, name: str) -> tuple[int, ...]:
        """The sides of an array, without reading it."""
        return self._variable(name).shape

    def whole(self, name: str) -> bool:
        """Whether an array is of whole numbers, which have a scale."""
        return bool(np.issubdtype(TYPES[self._variable(name).type], np.integer)) and self._variable(name).type != BFLOAT16

    def same(self, first: str, second: str) -> bool:
        """Whether two names stand for one array."""
        return self._table.get(first) is self._table.get(second)

    def _variable(self, name: str) -> Variable:
        if name not in self._table:
            raise ValueError(f"{self.file}: has no variable {name}; convert the model again")
        return self._table[name]

    def _scale(self, name: str, rows: int) -> np.ndarray:
        """What whole numbers are divided by: one number, or one for each row."""
        scale = self._array(f"{name}_scale").astype(np.float32)
        if scale.shape not in ((), (rows,)) or not (np.isfinite(scale) & (scale != 0)).all():
            raise ValueError(f"{self.file}: {name}_scale is not one number for each of {rows} rows, or for all; convert the model again")
        return scale

    def _array(self, name: str) -> np.ndarray:
        found = self._variable(name)
        array = np.frombuffer(self._data, TYPES[found.type], prod(found.shape), found.start).reshape(found.shape)
        return (array.astype(np.uint32) << 16).view(np.float32) if found.type == BFLOAT16 else array


def known(path: Path) -> bool:
    """Whether a folder (or file) is a CTranslate2 model: a `model.bin` that begins with a version and the name of a specification."""
    file = path / MODEL if path.is_dir() else path
    if file.name != MODEL or not file.is_file():
        return False
    with file.open("rb") as opened:
        head = opened.read(6 + LONGEST_NAME)
    if len(head) < 7:
        return False
    version, length = struct.unpack_from("<IH", head)
    return 0 < version < 100 and head[6 : 6 + length].endswith(b"Spec\0")


def variables(file: Path) -> tuple[str, Variables]:
    """The specification's name and the variables of a `model.bin`.

    Every length, shape and size that the file claims is held against the bytes that it has before anything is read. Raises
    ValueError naming the file for a truncated, overlong or contradictory one.
    """
    with file.open("rb") as opened:
        try:
            data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise ValueError(f"{file}: is empty; fetch it again") from error
    reader = _Reader(data, file)
    version = reader.number("<I")
    if version not in VERSIONS:
        raise ValueError(f"{file}: binary version {version} is not read; convert the model with CTranslate2 4 (version {VERSIONS[-1]})")
    specification = reader.name()
    reader.number("<I")  # the revision of the specification
    table = dict(_table(reader))
    for _ in range(reader.count(6)):
        alias, name = reader.name(), reader.name()
        if name not in table or alias in table:
            raise reader.fault(f"an alias {alias!r} of {name!r}")
        table[alias] = table[name]
    if reader.at != len(data):
        raise reader.fault(f"{len(data) - reader.at} bytes after its end")
    return specification, Variables(file, data, table)


def _table(reader: "_Reader") -> Iterator[tuple[str, Variable]]:
    seen = set[str]()
    for _ in range(reader.count(9)):
        name, rank = reader.name(), reader.number("<B")
        if name in seen or rank > MOST_AXES:
            raise reader.fault(f"{name!r} with {rank} axes" if rank > MOST_AXES else f"{name!r} twice")
        seen.add(name)
        shape = tuple(reader.number("<I") for _ in range(rank))
        type, size = reader.number("<B"), reader.number("<I")
        if type >= len(TYPES):
            raise reader.fault(f"{name!r} of an unknown type {type}")
        if prod(shape) * np.dtype(TYPES[type]).itemsize != size:
            raise reader.fault(f"{name!r} of shape {shape} in {size} bytes")
        yield name, Variable(shape, type, reader.skip(size, name), size)


class _Reader:
    """Reads numbers and names one after the other, never past the end."""

    def __init__(self, data: mmap.mmap, file: Path):
        self.data, self.file, self.at = data, file, 0

    def number(self, form: str) -> int:
        start = self.skip(struct.calcsize(form), "a number")
        return int(struct.unpack_from(form, self.data, start)[0])

    def name(self) -> str:
        length = self.number("<H")
        if not 0 < length <= LONGEST_NAME:
            raise self.fault(f"a name of {length} bytes")
        start = self.skip(length, "a name")
        text = self.data[start : start + length]
        if text[-1:] != b"\0" or not text[:-1].isascii() or b"\0" in text[:-1]:
            raise self.fault(f"a name that is none: {text[:40]!r}")
        return text[:-1].decode("ascii").replace("/", ".")

    def count(self, least: int) -> int:
        """How many things follow, of at least so many bytes each."""
        found = self.number("<I")
        if found > MOST_VARIABLES or found * least > len(self.data) - self.at:
            raise self.fault(f"{found} entries")
        return found

    def skip(self, size: int, what: str) -> int:
        """Goes past `size` bytes; gives where they begin."""
        start, self.at = self.at, self.at + size
        if self.at > len(self.data):
            raise self.fault(f"{what} that ends {self.at - len(self.data)} bytes after the file does")
        return start

    def fault(self, found: str) -> ValueError:
        return ValueError(f"{self.file}: not a whole CTranslate2 model: it claims {found}; fetch or convert it again")


def read(path: Path) -> Outside:
    """A folder with `model.bin` and `tokenizer.json`. Raises ValueError for any specification but Whisper's."""
    folder = path if path.is_dir() else path.parent
    specification, given = variables(folder / MODEL)
    if specification != SPECIFICATION:
        raise ValueError(f"{given.file}: is a {specification}; of CTranslate2's models only Whisper ({SPECIFICATION}) is read")
    _refuse_strange(given)
    recipe = recipe_of(WHISPER, config(given), given.file)
    _refuse_bias(given)
    arrays = Lazy({name: partial(given.__getitem__, name) for name in given if given.shape(name) and not _scales(given, name)})
    tokenizer = families.read_tokenizer(folder / TOKENIZER, recipe.vocab_size)
    return Outside(recipe, inward(WHISPER, recipe, arrays, str(given.file)), tokenizer, PLAIN, Card("Whisper"))


def config(given: Variables) -> Config:
    """What Hugging Face's config.json says of the same Whisper, from the shapes and the flags."""
    vocabulary, dim = given.shape("decoder.embeddings.weight")
    return {
        "vocab_size": vocabulary,
        "num_mel_bins": given.shape("encoder.conv1.weight")[1],
        "d_model": dim,
        "encoder_layers": _depth(given, "encoder"),
        "decoder_layers": _depth(given, "decoder"),
        "encoder_attention_heads": _flag(given, "encoder.num_heads"),
        "decoder_attention_heads": _flag(given, "decoder.num_heads"),
        "encoder_ffn_dim": given.shape("encoder.layer_0.ffn.linear_0.weight")[0],
        "decoder_ffn_dim": given.shape("decoder.layer_0.ffn.linear_0.weight")[0],
        "max_source_positions": given.shape("encoder.position_encodings.encodings")[0],
        "max_target_positions": given.shape("decoder.position_encodings.encodings")[0],
        "activation_function": "gelu",
        "tie_word_embeddings": given.same("decoder.projection.weight", "decoder.embeddings.weight"),
    }


def names(recipe: ModelRecipe) -> Names:
    """The house's names -> CTranslate2's, where the maps of an attention are kept as one or two."""
    ears = next(iter(recipe.senses))
    sense, norms = f"senses.{ears}", _norm("attn_norm", "self_attention.layer_norm") | _norm("mlp_norm", "ffn.layer_norm")
    attn = both("attn.out", "self_attention.linear_1") | _joined("attn", "self_attention.linear_0", "qkv") | norms
    cross = both("cross.q", "attention.linear_0") | _joined("cross", "attention.linear_1", "kv") | both("cross.out", "attention.linear_2")
    cross |= _norm("cross_norm", "attention.layer_norm")
    mlp = both("mlp.up", "ffn.linear_0") | both("mlp.down", "ffn.linear_1")
    found = both(f"{sense}.front.convs.0", "encoder.conv1") | both(f"{sense}.front.convs.1", "encoder.conv2")
    found |= {f"{sense}.place.table": Place("encoder.position_encodings.encodings")}
    found |= layers(recipe.senses[ears].depth, f"{sense}.stack.blocks.{{}}", "encoder.layer_{}", attn | mlp)
    found |= _norm(f"{sense}.stack.norm", "encoder.layer_norm") | _norm("decoder.norm", "decoder.layer_norm")
    found |= {"tokens.weight": Place("decoder.embeddings.weight"), "decoder.positions.table": Place("decoder.position_encodings.encodings")}
    found |= layers(recipe.decoder_depth, "decoder.blocks.{}", "decoder.layer_{}", attn | cross | mlp)
    return found if recipe.tied else found | {"head.weight": Place("decoder.projection.weight")}


WHISPER = replace(families.WHISPER, names=names, prefix="", bare=(), ignored=r"decoder\.projection\.weight")


def _joined(ours: str, theirs: str, maps: str) -> dict[str, Place]:
    """Several maps that are kept as one. What stands for k's bias is zero (`_refuse_bias`)."""
    found: dict[str, Place] = {}
    for part, name in enumerate(maps):
        kept = both(f"{ours}.{name}", theirs, part=part, parts=len(maps))
        found |= {key: place for key, place in kept.items() if key != f"{ours}.k.bias"}
    return found


def _norm(ours: str, theirs: str) -> dict[str, Place]:
    return {f"{ours}.weight": Place(f"{theirs}.gamma"), f"{ours}.bias": Place(f"{theirs}.beta")}


def _refuse_strange(given: Variables) -> None:
    """A lone number that is not known, or has another value than a Whisper's; a part with more or fewer axes than it has there."""
    for name in given:
        shape, last = given.shape(name), name.rpartition(".")[2]
        axes = 3 if re.fullmatch(r"encoder\.conv\d\.weight", name) else AXES.get(last, 0 if name in FLAGS else len(shape))
        if len(shape) != axes:
            raise ValueError(f"{given.file}: {name} has the shape {shape}, but {axes} axes are wanted; convert the model again")
        if shape or _scales(given, name):
            continue
        if name not in FLAGS:
            raise ValueError(f"{given.file}: {name} is not known of a Whisper, so it may change what is computed; convert the model again")
        if FLAGS[name] not in (None, found := _flag(given, name)):
            raise ValueError(f"{given.file}: {name} is {found}, which no Whisper has; convert the model again")


def _refuse_bias(given: Variables) -> None:
    for name in given:
        kept = {"self_attention.linear_0.bias": (1, 3), "attention.linear_1.bias": (0, 2)}.get(".".join(name.split(".")[2:]))
        if kept is None:
            continue
        (part, parts), (rows,) = kept, given.shape(name)
        if not rows or rows % parts:
            raise ValueError(f"{given.file}: {name} has {rows} numbers, which are not {parts} equal parts; convert the model again")
        if given[name].chunk(parts)[part].any():
            raise ValueError(f"{given.file}: {name} gives keys a bias, which no Whisper has; convert the model again")


def _scales(given: Variables, name: str) -> bool:
    """Whether an array is the scale of another's whole numbers."""
    return name.endswith("_scale") and name.removesuffix("_scale") in given and given.whole(name.removesuffix("_scale"))


def _flag(given: Variables, name: str) -> int:
    """A lone number. Raises ValueError for one that is not whole."""
    value = float(given[name])
    if not value.is_integer():
        raise ValueError(f"{given.file}: {name} is {value}, but must be a whole number; convert the model again")
    return int(value)


def _depth(given: Variables, stack: str) -> int:
    return len({name.split(".")[1] for name in given if re.match(rf"{stack}\.layer_\d", name)})


CTRANSLATE2 = Format(name="ctranslate2", title="CTranslate2, Whisper only", known=known, read=read)
