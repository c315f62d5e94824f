"""Emoji: small drawings of one thing each, in two art styles, with their names in English and Chinese."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from duomo.sample import Origin, Part, Sample, ask
from duomo.sources.archive import MB, members
from duomo.sources.source import File, Source

LANGUAGES = ("en", "zh")
PRESENTATION, TONES = "\ufe0f", re.compile("[\U0001f3fb-\U0001f3ff]")
NAMES = File(
    registry="npm",
    package="cldr-annotations-full",
    version="48.2.0",
    name="cldr-annotations-full-48.2.0.tgz",
    sha256="28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    bytes=6_537_823,
)
TWITTER = File(
    registry="npm",
    package="emoji-datasource-twitter",
    version="16.0.0",
    name="emoji-datasource-twitter-16.0.0.tgz",
    sha256="f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    bytes=61_683_754,
)
GOOGLE = File(
    registry="npm",
    package="emoji-datasource-google",
    version="16.0.0",
    name="emoji-datasource-google-16.0.0.tgz",
    sha256="fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    bytes=74_344_091,
)


def samples(paths: Mapping[str, Path], style: str, file: File, licence: str) -> Iterator[Sample]:
    """Pictures as PNG bytes, 64 pixels wide, with alpha, answered with JSON: {"en": "grinning face", "zh": "嘿嘿"}.

    Ids "1f600": code points without U+FE0F. Pictures in a skin tone, and those without a name in both languages, are left out. The
    group is the hash of the file. Raises ValueError for a damaged package.
    """
    called = names(paths[NAMES.name])
    folder = f"package/img/{style}/64/"
    for name, stream in members(paths[file.name], lambda name: name.startswith(folder) and name.endswith(".png"), MB):
        signs = _signs(PurePosixPath(name).stem)
        told = {language: known[signs] for language, known in called.items() if signs in known}
        if len(told) == len(LANGUAGES) and not TONES.search(signs):
            picture = stream.read()
            group = hashlib.sha256(picture).hexdigest()[:16]
            origin = Origin(f"emoji_{style}", "-".join(f"{ord(sign):x}" for sign in signs), licence, group)
            yield ask(Part("image", picture), answer=json.dumps(told, ensure_ascii=False), origin=origin)


def names(path: Path) -> dict[str, dict[str, str]]:
    """Language -> signs without U+FE0F -> what they are called (CLDR's name for reading aloud)."""
    wanted = {f"package/annotations/{language}/annotations.json": language for language in LANGUAGES}
    found = dict[str, dict[str, str]]()
    for name, stream in members(path, wanted.__contains__, 16 * MB):
        table = json.load(stream)["annotations"]["annotations"]
        found[wanted[name]] = {signs.replace(PRESENTATION, ""): one["tts"][0] for signs, one in table.items() if one.get("tts")}
    if len(found) < len(LANGUAGES):
        raise ValueError(f"{path}: lacks the names in {' or '.join(LANGUAGES)}; delete it and fetch it again")
    return found


def _signs(stem: str) -> str:
    """ "0023-fe0f-20e3" as text, without U+FE0F; "" for a file that is named otherwise."""
    if not re.fullmatch(r"[0-9a-f]{2,5}(-[0-9a-f]{2,5})*", stem):
        return ""
    return "".join(chr(int(code, 16)) for code in stem.split("-")).replace(PRESENTATION, "")


def _source(style: str, file: File, pictures: str, title: str) -> Source:
    licence = f"{pictures} (pictures), Unicode-3.0 (names)"
    return Source(
        name=f"emoji_{style}",
        title=title,
        kind="samples",
        files=(file, NAMES),
        licence=licence,
        note="names from the Unicode Consortium's CLDR; from npm",
        open=partial(samples, style=style, file=file, licence=licence),
    )


EMOJI_TWITTER = _source("twitter", TWITTER, "CC-BY-4.0", "emoji as Twitter draws them (Twemoji), with their names in English and Chinese")
EMOJI_GOOGLE = _source("google", GOOGLE, "Apache-2.0", "emoji as Google draws them (Noto), with their names in English and Chinese")
