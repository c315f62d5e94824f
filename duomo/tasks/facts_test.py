from duomo.evaluate.run import evaluate
from duomo.tasks.facts import ACCEPTED, FACTS, facts, right
from duomo.tasks.task import Answer


class Knowing:
    """A model that knows every answer and says it in a sentence."""

    def answer(self, samples, max_tokens):
        known = dict(FACTS)
        return [Answer(f"I think it is {known[sample.messages[-1].text][-1]}.") for sample in samples]


def test_an_answer_is_found_in_a_sentence_as_whole_words():
    assert right("8", "A spider has Eight legs.") and right("Au", "It is Au.") and right("carbon dioxide", "CO₂, of course")
    assert not right("8", "It has 18 legs.") and not right("Au", "Australia") and not right("Paris", "")


def test_twenty_questions_differ_in_their_answers():
    assert len(FACTS) == len(ACCEPTED) == 20


def test_who_knows_them_gets_all_and_with_another_question_none():
    row = evaluate(facts(), Knowing(), None).rows[0]
    assert (row.value, row.n) == (1.0, 20)
    assert row.control.value == 0.0
    assert max(baseline.value for baseline in row.baselines) == 0.05
