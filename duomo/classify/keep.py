"""Keep: a head as one safetensors file, with what it needs to be used again; checked before it is believed.

D = width, L = labels, V = n-grams. With words it holds their table too: at most 4 million weights of 4 bytes, and the n-grams themselves.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from duomo.classify.head import Head
from duomo.classify.words import MOST as MOST_GRAMS
from duomo.classify.words import Words
from duomo.disk import whole_file

ABOUT = "duomo.head"  # where the JSON stands in the file's own header
PROBE = "你好, world 1234"  # a text whose vector tells one model from another
SAME = 0.999  # cosine of that vector, then and now
MOST = 96_000_000  # bytes: more than the largest table of words takes
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def save(head: Head, embed: Embed, path: Path, facts: Mapping[str, Any]) -> None:
    """Writes a head, the vector of PROBE by its model, and `facts` (plain JSON) about how it was learned."""
    tensors = {"weight": head.weight_LD, "bias": head.bias_L, "probe": embed([PROBE])[0].astype(np.float64)}
    if head.words is not None:
        named = "\n".join(head.words.grams).encode(errors="surrogatepass")
        tensors |= {"words": head.words.weight_VL, "grams": np.frombuffer(named, np.uint8)}
    about = json.dumps({"labels": list(head.labels), "facts": dict(facts)}, ensure_ascii=False)
    with whole_file(path) as part:
        save_file(tensors, part, {ABOUT: about})


def load(path: Path, embed: Embed) -> tuple[Head, dict[str, Any]]:
    """A head that was kept, and the facts about it.

    Raises ValueError for a file that is none, for a damaged one, and for a model that it was not learned on.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; `duomo classify MODEL --examples EXAMPLES.csv --save {path}` writes one")
    head, probe_D, facts = _read(path)
    vector_D = embed([PROBE])[0].astype(np.float64)
    if vector_D.shape != probe_D.shape or float(vector_D @ probe_D) < SAME:
        model = facts.get("model", "another one")
        raise ValueError(f"{path}: was learned on the vectors of {model}, which this model's are not; use that model, or learn it again")
    return head, facts


def _read(path: Path) -> tuple[Head, NDArray[np.float64], dict[str, Any]]:
    try:
        if path.stat().st_size > MOST:
            raise ValueError("too large")
        with safe_open(path, "numpy") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
            weight_LD, bias_L, probe_D = (np.asarray(file.get_tensor(name), np.float64) for name in ("weight", "bias", "probe"))
            words = _words(file) if "words" in set(file.keys()) else None
        labels, facts = tuple(map(str, about["labels"])), dict(about["facts"])
        if weight_LD.shape != (len(labels), len(probe_D)) or bias_L.shape != (len(labels),) or len(set(labels)) < max(2, len(labels)):
            raise ValueError("its parts do not fit each other")
        if words is not None and words.weight_VL.shape != (len(words.grams), len(labels)):
            raise ValueError("its words do not fit its labels")
        numbers: list[NDArray[Any]] = [weight_LD, bias_L, probe_D, *([words.weight_VL] if words else [])]
        if not all(np.isfinite(part).all() for part in numbers):
            raise ValueError("it holds numbers that are none")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{path}: not a head that `duomo classify --save` wrote ({told}); learn it again") from error
    return Head(labels, weight_LD, bias_L, words), probe_D, facts


def _words(file: Any) -> Words:
    weight_VL, blob = (file.get_tensor(name) for name in ("words", "grams"))
    if weight_VL.dtype != np.float32 or weight_VL.ndim != 2 or blob.dtype != np.uint8 or blob.ndim != 1:
        raise ValueError("its words are none")
    grams = tuple(blob.tobytes().decode(errors="surrogatepass").split("\n"))
    if len(grams) > MOST_GRAMS or len(set(grams)) < len(grams):
        raise ValueError("its table of words is none")
    return Words(grams, weight_VL)
