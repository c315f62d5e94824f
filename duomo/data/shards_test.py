import numpy as np
import pytest
import torch

from duomo.data.render import Rendered
from duomo.data.shards import Shards, shorten, write
from tests.small import KINDS, dialogue, mixed, question, rendered


def stored(folder, items):
    folder.mkdir(exist_ok=True)
    write(folder, ((item, tuple(f"{number}.{place}" for place in range(len(item.media)))) for number, item in enumerate(items)))
    return Shards(folder)


def test_what_is_written_is_read(tmp_path):
    items = [*mixed(KINDS, 12), rendered(dialogue("image")), rendered(dialogue("audio"))]
    shards = stored(tmp_path / "x", items)
    assert len(shards) == len(items)
    assert shards.lengths.tolist() == [len(item.ids) for item in items]
    for item, back in zip(items, shards, strict=False):
        assert (back.ids, back.learn, back.turn) == (item.ids, item.learn, item.turn)
        assert [name for name, _ in back.media] == [name for name, _ in item.media]
        for (_, a), (_, b) in zip(item.media, back.media, strict=True):
            assert a.tokens == b.tokens and torch.equal(a.coords_NA, b.coords_NA)
            assert (a.values_NF - b.values_NF).abs().max() < 2e-3  # half precision


def test_media_of_one_name_are_stored_once(tmp_path):
    item = rendered(question("image", 1))
    write(tmp_path, ((item, ("same.png",)) for _ in range(5)))
    shards = Shards(tmp_path)
    assert len(shards) == 5 and len(np.load(tmp_path / "image.index.npy")) == 1
    assert torch.equal(shards[0].media[0][1].values_NF, shards[4].media[0][1].values_NF)


def test_the_index_is_small(tmp_path):
    shards = stored(tmp_path / "x", mixed(("text",), 8))
    assert shards.lengths.itemsize <= 16


def test_damage_is_named_with_its_mend(tmp_path):
    stored(tmp_path / "x", mixed(("image",), 2))
    (tmp_path / "x" / "image.index.npy").unlink()
    with pytest.raises(ValueError, match="x: not readable shards .*; delete the folder and prepare again"):
        Shards(tmp_path / "x")


def test_nothing_to_write_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no samples to write"):
        write(tmp_path, [])


def test_a_long_text_is_cut_and_a_long_medium_dropped():
    text = Rendered(list(range(20)), [False] * 5 + [True] * 15, turn=5)
    assert shorten(text, 30) is text
    short = shorten(text, 12)
    assert short is not None and short.ids == list(range(12)) and sum(short.learn) == 7
    assert shorten(text, 5) is None, "nothing would be left to learn"
    picture = rendered(question("image", 1, answer="abc"))
    assert shorten(picture, picture.turn - 1) is None
    kept = shorten(picture, picture.turn + 1)
    assert kept is not None and len(kept.media) == 1
