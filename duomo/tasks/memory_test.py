"""Laws of the memory: what is alike is found, each further text brings what those before lack, one's own is passed over."""

import numpy as np
import pytest

from duomo.tasks.memory import memory, runs

TEXTS = ("Restart the device", "Restart the server now", "Delete the file", "重新启动设备", "删除文件", "Server", "x")


def test_a_text_finds_itself_first_and_then_nothing_is_left():
    known = memory(TEXTS)
    for place, text in enumerate(TEXTS):
        assert known.near(text, 3) == [place]
        assert place not in known.near(text, 3, without=[place])


def test_the_second_brings_what_the_first_lacks():
    known = memory(TEXTS)
    assert known.near("Delete the server", 2) == [2, 5]
    assert known.near("删除设备", 2) == [4, 3]


def test_what_shares_no_sign_finds_nothing():
    assert memory(TEXTS).near("Ω", 2) == memory([]).near("a", 2) == memory(TEXTS).near("", 2) == []


def test_scores_are_cosines():
    known = memory(TEXTS)
    rarity = dict(zip(known.held.terms, known.held.rarities_T, strict=True))

    def vector(text):
        counts = {run: runs(text).count(run) for run in runs(text)}
        weights = {run: rarity.get(run, 0) * (1 + np.log(count)) for run, count in counts.items()}
        length = np.sqrt(sum(weight**2 for weight in weights.values()))
        return {run: weight / length for run, weight in weights.items()}

    asked = "Restart a file"
    terms = {known.held.terms[run] for run in runs(asked) if run in known.held.terms}
    slow = [sum(weight * rarity[run] for run, weight in vector(text).items() if run in runs(asked)) for text in TEXTS]
    assert known._scores(terms) == pytest.approx(slow, rel=1e-5)


def test_case_and_spaces_do_not_count():
    assert runs("Restart  THE\ndevice") == runs("restart the device") and runs("ab") == ["ab"] and runs("") == []
