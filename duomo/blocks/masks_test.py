from dataclasses import replace

import torch

from duomo.batch import Layout, Stream
from duomo.blocks import cross_mask, self_mask, self_view
from duomo.data.collate import stream
from duomo.data.render import Rendered


def streamed(group, segment):
    ids = torch.zeros(1, len(group), dtype=torch.long)
    return Stream(ids, torch.tensor([group]), torch.tensor([segment]), ids)


def seen(group, segment):
    return self_mask(streamed(group, segment))[0, 0].int().tolist()


def test_all_groups_equal_is_an_encoder():
    assert seen([0, 0, 0], [1, 1, 1]) == [[1, 1, 1]] * 3


def test_rising_groups_are_a_decoder():
    assert seen([0, 1, 2], [1, 1, 1]) == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_a_prefix_sees_itself_and_the_rest_sees_back():
    assert seen([0, 0, 0, 1, 2], [1] * 5) == [
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
    ]


def test_documents_in_a_row_do_not_see_each_other():
    assert seen([0, 1, 0, 1], [1, 1, 2, 2]) == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]


def test_padding_is_seen_by_none_and_no_row_is_empty():
    mask = self_mask(streamed([0, 1, 0, 0], [1, 1, 0, 0]))[0, 0]
    assert not mask[:2, 2:].any()
    assert mask.any(-1).all()


def test_a_target_sees_the_source_of_its_own_document():
    mask = cross_mask(streamed([0, 0, 0], [1, 2, 0]), streamed([0, 0, 0, 0], [1, 1, 2, 0]))[0, 0].int().tolist()
    assert mask == [[1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1]]


def test_collate_names_the_cheapest_layout():
    short, long = Rendered([1, 2], [False] * 2), Rendered([1, 2, 3], [False] * 3)
    assert stream([[short], [long]], causal=True).layout == Layout("causal", True, padded=True)
    assert stream([[long], [long]], causal=False).layout == Layout("mutual", False, padded=False)
    assert stream([[short, long]], causal=True).layout.kind == "packed"
    assert stream([[short], [long]], causal=True, left=True).layout.kind == "dense"


def test_only_the_oracle_makes_a_dense_mask_of_what_is_causal():
    s = replace(streamed([0, 1, 2], [1, 1, 1]), layout=Layout("causal"))
    assert self_view(s).mask is None and self_view(s).causal
    assert self_view(s, dense=True).mask is not None
