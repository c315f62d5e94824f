"""Audioeval: three spoken clips with transcripts in each of nine languages."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from duomo.sample import Origin, Part, Sample, ask
from duomo.sources.archive import MB, members
from duomo.sources.source import File, Source

LICENCE = "MIT"
FOLDER = "pytest_audioeval/samples/audio/"
FILE = File(
    registry="pypi",
    package="pytest-audioeval",
    version="0.1.3",
    name="pytest_audioeval-0.1.3-py3-none-any.whl",
    sha256="8b97369347232d43180dd9860189c547ccc8dedb42b7c21d511ddc5a05ef7ecc",
    bytes=3_959_807,
)


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """27 clips as bytes of WAV files (32-bit float), answered with their transcripts.

    Ids "zh/jishu": the language and the clip. The group is the language: whether its clips share a voice is not known.
    """
    files = {name: stream.read() for name, stream in members(paths[FILE.name], lambda name: name.startswith(FOLDER), MB)}
    for name in sorted(name for name in files if name.endswith(".wav")):
        clip = PurePosixPath(name.removeprefix(FOLDER)).with_suffix("")
        transcript = files[FOLDER + f"{clip}.txt"].decode("utf-8").strip()
        yield ask(Part("audio", files[name]), answer=transcript, origin=Origin("audioeval", str(clip), LICENCE, group=clip.parts[0]))


AUDIOEVAL = Source(
    name="audioeval",
    title="27 spoken clips with transcripts in nine languages",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="whether the voices are human is not stated, nor was it verified",
    open=samples,
)
