"""Asterisk: the prompts of a telephone exchange, spoken by one person, with transcripts."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from duomo.sample import Origin, Part, Sample, ask
from duomo.sources.archive import MB, gunzipped, member, members
from duomo.sources.source import File, Source

LICENCE = "CC-BY-SA-3.0"
TEXTS = File(
    registry="debian",
    package="asterisk-core-sounds-en",
    version="1.6.1-1",
    name="asterisk-core-sounds-en_1.6.1-1_all.deb",
    sha256="973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
    bytes=22_844,
)
CLIPS = File(
    registry="debian",
    package="asterisk-core-sounds-en-wav",
    version="1.6.1-1",
    name="asterisk-core-sounds-en-wav_1.6.1-1_all.deb",
    sha256="2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
    bytes=18_272_864,
)
LIST = "./usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
FOLDER = "./usr/share/asterisk/sounds/en_US_f_Allison/"
VOICE = "Allison Smith"
NOTE = re.compile(r"\[.*?\]|\(.*?\)|<.*?>")  # about a sound, and not said


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """553 clips as bytes of WAV files (8 kHz), answered with their transcripts, letters and numbers among them.

    Ids "digits/7": the clip. What the list says in brackets is not spoken: clips of tones and silence are left out. One voice is one group.
    """
    told = _transcripts(paths[TEXTS.name])
    for name, stream in members(paths[CLIPS.name], lambda name: name.startswith(FOLDER) and name.endswith(".wav"), 2 * MB):
        clip = str(PurePosixPath(name.removeprefix(FOLDER)).with_suffix(""))
        if clip in told:
            yield ask(Part("audio", stream.read()), answer=told[clip], origin=Origin("asterisk", clip, LICENCE, group=VOICE))


def _transcripts(path: Path) -> dict[str, str]:
    """Clip -> what is said in it."""
    with member(path, LIST, MB) as packed, gunzipped(packed, MB, LIST) as lines:
        pairs = (line.partition(":") for line in lines.read().decode("utf-8", "replace").splitlines() if line[:1] != ";")
        told = {clip.strip(): " ".join(NOTE.sub("", text).split()) for clip, colon, text in pairs if colon}
    return {clip: text for clip, text in told.items() if text}


ASTERISK = Source(
    name="asterisk",
    title="553 spoken clips of a telephone exchange with transcripts, English",
    kind="samples",
    files=(TEXTS, CLIPS),
    licence=LICENCE,
    note="one real speaker, Allison Smith; from Debian, through apt-get",
    open=samples,
)
