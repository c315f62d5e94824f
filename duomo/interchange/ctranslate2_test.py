"""Laws of the reader of CTranslate2: every type is read, and nothing hostile is believed."""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from duomo import interchange
from duomo.interchange import ctranslate2
from duomo.interchange.assemble import model_of
from duomo.interchange.families.family import outward
from tests.hearing import CONFIG, whisper, write_tokenizer

FLAGS = {
    "encoder/num_heads": (2, CONFIG["encoder_attention_heads"]),
    "decoder/num_heads": (2, CONFIG["decoder_attention_heads"]),
    "decoder/activation": (1, 3),
    "decoder/pre_norm": (1, 1),
    "decoder/scale_embeddings": (1, 0),
    "decoder/alignment_layer": (2, -1),
}
Arrays = Mapping[str, tuple[int, np.ndarray]]  # name -> type and numbers


def name(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(text: str, type: int, array: np.ndarray) -> bytes:
    sides = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    return name(text) + sides + struct.pack("<BI", type, array.nbytes) + array.tobytes()


def binary(arrays: Arrays, version: int = 6, specification: str = "WhisperSpec", aliases: Mapping[str, str] | None = None) -> bytes:
    head = struct.pack("<I", version) + name(specification) + struct.pack("<II", 3, len(arrays))
    told = aliases if aliases is not None else {"decoder/projection/weight": "decoder/embeddings/weight"}
    tail = struct.pack("<I", len(told)) + b"".join(name(a) + name(b) for a, b in told.items())
    return head + b"".join(variable(text, *pair) for text, pair in arrays.items()) + tail


def arrays(form: str = "float32") -> dict[str, tuple[int, np.ndarray]]:
    """All that a file holds, its matrices in this form."""
    joined = outward(ctranslate2.WHISPER, whisper().recipe, whisper().state_dict())
    found: dict[str, tuple[int, np.ndarray]] = {}
    for text, tensor in joined.items():
        array = tensor.numpy()
        kept = text.replace(".", "/")
        if kept.endswith(("linear_0/bias", "linear_1/bias")):
            array = with_keys(kept, array, joined[text.removesuffix("bias") + "weight"].shape[0])
        if form == "int8" and kept.endswith("weight") and array.ndim == 2:
            scale = 127 / np.abs(array).max(1)
            found |= {kept: (1, np.rint(array * scale[:, None]).astype(np.int8)), f"{kept}_scale": (0, scale.astype(np.float32))}
        elif form == "int16" and kept.endswith("weight") and array.ndim == 2:
            scale = np.float32(2**10 / np.abs(array).max())
            found |= {kept: (2, np.rint(array * scale).astype(np.int16)), f"{kept}_scale": (0, np.asarray(scale))}
        elif form == "float16":
            found[kept] = (4, array.astype(np.float16))
        elif form == "bfloat16":
            found[kept] = (5, (array.view(np.uint32) >> 16).astype(np.uint16))
        else:
            found[kept] = (0, array)
    flags = {text: (type, np.asarray(value, np.int8 if type == 1 else np.int16)) for text, (type, value) in FLAGS.items()}
    return found | flags


def with_keys(text: str, bias: np.ndarray, rows: int) -> np.ndarray:
    """A joined bias with zeros where keys would have theirs."""
    if len(bias) == rows:
        return bias
    width = rows - len(bias)
    at = width if "self_attention" in text else 0
    return np.concatenate([bias[:at], np.zeros(width, np.float32), bias[at:]])


def laid(folder: Path, data: bytes) -> Path:
    write_tokenizer(folder)
    (folder / "model.bin").write_bytes(data)
    return folder


@pytest.mark.parametrize(("form", "tolerance"), [("float32", 0.0), ("float16", 2e-3), ("bfloat16", 1e-2), ("int16", 1e-2), ("int8", 3e-2)])
def test_every_form_is_read(form: str, tolerance: float, tmp_path: Path) -> None:
    found = interchange.read(laid(tmp_path, binary(arrays(form))))
    assert found.model == whisper().recipe
    held = model_of(found).state_dict()
    wanted = whisper().state_dict()
    assert held.keys() == wanted.keys()
    assert max(float((held[key] - wanted[key]).abs().max()) for key in wanted) <= tolerance * 4


def test_an_untied_head_is_read(tmp_path: Path) -> None:
    other = arrays() | {"decoder/projection/weight": (0, np.ones((CONFIG["vocab_size"], CONFIG["d_model"]), np.float32))}
    found = interchange.read(laid(tmp_path, binary(other, aliases={})))
    assert not found.model.tied and bool((found.weights["head.weight"] == 1).all())


def hostile() -> dict[str, tuple[bytes, str]]:
    """What a file may hold, and what is said of it."""
    good, whole = arrays(), binary(arrays())
    without = {text: pair for text, pair in good.items() if text != "decoder/layer_norm/gamma"}
    keyed = good["decoder/layer_0/self_attention/linear_0/bias"][1] + np.float32(1)
    wide = b"".join(
        [struct.pack("<I", 6), name("WhisperSpec"), struct.pack("<II", 3, 1), name("x"), struct.pack("<B4I", 4, *[2**32 - 1] * 4)]
    )
    return {
        "empty": (b"", "is empty|no known format"),
        "a pickle": (b"\x80\x04\x95" + bytes(200), "no known format"),
        "only a head": (whole[:40], "claims"),
        "truncated in the table": (whole[: len(whole) // 2], "after the file does"),
        "truncated at its end": (whole[:-1], "after the file does"),
        "more than it says": (whole + b"\0", "1 bytes after its end"),
        "an old version": (binary(good, version=2), "binary version 2"),
        "another model": (binary(good, specification="TransformerSpec"), "only Whisper"),
        "billions of variables": (whole[:22] + struct.pack("<I", 2**32 - 1) + whole[26:], "4294967295 entries"),
        "sides that overflow": (wide + struct.pack("<BI", 0, 4) + bytes(4), "of shape"),
        "bytes that are not its shape's": (
            binary(good | {"x": (0, np.zeros(3, np.float32))}).replace(b"x\0\1\3\0\0\0\0\x0c", b"x\0\1\3\0\0\0\0\x08"),
            "in 8 bytes",
        ),
        "an unknown type": (binary(good | {"x": (9, np.zeros(3, np.float32))}), "unknown type 9"),
        "too many axes": (binary(good | {"x": (0, np.zeros((1,) * 9, np.float32))}), "9 axes"),
        "one name twice": (binary(good).replace(name("decoder/layer_norm/beta"), name("encoder/layer_norm/beta")), "twice"),
        "an alias of nothing": (binary(good, aliases={"a": "b"}), "an alias 'a' of 'b'"),
        "a name that is none": (binary(good | {"x\n\x7f\0y": (0, np.zeros(3, np.float32))}), "a name that is none"),
        "a missing variable": (binary(without), "decoder.layer_norm.gamma"),
        "a variable too many": (binary(good | {"decoder/more": (0, np.zeros(3, np.float32))}), "left over"),
        "a bias of keys": (binary(good | {"decoder/layer_0/self_attention/linear_0/bias": (0, keyed)}), "gives keys a bias"),
        "another activation": (binary(good | {"decoder/activation": (1, np.asarray(0, np.int8))}), "decoder.activation is 0"),
        "norm last": (binary(good | {"decoder/pre_norm": (1, np.asarray(0, np.int8))}), "pre_norm is 0"),
    }


def strange() -> dict[str, tuple[dict[str, tuple[int, np.ndarray]], str]]:
    """Variables that no Whisper has, and what is said of them."""
    joined, float32 = "decoder/layer_0/attention/linear_1/bias", np.float32
    scaled = {f"decoder/embeddings/weight{end}": arrays("int8")[f"decoder/embeddings/weight{end}"] for end in ("", "_scale")}
    found = {f"{name} of {axes} axes": ({name: (0, np.ones((1,) * axes, float32))}, f"{name.replace('/', '.')} has the shape .* axes are")
             for name in ("encoder/conv1/weight", "encoder/layer_0/ffn/linear_0/weight", "decoder/embeddings/weight", joined,
                          "decoder/position_encodings/encodings", "encoder/layer_norm/gamma")
             for axes in (0, 1) if axes != 1 or not name.endswith(("bias", "gamma"))}  # fmt: skip
    found |= {f"{name}={value}": ({name: (0, np.asarray(value, float32))}, f"{name.replace('/', '.')} is {told}")
              for name, value, told in (("decoder/activation", np.inf, "inf"), ("decoder/num_heads", np.nan, "nan"),
                                        ("decoder/num_heads", 0.5, "0.5"), ("encoder/pre_norm", 0, "0"), ("encoder/activation", 0, "0"),
                                        ("decoder/alibi", 1, "1"), ("decoder/scale_embeddings", 1, "1"),
                                        ("decoder/sliding_window", 4, "not known"), ("decoder/final_logit_softcap", 30, "not known"),
                                        ("decoder/scale_outputs", 1, "not known"), ("decoder/some_scale", 1, "not known"),
                                        ("decoder/layer_0/attention/queries_scale", 1, "not known"))}  # fmt: skip
    return found | {
        "a flag that is a row": ({"decoder/pre_norm": (1, np.ones(1, np.int8))}, "pre_norm has the shape"),
        "a bias of one": ({joined: (0, np.ones(1, float32))}, "1 numbers, which are not 2 equal parts"),
        "heads that do not share": ({"decoder/num_heads": (2, np.asarray(5, np.int16))}, "dim 32|heads 5|heads"),
        "a scale of a scale": ({f"{joined[:-4]}weight_scale": (0, np.ones(3, float32))}, "left over"),
        "whole numbers without a scale": ({"decoder/layer_norm/gamma": (1, np.ones(32, np.int8))}, "gamma_scale"),
        "a scale of other rows": (scaled | {"decoder/embeddings/weight_scale": (0, np.ones(7, float32))}, "one number for each of"),
        "a scale of more axes": (scaled | {"decoder/embeddings/weight_scale": (0, np.ones((1, 1, 1), float32))}, "one number for each of"),
        "a scale of nothing": (scaled | {"decoder/embeddings/weight_scale": (0, np.asarray(0, float32))}, "one number for each of"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", strange())
def test_a_strange_variable_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    changed, told = strange()[kind]
    with pytest.raises(ValueError, match=told) as refused:
        model_of(interchange.read(laid(tmp_path, binary(arrays() | changed))))
    assert "\n" not in str(refused.value) and str(tmp_path) in str(refused.value)


def test_flags_that_say_what_every_whisper_is_are_read(tmp_path: Path) -> None:
    said = {"encoder/pre_norm": 1, "encoder/activation": 3, "decoder/scale_alibi": 0, "decoder/alignment_heads": 2}
    flags = {name: (1, np.asarray(value, np.int8)) for name, value in said.items()}
    assert interchange.read(laid(tmp_path, binary(arrays() | flags))).model == whisper().recipe


@pytest.mark.parametrize("kind", hostile())
def test_a_hostile_file_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    data, told = hostile()[kind]
    laid(tmp_path, data)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=told) as refused:
        interchange.read(tmp_path)
    assert "\n" not in str(refused.value) and str(tmp_path) in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before
