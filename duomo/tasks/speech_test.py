from collections import Counter
from random import Random

import numpy as np

from duomo.sample import ask
from duomo.tasks.media_test import TinyStore, made, tone
from duomo.tasks.speaking import VARIANTS, error_rate, keep_sound, nearest_clips, noisy, spoken, transcript_row, voices
from duomo.tasks.speech import sentence
from duomo.tasks.task import Answer
from duomo.tasks.words import LANGUAGES


def test_no_voice_is_heard_in_two_splits():
    groups = [set(VARIANTS[split]) for split in ("train", "valid", "test")]
    assert len(set().union(*groups)) == sum(map(len, groups))
    assert all(len(voices("test", language)) >= 2 for language in LANGUAGES)


def test_no_test_sentence_of_two_words_is_learned():
    for language in LANGUAGES:
        said = {split: {" ".join(sentence(split, language, Random(i))) for i in range(3000)} for split in ("train", "test")}
        assert not {text for text in said["train"] & said["test"] if " " in text}


def test_splits_have_sentences_of_the_same_lengths():
    for language in LANGUAGES:
        shares = [Counter(len(" ".join(sentence(split, language, Random(i))).split()) for i in range(600)) for split in ("train", "test")]
        assert set(shares[0]) == {1, 2, 3, 4}
        assert all(abs(shares[0][n] - shares[1][n]) < 60 for n in range(1, 5))


def test_silence_is_cut_and_bending_changes_the_length_only():
    flat, rate = spoken("hello", "en", tone, Random(0))
    assert rate == 22050 and 6 * 1200 <= len(flat) < 6 * 1200 + 2 * 22050 // 50 + 1
    bent, other = spoken("hello", "en", tone, Random(0), bend=0.09)
    assert (bent == flat).all() and other != rate


def test_noise_is_audible_and_never_louder_than_speech():
    flat, _ = spoken("hello", "en", tone, Random(0))
    hiss = noisy(flat, Random(0)).astype(float)
    gain = (hiss @ flat) / (flat.astype(float) @ flat)
    assert 0 < np.std(hiss - gain * flat) < 0.3 * np.std(gain * flat)


def test_the_nearest_clip_is_the_same_words():
    store = TinyStore()
    known = [keep_sound(*spoken(text, "en", tone, Random(0)), store) for text in ("red", "window", "blue")]
    asked = [keep_sound(noisy(*spoken(text, "en", tone, Random(0))[:1], Random(1)), 22050, store) for text in ("blue", "red")]
    assert nearest_clips(known, asked, store) == [2, 0]


def test_errors_add_up_over_a_corpus_by_language():
    rows = [
        transcript_row(ask("", answer="red dog"), Answer("Red cat.")),
        transcript_row(ask("", answer="one"), Answer("one")),
        transcript_row(ask("", answer="你好世界"), Answer("你 好")),
    ]
    assert error_rate("WER", "en").of(rows) == 1 / 3
    assert error_rate("CER", "zh").of(rows) == 1 / 2


def test_every_clip_names_its_voice():
    assert {s.origin.group for s in made("speech", "test")} == {"f2", "Michael"}
    assert all(s.origin.synthetic for s in made("speech", "train"))
