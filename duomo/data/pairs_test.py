from dataclasses import replace

import pytest

from duomo.data.load import Loader
from duomo.data.pack import plan
from duomo.data.pairs import PairPlan, Pairs, halves, sides
from duomo.data.shards import Shards, write
from duomo.sample import ask, text
from tests.small import question, rendered, tokenizer


def test_the_rejected_answer_is_the_samples_own_or_a_wrong_choice():
    own = ask("which?", answer="a", rejected="b")
    assert [side.answer for side in sides(own, 0)] == ["a", "b"]
    chosen = ask("which?", answer="a", choices=("a", "b", "c"))
    found = [[side.answer for side in sides(chosen, n)] for n in range(20)]
    assert {first for first, _ in found} == {"a"} and {second for _, second in found} == {"b", "c"}
    assert found == [[side.answer for side in sides(chosen, n)] for n in range(20)], "drawn by its number alone"
    assert not list(sides(ask("which?", answer="a"), 0)) and not list(sides(ask("which?", rejected="b"), 0))
    assert all(side.messages[:-1] == own.messages[:-1] for side in sides(own, 0))


@pytest.fixture
def pairs(tmp_path):
    asked = [replace(question(("text", "image")[n % 2], n), rejected="no, not at all" if n % 3 else "no") for n in range(9)]
    items = [rendered(side) for n, sample in enumerate(asked) for side in sides(sample, n)]
    write(tmp_path, ((item, tuple(str(n) for _ in item.media)) for n, item in enumerate(items)))
    return Pairs(Shards(tmp_path))


def loader(pairs, micro_batches, weight=1.0):
    made = plan(0, [pairs.lengths], [1.0], 5, 0, pack=False)
    chosen = PairPlan(made.seed, made.lengths, made.per_step, made.rows)
    return Loader(chosen, [pairs], [weight], "decoder", tokenizer().placeholders(["image"]), micro_batches, together=2)


def test_a_step_is_whole_pairs_whatever_the_micro_batches(pairs):
    whole = loader(pairs, 1).step(0)[0]
    assert len(whole.labels_BT) == 10
    ids = [[row[row > 0].tolist() for row in batch.target.ids_BT] for batch in loader(pairs, 3).step(0)]
    assert [len(part) for part in ids] == [4, 4, 2]
    assert [row for part in ids for row in part] == [row[row > 0].tolist() for row in whole.target.ids_BT]
    for part in ids:
        for first, second in zip(part[::2], part[1::2], strict=True):
            assert first != second and first[:4] == second[:4]


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_a_pair_is_one_target(pairs, weight):
    (batch,) = loader(pairs, 1, weight).step(0)
    counted = (batch.weight_BT * (batch.labels_BT >= 0)).sum(1)
    assert [round(float(one), 5) for one in counted] == [weight / 2] * 10


def test_an_epoch_shows_every_pair_once(pairs):
    made = loader(pairs, 1).plan
    picks = [pick for step in range(9) for row in made.step(step) for pick in row][:90]
    assert sorted(picks) == sorted((0, i) for i in range(18) for _ in range(5))
    assert made.epochs(9) == [5.0]


def test_text_of_a_rejected_answer_is_text():
    (_, rejected) = sides(ask("x", answer="a", rejected="<|end|>"), 0)
    assert rejected.messages[-1].parts == (text("<|end|>"),)
    assert rendered(rejected).ids.count(tokenizer().special["<|end|>"]) == 1


def test_halves_are_what_is_asked_about_and_the_answer_as_a_user_gives_them():
    shown, told = halves(question("image", 1, "a cat"), 0)
    assert [part.kind for part in shown.messages[0].parts] == ["image"], "words beside media are left out"
    assert (told.messages[0].role, told.messages[0].text) == ("user", "a cat")
    asked, _ = halves(ask("which?", answer="a"), 0)
    assert asked.messages[0].parts == (text("which?"),)
    assert not list(halves(ask("which?"), 0)) and not list(halves(ask("which?", answer=" "), 0))


def test_a_half_counts_one_half_by_its_last_token(tmp_path):
    items = [rendered(half) for n in range(3) for half in halves(question(("text", "image")[n % 2], n), n)]
    write(tmp_path, ((item, tuple(str(n) for _ in item.media)) for n, item in enumerate(items)))
    held = Pairs(Shards(tmp_path))
    for number, item in enumerate(items):
        assert held[number].ids == item.ids and held[number].weight == 0.5
        assert held[number].learn == [False] * (len(item.ids) - 1) + [True]
