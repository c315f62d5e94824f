from dataclasses import replace

import pytest
import torch

from duomo.batch import Layout, Stream
from duomo.blocks import Cache
from duomo.data.collate import stream
from duomo.data.render import Rendered
from tests.small import model, model_recipe, redrawn

IDS = [[11, 12, 13, 14, 15, 16], [21, 22, 23], [31, 32, 33, 34, 35, 36, 37, 38]]
FIELDS = ("ids_BT", "group_BT", "segment_BT", "position_BT")


def rows(ids):
    return [[Rendered(list(row), [True] * len(row))] for row in ids]


def piece(s, start, end):
    return replace(s, **{name: getattr(s, name)[:, start:end] for name in FIELDS}, layout=Layout("dense"))


@pytest.mark.parametrize("left", [True, False], ids=["padded left", "padded right"])
def test_what_is_read_in_pieces_is_read_as_a_whole(left):
    m, s = redrawn(model(model_recipe(senses=()))), stream(rows(IDS), causal=True, left=left)
    cache = Cache(3, 8)
    parts = [m.decode(piece(s, start, end), cache=cache) for start, end in ((0, 4), (4, 5), (5, 8))]
    real = s.segment_BT != 0
    assert (torch.cat(parts, 1) - m.decode(s, dense=True))[real].abs().max() < 1e-5
    assert cache.length_B.tolist() == [6, 3, 8]


def test_rows_go_on_from_their_own_ends():
    m, begun = redrawn(model(model_recipe(senses=()))), stream(rows(IDS), causal=True)  # padded right: ends in different columns
    cache, more = Cache(3, 9), [[41], [42], [43]]
    m.decode(begun, cache=cache)
    new = stream(rows(more), causal=True)
    at = torch.tensor([[len(row)] for row in IDS])
    got = m.decode(replace(new, group_BT=at, position_BT=at, layout=Layout("dense")), cache=cache)
    for row, (old, one) in enumerate(zip(IDS, more, strict=True)):
        alone = m.decode(stream(rows([old + one]), causal=True))
        assert (got[row, 0] - alone[0, -1]).abs().max() < 1e-5


def test_selected_rows_keep_what_they_read():
    m, s = redrawn(model(model_recipe(senses=()))), stream(rows(IDS), causal=True, left=True)
    cache = Cache(3, 8)
    m.decode(piece(s, 0, 6), cache=cache)
    order = torch.tensor([2, 0, 0])
    cache.select(order)
    chosen = replace(s, **{name: getattr(s, name)[order] for name in FIELDS})
    assert (m.decode(piece(chosen, 6, 8), cache=cache) - m.decode(s, dense=True)[order, 6:]).abs().max() < 1e-5


def test_the_memory_is_mapped_once():
    m = redrawn(model(model_recipe("encoder_decoder", senses=())))
    source, target = stream(rows(IDS), causal=False), stream(rows([[1, 2], [3, 4], [5, 6]]), causal=True)
    memory, cache = m.encode(source), Cache(3, 2)
    first = m.decode(piece(target, 0, 1), source, memory, cache)
    again = m.decode(piece(target, 1, 2), source, None, cache)
    assert (torch.cat([first, again], 1) - m.decode(target, source, memory)).abs().max() < 1e-5


def read_alone(m, row, source=None):
    """A cache of one row that read these ids, with a memory where there is a source."""
    cache, target = Cache(1, 20), stream(rows([row]), causal=True)
    if source is None:
        m.decode(target, cache=cache)
    else:
        source = stream(rows([source]), causal=False)
        m.decode(target, source, m.encode(source), cache)
    return cache


def one_more(ids, at):
    at = torch.tensor([[place] for place in at])
    return replace(stream(rows(ids), causal=True), group_BT=at, position_BT=at, layout=Layout("dense"))


def test_rows_that_are_put_go_on_where_they_were_read_and_the_others_stay():
    m = redrawn(model(model_recipe(senses=())))
    cache = Cache(4, 12)
    for row, ids in enumerate(IDS):
        cache.put(row, read_alone(m, ids))
    kept = {layer: keys[2].clone() for layer, (keys, _) in cache.layers.items()}
    got = m.decode(one_more([[41], [42]], (6, 3)), cache=cache)  # of the first two rows
    for row, (old, new) in enumerate(((IDS[0], 41), (IDS[1], 42))):
        assert (got[row, 0] - m.decode(stream(rows([[*old, new]]), causal=True))[0, -1]).abs().max() < 1e-5
    assert cache.length_B.tolist() == [7, 4, 8, 0] and all(torch.equal(cache.layers[layer][0][2], kept[layer]) for layer in kept)
    cache.put(0, cache, 2)
    alone = m.decode(stream(rows([[*IDS[2], 43]]), causal=True))[0, -1]
    assert (m.decode(one_more([[43]], (8,)), cache=cache)[0, 0] - alone).abs().max() < 1e-5


def test_memories_of_many_lengths_that_are_put_are_read_as_each_alone():
    m, sources = redrawn(model(model_recipe("encoder_decoder", senses=()))), ([51, 52], [61, 62, 63, 64, 65], [71, 72, 73])
    cache = Cache(3, 12, source=6)
    for row, (ids, source) in enumerate(zip(IDS, sources, strict=True)):
        cache.put(row, read_alone(m, ids, source))
    cache.put(1, cache, 2)
    segment = cache.memory_segment(2)
    assert segment.tolist() == [[1, 1, 0], [1, 1, 1]]
    seen = Stream(segment, segment, segment, segment, layout=Layout("mutual", False, True))
    got = m.decode(one_more([[41], [42]], (6, 8)), seen, None, cache)
    for row, (old, new, source) in enumerate(((IDS[0], 41, sources[0]), (IDS[2], 42, sources[2]))):
        alone = stream(rows([source]), causal=False)
        wanted = m.decode(stream(rows([[*old, new]]), causal=True), alone, m.encode(alone))[0, -1]
        assert (got[row, 0] - wanted).abs().max() < 1e-5


def test_what_has_no_room_is_not_put():
    m = redrawn(model(model_recipe(senses=())))
    with pytest.raises(ValueError, match="8 tokens and a source of 0, but room for 7 and 0"):
        Cache(1, 7).put(0, read_alone(m, IDS[2]))


def test_too_much_is_refused():
    with pytest.raises(ValueError, match="8 tokens but room for 7"):
        model(model_recipe(senses=())).decode(stream(rows(IDS), causal=True), cache=Cache(3, 7))
