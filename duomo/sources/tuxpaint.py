"""Tuxpaint: the stamps of a children's drawing program: photographs and drawings, most cut out, with their names in many languages.

In a few languages the names are spoken too: a source of its own, out of the same package.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from duomo.sample import Origin, Part, Sample, ask
from duomo.sources.archive import MB, members
from duomo.sources.source import File, Source

LICENCE = "GPL-2"
FOLDER = "./usr/share/tuxpaint/stamps/"
LANGUAGES = {"zh": "zh_CN"}  # as the captions name them; English has no name, it comes first
SPOKEN = {language: language for language in ("es", "fr", "ru")}  # languages whose captions are spoken
CLIP = re.compile(rf"(.+)_desc_({'|'.join(SPOKEN)})\.ogg")
FILE = File(
    registry="debian",
    package="tuxpaint-stamps-default",
    version="2022.06.04-1",
    name="tuxpaint-stamps-default_2022.06.04-1_all.deb",
    sha256="6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    bytes=160_880_444,
)


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """Pictures as PNG bytes, most of them with alpha, answered with JSON: {"en": "A lion.", "zh": "狮子。"}; zh where there is one.

    Ids "animals/mammals/lion". The group is the hash of the file. Raises ValueError for a damaged package.
    """
    shown, told = dict[str, bytes](), dict[str, dict[str, str]]()
    for name, stream in members(paths[FILE.name], lambda name: name.startswith(FOLDER) and name.endswith((".png", ".txt")), 8 * MB):
        stamp = str(PurePosixPath(name.removeprefix(FOLDER)).with_suffix(""))
        if name.endswith(".png"):
            shown[stamp] = stream.read()
        else:
            told[stamp] = captions(stream.read())
    for stamp in sorted(shown):
        if told.get(stamp):
            group = hashlib.sha256(shown[stamp]).hexdigest()[:16]
            origin = Origin("tuxpaint", stamp, LICENCE, group=group)
            yield ask(Part("image", shown[stamp]), answer=json.dumps(told[stamp], ensure_ascii=False), origin=origin)


def clips(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """Spoken captions as bytes of OGG files, answered with JSON, what is said and what the picture is called in English.

    {"fr": "Un lion.", "en": "A lion."}. Ids "animals/mammals/lion fr". The group is the language: whose voices they are is not stated.
    Raises ValueError for a damaged package.
    """
    heard, told = dict[tuple[str, str], bytes](), dict[str, dict[str, str]]()
    for name, stream in members(paths[FILE.name], lambda name: name.startswith(FOLDER) and name.endswith((".ogg", ".txt")), 8 * MB):
        file = name.removeprefix(FOLDER)
        if clip := CLIP.fullmatch(file):
            heard[clip[1], clip[2]] = stream.read()
        elif file.endswith(".txt"):
            told[file.removesuffix(".txt")] = captions(stream.read(), SPOKEN)
    for (stamp, language), sound in sorted(heard.items()):
        caption = told.get(stamp, {})
        if {language, "en"} <= caption.keys():
            answer = json.dumps({key: caption[key] for key in (language, "en")}, ensure_ascii=False)
            origin = Origin("tuxpaint_speech", f"{stamp} {language}", LICENCE, group=language)
            yield ask(Part("audio", sound), answer=answer, origin=origin)


def captions(text: bytes, languages: Mapping[str, str] = LANGUAGES) -> dict[str, str]:
    """The caption in English, which is the first line, and in other languages, each a line as "zh_CN.utf8=…"."""
    first, *rest = text.decode("utf-8", "replace").splitlines() or [""]
    found = {"en": first.strip()}
    for language, key in languages.items():
        line = next((line for line in rest if line.startswith(f"{key}.utf8=")), "")
        found[language] = line.partition("=")[2].strip()
    return {language: caption for language, caption in found.items() if caption}


TUXPAINT = Source(
    name="tuxpaint",
    title="photographs and drawings of things, cut out, with their names in English and Chinese (Tux Paint's stamps)",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="each picture's own notes name its author; from Debian, through apt-get",
    open=samples,
)
TUXPAINT_SPEECH = Source(
    name="tuxpaint_speech",
    title="spoken names of things with their text, Spanish, French and Russian, and the English name (Tux Paint's stamps)",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="whether the voices are human is not stated, nor was it verified; from Debian, through apt-get",
    open=clips,
)
