"""Sentences: what sentence-transformers lays beside a Hugging Face model: how its hidden states become one vector of a text."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duomo.interchange.tensors import MOST_JSON, read_json

POOLING, LONGEST, PROMPTS = "1_Pooling/config.json", "sentence_bert_config.json", "config_sentence_transformers.json"
MODULES, TOKENIZER = "modules.json", "tokenizer.json"
BUILT = ("Transformer", "Pooling", "Normalize")
MODES = {"mean_tokens": "mean", "cls_token": "first"}
KINDS = {"query": "query", "passage": "passage", "document": "passage"}  # their names of prompts, and ours


def card(folder: Path) -> dict[str, Any]:
    """The fields of a Card that these files say: pooling, longest, prefixes; none where there are no such files.

    Raises ValueError, with the file, for a part that is not built: the vectors without it would be other ones.
    """
    _refuse_modules(folder / MODULES)
    pooling, longest, prompts = (_read(folder / name) for name in (POOLING, LONGEST, PROMPTS))
    if longest.get("do_lower_case") and not _lowers(_read(folder / TOKENIZER).get("normalizer")):
        told = "do_lower_case: its texts are made small before they are cut, and its tokenizer does not do so"
        raise ValueError(f"{folder / LONGEST}: {told}; make it a Lowercase normalizer of {TOKENIZER}")
    found: dict[str, Any] = {}
    if pooling:
        chosen = (name for name, value in pooling.items() if value is True)
        modes = [name.removeprefix("pooling_mode_") for name in chosen if name.startswith("pooling_mode_")]
        found["pooling"] = " and ".join(MODES.get(mode, mode) for mode in modes)
    if type(longest.get("max_seq_length")) is int and longest["max_seq_length"] > 0:
        found["longest"] = longest["max_seq_length"]
    prefixes = {KINDS[name]: text for name, text in _table(prompts.get("prompts")).items() if name in KINDS and isinstance(text, str)}
    if any(prefixes.values()):
        found["prefixes"] = {"query": "", "passage": ""} | prefixes
    return found


def _refuse_modules(path: Path) -> None:
    """Any part but a transformer, its pooling where it always lies, and a norm, which the vectors have anyway."""
    if not path.is_file():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8") if path.stat().st_size <= MOST_JSON else "too large")
        parts = [(str(part["type"]).rpartition(".")[2], str(part.get("path", ""))) for part in found]
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: is no list of modules ({' '.join(str(error).split()):.120})") from error
    for kind, place in parts:
        if kind not in BUILT:
            raise ValueError(f"{path}: its vectors go through {kind!r:.40}, which is not built; built are {', '.join(BUILT)}")
        if kind == "Pooling" and place != Path(POOLING).parent.name:
            raise ValueError(f"{path}: its pooling lies in {place!r:.40}, but is read from {POOLING}")


def _lowers(normalizer: object) -> bool:
    """Whether a normalizer of tokenizer.json makes letters small."""
    told = _table(normalizer)
    inner = told.get("normalizers") if told.get("type") == "Sequence" else None
    alone = told.get("type") == "Lowercase" or (told.get("type") == "BertNormalizer" and told.get("lowercase") is True)
    return alone or (isinstance(inner, list) and any(_table(one).get("type") != "Sequence" and _lowers(one) for one in inner))


def _read(path: Path) -> Mapping[str, Any]:
    return read_json(path) if path.is_file() else {}


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
