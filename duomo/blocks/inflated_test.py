import pytest
import torch

from duomo.batch import Patches
from duomo.blocks import Inflated
from duomo.blocks.sense_test import item, media, sense
from duomo.recipe import CutRecipe, SenseRecipe
from tests.small import redrawn


def inflated(times=((1,), (1,)), features=3, merge=None):
    still, (rows, columns) = sense(2)
    recipe = SenseRecipe(inflates="stills", strides=times)
    merge = merge or (torch.tensor(times).prod().item(), rows, columns)
    clips = Inflated(recipe, CutRecipe(size=(16,) * 3, hop=(1,) * 3, merge=merge, features=features), still)
    return still, clips.eval(), merge


def test_it_begins_as_the_pictures_front_at_each_instant():
    still, clips, merge = inflated()
    one, picture = item((3, 6, 5), merge), item((6, 5), merge[1:])
    seen = clips.front(media([one]))[0].unflatten(1, (3, 9))
    frames = one.values_NF.unflatten(0, (3, 30))
    for instant in range(3):
        alone = still.front(media([Patches(frames[instant], picture.coords_NA, 9)]))[0]
        assert (seen[:, instant] - alone).abs().max() < 1e-5


def test_it_learns_time_and_shares_the_pictures_weights():
    still, clips, merge = inflated(((1,), (2,)))
    assert not {id(p) for p in clips.parameters()} & {id(p) for p in still.parameters()}  # the shared weights are held once, by the other
    clips(media([item(grid, merge) for grid in [(4, 3, 5), (5, 1, 4)]])).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in (*clips.parameters(), *still.parameters()))


def test_clips_of_mixed_lengths_are_each_as_alone_and_time_matters():
    _, clips, merge = inflated(((1,), (2,)))
    redrawn(clips)
    items = [item(grid, merge) for grid in [(4, 3, 5), (5, 1, 4), (1, 8, 1)]]
    together = clips(media(items))
    assert (together - torch.cat([clips(media([one])) for one in items])).abs().max() < 1e-5
    backwards = Patches(items[0].values_NF.unflatten(0, (4, 15)).flip(0).flatten(0, 1), items[0].coords_NA, items[0].tokens)
    assert (clips(media([items[0]])) - clips(media([backwards]))).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"times": ((1,),)}, r"inflates stills wants 2 strides over time"),
        ({"features": 1}, r"inflates stills wants its 3 numbers per patch, not 1"),
        ({"merge": (2, 2, 2)}, r"wants cut.merge \(1, 2, 2\), not \(2, 2, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(fault, message):
    with pytest.raises(ValueError, match=message):
        inflated(**fault)


def test_what_the_pictures_decide_is_not_said_twice():
    with pytest.raises(ValueError, match="a sense that inflates stills takes depth from it; leave them out"):
        SenseRecipe(inflates="stills", strides=((1,),), depth=2)
