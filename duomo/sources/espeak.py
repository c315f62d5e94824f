"""eSpeak NG: a small speech synthesiser for a hundred languages, offline. Its speech is synthetic: say so wherever it counts."""

import _ctypes
import ctypes
import difflib
import io
import os
import wave
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock

from duomo.disk import whole_file
from duomo.sources.source import File, Source

SYNCHRONOUS, DO_NOT_EXIT = 2, 0x8000  # espeak_Initialize: give samples to the callback; return errors
UTF8, RATE, PITCH = 1, 1, 3  # of espeak_Synth and espeak_SetParameter
SEED = 1  # of the noise in breathy voices
LONGEST_PATH = 150  # bytes; the library cuts longer ones
MOST_BYTES = 64_000_000  # unpacked
LIBRARIES = ("libespeak-ng.so", "libespeak-ng.dylib", "espeak-ng.dll")
DATA = "espeak-ng-data"
NOT_VOICES = ("fast", "Reed", "caleb")  # the first sounds like the plain voice, the other two never twice the same
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
ONE_AT_A_TIME = Lock()  # the C library is one per process, whatever is built upon it


@dataclass(frozen=True)
class Speaker:
    """Speaks text: `speaker(text, voice)`. Every clip is a pure function of its arguments (on one platform).

    The C library keeps state from clip to clip (phases, noise), so each clip is spoken by a freshly loaded one (0.4 ms).
    The library is not made for threads: calls wait for each other. Use processes to speak faster.
    """

    library: Path
    languages: Mapping[str, str]  # "en-us" -> "gmw/en-us"
    variants: tuple[str, ...]

    def __call__(self, text: str, voice: str, rate: int = 175, pitch: int = 50) -> bytes:
        """A WAV file, 16 bits, mono, 22,050 Hz. `voice`: one of `voices`; `rate`: words a minute, 80–450; `pitch`: 0–99.

        Raises ValueError for an unknown voice (naming the nearest), a rate or pitch out of range, and text without sound.
        """
        language, plus, variant = voice.partition("+")
        self._check(language, variant if plus else None)
        if not (80 <= rate <= 450 and 0 <= pitch <= 99):
            raise ValueError(f"espeak: rate {rate} and pitch {pitch} must lie in 80–450 words a minute and 0–99")
        with ONE_AT_A_TIME, _loaded(self.library) as (espeak, hertz):
            if espeak.espeak_SetVoiceByName((self.languages[language] + plus + variant).encode()):
                raise ValueError(f"espeak: the voice {voice} does not load; delete {self.library.parent} and run the command again")
            espeak.espeak_SetParameter(RATE, rate, 0)
            espeak.espeak_SetParameter(PITCH, pitch, 0)
            samples = _synthesised(espeak, text)
        if not any(samples):
            raise ValueError(f"espeak: {text!r} has no sound in {voice}; give words of that language")
        return _wav(samples, hertz)

    speak = __call__

    def voices(self, language: str) -> tuple[str, ...]:
        """All voices of a language: the plain one, then its variants ("cmn", …, "cmn+m3", …). Raises ValueError for an unknown language."""
        self._check(language, None)
        return (language, *(f"{language}+{variant}" for variant in self.variants))

    def _check(self, language: str, variant: str | None) -> None:
        if language not in self.languages:
            raise ValueError(f"espeak: no language {language!r}{_nearest(language, self.languages)}")
        if variant is not None and variant not in self.variants:
            raise ValueError(f"espeak: no variant {variant!r} of a voice{_nearest(variant, self.variants)}")


def speaker(paths: Mapping[str, Path]) -> Speaker:
    """The synthesiser in the fetched wheel: a `Speaker`.

    Here alone something is unpacked: the system loads a library, and the library its data, from files only. Only these members
    of the verified wheel are written, beside it, once; each is compared with the wheel whenever a speaker is made.
    """
    (wheel,) = paths.values()
    digest = next(file.sha256 for file in ESPEAK.files if file.name == wheel.name)
    folder = unpacked(wheel, wheel.parent / f"espeakng-{digest[:8]}")
    library = next(folder / name for name in LIBRARIES if (folder / name).is_file())
    languages = {Path(name).name: name for name in _names(folder / DATA / "lang")}
    variants = tuple(name for name in _names(folder / DATA / "voices" / "!v") if name not in NOT_VOICES)
    return Speaker(library, languages, variants)


def _names(folder: Path) -> list[str]:
    """The files below a folder, as relative paths; what an interrupted run left starts with a dot."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")


def unpacked(wheel: Path, folder: Path) -> Path:
    """The folder with the library and its data. Raises ValueError for member names that leave the folder, and for too much data."""
    with zipfile.ZipFile(wheel) as archive:
        wanted = {name: info for info in archive.infolist() if (name := _place(info.filename))}
        if sum(info.file_size for info in wanted.values()) > MOST_BYTES:
            raise ValueError(f"{wheel}: unpacks to more than {MOST_BYTES / 1e6:.0f} MB; do not trust this file")
        for name, info in wanted.items():
            if not _same(folder / name, info):
                with whole_file(folder / name) as new:
                    new.write_bytes(archive.read(info))
    return folder


def _place(member: str) -> str | None:
    """Where a member of the wheel goes, inside the folder; None: nowhere.

    Languages go under small letters: there the library finds them without reading all of its files for every clip (2.5 ms).
    """
    path = PurePosixPath(member)
    inside = PurePosixPath(*path.parts[1:])
    if member.endswith("/") or not (inside.name in LIBRARIES or inside.parts[:1] == (DATA,)):
        return None
    if path.is_absolute() or ".." in path.parts or "\\" in member or ":" in member:
        raise ValueError(f"{member!r}: leaves the folder of the voice; do not trust this file")
    return str(inside).lower() if inside.parts[1:2] == ("lang",) else str(inside)


def _same(path: Path, info: zipfile.ZipInfo) -> bool:
    return path.is_file() and path.stat().st_size == info.file_size and zlib.crc32(path.read_bytes()) == info.CRC


@contextmanager
def _loaded(path: Path) -> Iterator[tuple[ctypes.CDLL, int]]:
    """The library, loaded afresh and forgotten afterwards, with its sample rate in Hz."""
    folder = _short(path.parent)
    try:
        espeak = ctypes.CDLL(str(path.absolute()))
    except OSError as error:
        raise ValueError(f"{path}: does not load on this system ({error}); the voice needs glibc, macOS or Windows") from error
    try:
        hertz = espeak.espeak_Initialize(SYNCHRONOUS, 0, folder, DO_NOT_EXIT)
        if hertz <= 0:
            raise ValueError(f"{path.parent}: the voice finds no data there; delete the folder and run the command again")
        espeak.espeak_ng_SetRandSeed(ctypes.c_long(SEED))
        yield espeak, hertz
    finally:
        espeak.espeak_Terminate()
        close = getattr(_ctypes, "dlclose", None) or getattr(_ctypes, "FreeLibrary")  # noqa: B009
        close(espeak._handle)


def _short(folder: Path) -> bytes:
    """The folder's absolute or relative path, whichever is shorter."""
    names = [os.fsencode(folder.resolve())]
    if os.name != "nt":  # there a relative path may not exist, between drives
        names.append(os.fsencode(os.path.relpath(folder)))
    shortest = min(names, key=len)
    if len(shortest) > LONGEST_PATH:
        raise ValueError(f"{folder}: longer than the {LONGEST_PATH} bytes that the voice can open; choose a shorter data.cache")
    return shortest


def _synthesised(espeak: ctypes.CDLL, text: str) -> bytes:
    heard = bytearray()

    def hear(samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: int) -> int:
        if samples and count > 0:
            heard.extend(ctypes.string_at(samples, count * 2))
        return 0

    callback = CALLBACK(hear)  # held here: the library keeps no reference
    espeak.espeak_SetSynthCallback(callback)
    spoken = text.replace("\0", " ").encode("utf-8")
    espeak.espeak_Synth(spoken, ctypes.c_size_t(len(spoken) + 1), 0, 0, 0, UTF8, None, None)
    return bytes(heard)


def _wav(samples: bytes, hertz: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(hertz)
        out.writeframes(samples)
    return file.getvalue()


def _nearest(name: str, known: Mapping[str, str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.4)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(list(known)[:8])}, …"


def _wheels() -> Iterator[File]:
    for platform, tag, sha256, size in (
        (
            "manylinux-x86_64",
            "manylinux_2_17_x86_64.manylinux2014_x86_64",
            "08721baf27d13d461f6be6eed9a65277e70d68234ff484fd8b9897b222cdcb6d",
            10_078_484,
        ),
        ("manylinux-aarch64", "manylinux_2_28_aarch64", "d1e798141b46a050cdb75fcf3c17db969bb2c40394f3f4a48910655d547508b9", 10_037_736),
        ("macosx-arm64", "macosx_11_0_arm64", "d27cdca31112226e7299d8562e889d3e38a1e48055c9ee381b45d669072ee59f", 9_892_565),
        ("macosx-x86_64", "macosx_10_12_x86_64", "b77477ae2ddf62a748e04e49714eabb2f3a24f344166200b00539083bd669904", 9_938_387),
        ("win-amd64", "win_amd64", "41f1e08ac9deda2efd1ea9de0b81dab9f5ae3c4b24284f76533d0a7b1dd7abd7", 9_437_292),
        ("win-arm64", "win_arm64", "d7a2928843eaeb2df82f99a370f44e8a630f59b02f9b0d1f168a03c4eeb76b89", 9_426_841),
    ):
        yield File("pypi", "espeakng-loader", "0.2.4", f"espeakng_loader-0.2.4-py3-none-{tag}.whl", sha256, size, platform)


ESPEAK = Source(
    name="espeak",
    title="eSpeak NG 1.52: synthetic voices, English and Mandarin among them",
    kind="voice",
    files=tuple(_wheels()),
    licence="GPL-3.0-or-later",
    note="synthetic speech; each voice is a set of rules, its variants change pitch and timbre",
    open=speaker,
    synthetic=True,
)
