"""Laws of the fields: what would change an answer and is not done is refused, what would not is passed over."""

import pytest

from duomo.serve.fault import Fault
from duomo.serve.fields import HARMLESS, MENDS, NEUTRAL, Chat, Completion, Embeddings, read_fields

BODY = {"model": "m", "messages": [{"role": "user", "content": "a"}]}


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_a_harmless_field_is_passed_over(name):
    assert read_fields(Chat, BODY | {name: {"any": ["thing"]}}) == read_fields(Chat, BODY)


@pytest.mark.parametrize("name", sorted(NEUTRAL))
def test_a_field_that_would_change_the_answer_is_refused_unless_it_says_what_is_done(name):
    with pytest.raises(Fault) as caught:
        read_fields(Chat, BODY | {name: {"something": 1}})
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, name, "unsupported_field")
    for value in (*NEUTRAL[name], None):
        assert read_fields(Chat, BODY | {name: value}) == read_fields(Chat, BODY)


def test_the_tables_do_not_contradict_each_other():
    known = {name for kind in (Chat, Completion, Embeddings) for name in kind.model_fields}
    assert not HARMLESS & (NEUTRAL.keys() | known) and not NEUTRAL.keys() & known and MENDS.keys() <= NEUTRAL.keys()


WRONG = {
    "model": ["", 1, "m" * 301], "messages": [[], "a", {}], "temperature": [-0.1, 2.1, "1", True], "top_p": [1.5], "n": [0, 1.5, "1"],
    "max_tokens": [0, -1, 1.5], "seed": [2**63, "a"], "stop": [1, [1]], "stream": [1, "true"], "logprobs": [1], "top_logprobs": [21, -1],
    "response_format": ["text"], "maxtokens": [1], "top_k": [-1],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_one_line_that_names_its_field(name):
    for value in WRONG[name]:
        with pytest.raises(Fault) as caught:
            read_fields(Chat, BODY | {name: value})
        assert (caught.value.status, caught.value.param) == (400, name)
        assert name in caught.value.message


def test_a_whole_number_is_a_number():
    assert read_fields(Chat, BODY | {"temperature": 1, "frequency_penalty": 0.0}).temperature == 1
