"""Laws of structured answers: whatever is drawn where the guide allows it is JSON of the schema."""

import json

import numpy as np
import pytest

from duomo.serve.fault import Fault
from duomo.serve.structured import Guides, schema_of
from tests.small import tokenizer

pytest.importorskip("llguidance")
SCHEMA = {
    "type": "object",
    "properties": {"name": {"enum": ["猫", "dog"]}, "count": {"type": "integer", "minimum": 0, "maximum": 99}, "sure": {"type": "boolean"}},
    "required": ["name", "count", "sure"],
    "additionalProperties": False,
}
SIZE = 400  # of the logits: more than the tokenizer has


def drawn(guide, seed):
    random, said = np.random.default_rng(seed), []
    for _ in range(200):
        allowed = guide.mask().nonzero()[:, 0].tolist()
        assert max(allowed) < tokenizer().vocab_size
        id = int(random.choice(allowed))
        if id == tokenizer().stop_id:
            return tokenizer().decode(said)
        guide.take(id)
        said.append(id)
    raise AssertionError("never ended")


def test_random_tokens_become_valid_json():
    guides = Guides(tokenizer(), SIZE)
    told = [json.loads(drawn(guides.guide(SCHEMA), seed)) for seed in range(20)]
    assert all(set(one) == {"name", "count", "sure"} and one["name"] in ("猫", "dog") and 0 <= one["count"] <= 99 for one in told)
    assert {one["name"] for one in told} == {"猫", "dog"}


def test_two_answers_do_not_share_a_guide():
    guides = Guides(tokenizer(), SIZE)
    first, second = guides.guide(SCHEMA), guides.guide(SCHEMA)
    brace = tokenizer().encode("{")[0]
    first.take(brace)
    assert second.mask()[brace] and not first.mask()[brace]


def test_what_breaks_the_schema_is_told():
    guide = Guides(tokenizer(), SIZE).guide(SCHEMA)
    with pytest.raises(ValueError, match="response_format"):
        guide.take(tokenizer().encode("x")[0])


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "http://127.0.0.1:1/a"}, {"$ref": "file:///etc/passwd"}, {"type": 3}])
def test_a_schema_that_is_none_is_refused_and_nothing_is_fetched(schema):
    with pytest.raises(Fault) as caught:
        Guides(tokenizer(), SIZE).guide(schema)
    assert (caught.value.status, caught.value.code) == (400, "invalid_schema")


def test_formats_are_those_of_the_field():
    assert schema_of(None, 99) is None and schema_of({"type": "text"}, 99) is None
    assert schema_of({"type": "json_object"}, 99) == {"type": "object"}
    assert schema_of({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "null"}}}, 99) == {"type": "null"}
    for wanted in ({}, {"type": "xml"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"schema": {"enum": ["a" * 99]}}}):
        with pytest.raises(Fault):
            schema_of(wanted, 99)
