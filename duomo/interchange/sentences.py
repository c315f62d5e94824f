"""Sentences: what sentence-transformers lays beside a Hugging Face model: how its hidden states become one vector of a text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duomo.interchange.tensors import read_json

POOLING, LONGEST, PROMPTS = "1_Pooling/config.json", "sentence_bert_config.json", "config_sentence_transformers.json"
MODES = {"mean_tokens": "mean", "cls_token": "first"}
KINDS = {"query": "query", "passage": "passage", "document": "passage"}  # their names of prompts, and ours


def card(folder: Path) -> dict[str, Any]:
    """The fields of a Card that these files say: pooling, longest, prefixes; none where there are no such files."""
    pooling, longest, prompts = (_read(folder / name) for name in (POOLING, LONGEST, PROMPTS))
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


def _read(path: Path) -> Mapping[str, Any]:
    return read_json(path) if path.is_file() else {}


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
