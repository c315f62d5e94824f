"""The models of `benchmarks/history.py`: equally large, blind to what they must not see, the same however they are read."""

import sys
from pathlib import Path
from random import Random

import pytest
import torch

from duomo.data.collate import collate, prompt
from duomo.data.render import Rendered
from duomo.generate import Reader, Sampling, generate
from duomo.recipe import ModelRecipe, Shape
from duomo.sample import ask
from duomo.tasks.baselines import swapped
from duomo.tasks.task import Answer, Metric, Task
from tests import small

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import counts  # noqa: E402
import lessons  # noqa: E402
import past  # noqa: E402
import probes  # noqa: E402

KINDS = [(shape, kind) for shape, made in past.KINDS.items() for kind in made]
WRITERS = [(shape, kind) for shape, kind in KINDS if shape != "encoder"]
TRANSLATORS = [(shape, kind) for shape, kind in KINDS if shape == "encoder_decoder"]


def built(shape: Shape, kind: str) -> past.Model:
    recipe = small.model_recipe(shape, senses=())
    return small.redrawn(past.build(kind, recipe, {}, 0)).eval()


def document(number: int, length: int = 9) -> Rendered:
    random = Random(number)
    turn = length // 2
    return Rendered([random.randrange(5, 400) for _ in range(length)], [False] * turn + [True] * (length - turn), turn=turn)


def hidden(model: past.Model, rows: list[list[Rendered]], shape: Shape) -> torch.Tensor:
    with torch.inference_mode():
        return model.hidden(collate(rows, shape))


@pytest.mark.parametrize("recipe", [one["model"] for one in (lessons.LANGUAGE, lessons.SENTIMENT, lessons.TRANSLATION, lessons.RECALL)])
def test_all_models_of_a_part_are_equally_large(recipe):
    recipe = ModelRecipe.model_validate(recipe)
    wanted = past.parameters(past.build(past.TRANSFORMER, recipe, {}, 0))
    for kind in past.KINDS[recipe.shape]:
        assert abs(past.parameters(past.build(kind, recipe, {}, 0)) / wanted - 1) < 0.03, kind


@pytest.mark.parametrize(("shape", "kind"), WRITERS)
def test_what_comes_later_is_not_seen(shape, kind):
    model, one = built(shape, kind), document(1)
    other = Rendered([*one.ids[:-3], 7, 8, 9], one.learn, turn=one.turn)
    before, after = (hidden(model, [[item]], shape) for item in (one, other))
    same = len(before[0]) - 2  # the last token is never read, and the two before it are changed
    torch.testing.assert_close(before[:, :same], after[:, :same])
    assert not torch.allclose(before[:, same:], after[:, same:])


@pytest.mark.parametrize("kind", past.KINDS["encoder"])
def test_an_encoder_sees_both_sides(kind):
    model, one = built("encoder", kind), document(1)
    for changed in (0, 3):  # of the question: the answer is hidden
        ids = list(one.ids)
        ids[changed] = 7 if ids[changed] != 7 else 8
        other = Rendered(ids, one.learn, turn=one.turn)
        far = 2 if changed == 0 else 1
        assert not torch.allclose(hidden(model, [[one]], "encoder")[:, far], hidden(model, [[other]], "encoder")[:, far])


@pytest.mark.parametrize(("shape", "kind"), [pair for pair in KINDS if pair[0] != "encoder_decoder"])
def test_documents_of_one_row_do_not_see_each_other(shape, kind):
    model, items = built(shape, kind), [document(1, 6), document(2, 11), document(3, 9)]
    packed = hidden(model, [items[:2], items[2:]], shape)
    less = shape == "decoder"  # which does not read the last token
    for row, first, item in ((0, 0, items[0]), (0, 6 - less, items[1]), (1, 0, items[2])):
        alone = hidden(model, [[item]], shape)[0]
        torch.testing.assert_close(packed[row, first : first + len(alone)], alone)


@pytest.mark.parametrize(("shape", "kind"), KINDS)
def test_padding_changes_nothing(shape, kind):
    model, items = built(shape, kind), [document(1, 6), document(2, 12)]
    padded = hidden(model, [[item] for item in items], shape)
    for row, item in enumerate(items):
        alone = hidden(model, [[item]], shape)[0]
        torch.testing.assert_close(padded[row, : len(alone)], alone)


@pytest.mark.parametrize(("shape", "kind"), TRANSLATORS)
def test_the_source_is_read(shape, kind):
    model, one = built(shape, kind), document(1, 12)
    other = Rendered([9, *one.ids[1:]], one.learn, turn=one.turn)
    assert not torch.allclose(hidden(model, [[one]], shape), hidden(model, [[other]], shape))


@pytest.mark.parametrize(("shape", "kind"), TRANSLATORS)
def test_read_token_by_token_is_read_all_at_once(shape, kind):
    opened = [Rendered(document(number).ids[:turn], [False] * turn, turn=turn) for number, turn in ((1, 7), (2, 7), (3, 4))]
    model = built(shape, kind)
    said_BT, order_B = torch.randint(5, 400, (3, 5), generator=torch.Generator().manual_seed(0)), torch.tensor([2, 0, 0])
    found = []
    with torch.inference_mode():
        for cached in (True, False):
            reader = Reader(model, prompt(opened, shape), 6, cached)
            hidden_BD = [reader.hidden()[:, -1]]
            for place in range(5):
                if place == 2:
                    reader.select(order_B)  # as beams do
                reader.add(said_BT[:, place : place + 1])
                hidden_BD.append(reader.hidden()[:, -1])
            found.append(torch.stack(hidden_BD))
    torch.testing.assert_close(*found)
    assert not torch.allclose(found[0][1:], found[0][:-1], atol=0.01)


@pytest.mark.parametrize(("shape", "kind"), TRANSLATORS)
def test_answers_of_many_tokens_are_those_of_the_oracle(shape, kind):
    model = built(shape, kind)
    items = [Rendered(document(number).ids[:turn], [False] * turn, turn=turn) for number, turn in ((1, 7), (3, 4))]
    said = [torch.stack(list(generate(model, prompt(items, shape), Sampling(max_tokens=12), -1, cached))) for cached in (True, False)]
    assert torch.equal(*said)


def test_a_riddle_is_answered_by_its_own_text_and_by_the_key_alone():
    found = probes.riddles("law", 20)
    for one in found:
        ids = one.item.ids
        for place, least in one.distance.items():
            first = ids.index(ids[place])
            assert ids.count(ids[place]) == 2 and least <= place - first < 2 * least
            assert ids[place + 1] == ids[first + 1] and one.item.learn[place + 1]
        assert sum(one.item.learn) == len(one.distance)
    assert {least for one in found for least in one.distance.values()} == set(probes.DISTANCES)
    right = [some for one in found for some in probes.last_value(one).values()]
    assert sum(map(sum, right)) < 0.35 * sum(map(len, right))


def test_the_control_of_a_riddle_asks_by_a_key_of_another_value():
    one = probes.riddles("law", 1)[0]
    ids = probes.swapped(one, Random(0)).item.ids
    for place in one.distance:
        assert ids[place] != one.item.ids[place] and ids[one.item.ids.index(ids[place]) + 1] != one.item.ids[place + 1]


def test_an_exam_sets_baselines_and_answers_beside_their_own_questions():
    asked = [ask(f"number {n}", answer=str(n)) for n in range(30)]
    right = Metric("accuracy", lambda rows: sum(row["right"] for row in rows) / len(rows))
    task = Task(
        name="toy",
        samples=lambda split, store: asked,
        score=lambda sample, answer: {"right": answer.text == sample.answer},
        metrics=(right,),
        baselines=lambda train, test, store: {"oracle": [sample.answer for sample in test]},
        control=swapped,
    )
    exam = lessons.fixed(task, 20)
    row, said = exam.of("clever", Clever())
    assert (row.value, row.baselines[0].value, row.n) == (1.0, 1.0, 20) and row.control.value < 0.2
    assert [answer.text for answer in said] == [sample.answer for sample in exam.test]


class Clever:
    def answer(self, samples, max_tokens):
        return [Answer(sample.messages[0].text.removeprefix("number ")) for sample in samples]


def test_words_that_stand_together_are_found_to_be_translations():
    pairs = {"red house": "红屋", "red book": "红书", "my book": "我书", "my house": "我屋"}
    learned = counts.WordForWord.learn([ask(f"Say: {source}", answer=target) for source, target in pairs.items()])
    said = learned.answer([ask("Say: my red book"), ask("Say: my unseen house")], 9)
    assert [one.text for one in said] == ["我红书", "我屋"]
