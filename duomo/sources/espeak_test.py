import io
import wave
import zipfile
from pathlib import Path

import pytest

from duomo.sources.espeak import ESPEAK, Speaker, speaker, unpacked
from duomo.sources.fetch import PACKAGES, suitable

MEMBERS = {
    "espeakng_loader/__init__.py": b"raise SystemExit",
    "espeakng_loader/libespeak-ng.so": b"code",
    "espeakng_loader/libespeak-ng.so.1": b"code",
    "espeakng_loader/espeak-ng-data/phontab": b"table",
    "espeakng_loader/espeak-ng-data/lang/gmw/en-US": b"language",
    "espeakng_loader/espeak-ng-data/voices/!v/Alex": b"variant",
}


def wheel(folder, members):
    path = folder / "voice.whl"
    with zipfile.ZipFile(path, "w") as out:
        for name, data in members.items():
            out.writestr(name, data)
    return path


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_the_library_and_its_data_are_unpacked(tmp_path):
    assert content(unpacked(wheel(tmp_path, MEMBERS), tmp_path / "out")) == {
        "libespeak-ng.so": b"code",
        "espeak-ng-data/phontab": b"table",
        "espeak-ng-data/lang/gmw/en-us": b"language",
        "espeak-ng-data/voices/!v/Alex": b"variant",
    }


def test_what_was_changed_or_lost_is_unpacked_again(tmp_path):
    path = wheel(tmp_path, MEMBERS)
    good = content(unpacked(path, tmp_path / "out"))
    (tmp_path / "out/libespeak-ng.so").write_bytes(b"evil")
    assert content(unpacked(path, tmp_path / "out")) == good
    (tmp_path / "out/espeak-ng-data/phontab").unlink()
    assert content(unpacked(path, tmp_path / "out")) == good


@pytest.mark.parametrize("name", ["x/{}/../../../evil", "/{}/evil", "x/{}/..\\evil", "x/{}/c:evil"])
def test_a_member_never_leaves_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="leaves the folder"):
        unpacked(wheel(tmp_path, {name.format("espeak-ng-data"): b"evil"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_voices_name_the_nearest():
    mute = Speaker(Path("nowhere"), {"en-us": "gmw/en-us", "cmn": "sit/cmn"}, ("f1", "m3", "whisper"))
    assert mute.voices("cmn") == ("cmn", "cmn+f1", "cmn+m3", "cmn+whisper")
    for voice, told in (("cmnn", "did you mean 'cmn'"), ("cmn+wisper", "did you mean 'whisper'"), ("cmn+", "no variant ''")):
        with pytest.raises(ValueError, match=told):
            mute("words", voice)
    with pytest.raises(ValueError, match="rate 1000 and pitch 50"):
        mute("words", "cmn", rate=1000)


@pytest.fixture(scope="module")
def voice():
    paths = {file.name: Path("cache", PACKAGES, file.name) for file in suitable(ESPEAK)}
    if not all(path.is_file() for path in paths.values()):
        pytest.skip("the voice is not in the cache: duomo fetch espeak")
    return speaker(paths)


def test_a_clip_is_a_pure_function_of_its_arguments(voice):
    asked = [("thirty five", "en-us", 175, 50), ("三十五", "cmn+m3", 150, 30), ("thirty five", "en-us+whisper", 200, 70)]
    first = [voice(*one) for one in asked]
    assert [voice(*one) for one in reversed(asked)] == first[::-1]
    assert len(set(first)) == 3


def test_a_clip_is_a_mono_wav_of_a_second_or_so(voice):
    with wave.open(io.BytesIO(voice("三十五", "cmn"))) as clip:
        assert (clip.getnchannels(), clip.getsampwidth(), clip.getframerate()) == (1, 2, 22050)
        assert 0.5 < clip.getnframes() / clip.getframerate() < 1.2


def test_text_without_sound_is_told(voice):
    with pytest.raises(ValueError, match="has no sound"):
        voice("", "cmn")
