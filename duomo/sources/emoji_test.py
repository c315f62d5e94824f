"""Laws of the sources of emoji, on packages that are made here."""

import json

import pytest

from duomo.sources.archive_test import packed
from duomo.sources.emoji import EMOJI_GOOGLE, EMOJI_TWITTER, GOOGLE, NAMES, TWITTER

TABLE = {
    "en": {"😀": {"default": ["face"], "tts": ["grinning face"]}, "❤": {"tts": ["red heart"]}, "👍🏽": {"tts": ["thumbs"]}},
    "zh": {"😀": {"tts": ["嘿嘿"]}, "❤️": {"tts": ["红心"]}, "👍🏽": {"tts": ["拇指"]}},
}
TABLE["en"]["🐁"], TABLE["zh"]["🐁"] = {"tts": ["mouse"]}, {"default": ["鼠"]}  # one language has no name for it
PICTURES = {"1f600": b"grin", "2764-fe0f": b"heart", "1f44d-1f3fd": b"thumb", "1f401": b"mouse", "1f47e": b"no name", "blank": b"?"}


def names(languages=("en", "zh")):
    def body(language):
        return json.dumps({"annotations": {"annotations": TABLE[language]}}).encode()

    return {f"package/annotations/{language}/annotations.json": body(language) for language in languages}


def opened(folder, source, file, style, called):
    pictures = {f"package/img/{style}/64/{stem}.png": data for stem, data in PICTURES.items()}
    files = {"package/img/other/64/1f600.png": b"other", f"package/img/{style}/sheets/32.png": b"sheet"} | pictures
    (folder / file.name).write_bytes(packed(files, "gz"))
    (folder / NAMES.name).write_bytes(packed(called, "gz"))
    return list(source.open({one.name: folder / one.name for one in source.files}))


@pytest.mark.parametrize(("source", "file", "style"), [(EMOJI_TWITTER, TWITTER, "twitter"), (EMOJI_GOOGLE, GOOGLE, "google")])
def test_pictures_have_their_names_and_none_a_skin_tone_of_its_own(tmp_path, source, file, style):
    grin, heart = opened(tmp_path, source, file, style, names())
    assert (grin.origin.id, heart.origin.id) == ("1f600", "2764"), "signs of presentation do not count"
    assert json.loads(grin.answer) == {"en": "grinning face", "zh": "嘿嘿"} and json.loads(heart.answer)["zh"] == "红心"
    assert [part.value for one in (grin, heart) for part in one.media()] == [b"grin", b"heart"]
    assert grin.origin.source == source.name and grin.origin.licence == source.licence and "Unicode-3.0" in source.licence


def test_a_package_without_the_names_is_refused(tmp_path):
    with pytest.raises(ValueError, match="lacks the names in en or zh"):
        opened(tmp_path, EMOJI_TWITTER, TWITTER, "twitter", names(("en",)))
