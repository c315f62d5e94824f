import math

import pytest
import torch

from duomo.batch import Patches
from duomo.blocks import Sense
from duomo.blocks.fronts import canvas
from duomo.data.collate import collate_media
from duomo.data.render import Rendered
from duomo.modalities.modality import token_count
from duomo.recipe import BlockRecipe, CutRecipe, SenseRecipe
from tests.small import redrawn

GRIDS = {1: [(5,), (1,), (16,), (8,)], 2: [(3, 7), (8, 2), (1, 1), (5, 5)], 3: [(2, 3, 5), (5, 1, 4), (1, 8, 1), (4, 4, 4)]}
BLOCK = BlockRecipe(dim=16, heads=2, position="none")


def item(grid, merge, features=3, seed=0):
    random = torch.Generator().manual_seed(seed + 10 * math.prod(grid))
    coords = torch.cartesian_prod(*(torch.arange(n) for n in grid)).reshape(-1, len(grid))
    return Patches(torch.randn(len(coords), features, generator=random), coords, token_count(grid, merge))


def media(items):
    return collate_media([[Rendered(media=[("x", one)])] for one in items])["x"]


def sense(axes, front="conv", depth=2, position="none", **more):
    strides = ((2,) * axes, (1,) * axes) if front == "conv" else ()
    block = BLOCK.model_copy(update={"position": position})
    recipe = SenseRecipe(front=front, channels=(8, 16) if front == "conv" else (), strides=strides, depth=depth, block=block, **more)
    merge = (2,) * axes if front == "conv" else (1,) * axes
    cut = CutRecipe(size=(16,) * axes, hop=(1,) * axes, merge=merge, features=3)
    return redrawn(Sense(recipe, cut, 24)).eval(), merge


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("front", "depth"), [("conv", 2), ("conv", 0), ("patch", 2)])
def test_items_of_mixed_lengths_are_each_as_alone(axes, front, depth):
    layer, merge = sense(axes, front, depth)
    items = [item(grid, merge) for grid in GRIDS[axes]]
    together, alone = layer(media(items)), torch.cat([layer(media([one])) for one in items])
    assert together.shape == alone.shape == (sum(one.tokens for one in items), 24)
    assert together.std() > 0.3
    assert (together - alone).abs().max() < 1e-5


def test_what_stands_in_the_padding_is_not_seen():
    layer, merge = sense(2)
    batch = media([item(grid, merge) for grid in GRIDS[2]])
    before = layer(batch)
    for m, count in enumerate(batch.count_M.tolist()):
        batch.values_MNF[m, count:] = 99.0
        batch.coords_MNA[m, count:] = 3
    assert torch.equal(before, layer(batch))


def test_normed_convolutions_and_another_outside_keep_items_apart():
    layer, merge = sense(2, norm=True, outside=-1.0)
    items = [item(grid, merge) for grid in GRIDS[2]]
    together = layer(media(items))
    assert (together - torch.cat([layer(media([one])) for one in items])).abs().max() < 1e-5
    for other in (sense(2, norm=False, outside=-1.0), sense(2, norm=True)):
        assert (together - other[0](media(items))).abs().max() > 1e-2


def test_rotary_senses_turn_by_their_first_axis():
    layer, merge = sense(1, position="rotary")
    items = [item(grid, merge) for grid in GRIDS[1]]
    assert (layer(media(items)) - torch.cat([layer(media([one])) for one in items])).abs().max() < 1e-5


@pytest.mark.parametrize(("front", "position"), [("patch", "none"), ("conv", "rotary")])
def test_what_leads_an_item_is_read_and_not_given(front, position):
    layer, merge = sense(2, front, position=position, leading=2)
    items = [item(grid, merge) for grid in GRIDS[2]]
    together, alone = layer(media(items)), torch.cat([layer(media([one])) for one in items])
    assert together.shape == (sum(one.tokens for one in items), 24)
    assert (together - alone).abs().max() < 1e-5
    layer.leading.table.data.mul_(-1)
    assert (together - layer(media(items))).abs().max() > 1e-2


def test_the_canvas_puts_each_patch_at_its_coordinates():
    one = item((2, 3), (1, 1))
    values, real = canvas(media([one, item((3, 1), (1, 1))]))
    assert values.shape == (2, 3, 3, 3)
    assert torch.equal(values[0, :, 1, 2], one.values_NF[5])
    assert real[0, 0].tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]


def test_places_matter():
    layer, merge = sense(1, "patch", depth=0)
    same = item((4,), merge)
    same.values_NF[:] = same.values_NF[0]
    out = layer(media([same]))
    assert (out[0] - out[1]).abs().max() > 1e-2


def misfit(**more):
    recipe = SenseRecipe(**({"channels": (8, 16), "strides": ((2,), (2,)), "block": BLOCK} | more))
    return Sense(recipe, CutRecipe(size=(16,), hop=(1,), merge=(4,), features=3), 24)


@pytest.mark.parametrize(
    "more",
    [
        {"strides": ((2,), (1,))},
        {"strides": ((2, 2), (2, 2))},
        {"strides": ((2,), (2,), (1,))},
        {"channels": (8, 8)},
        {"channels": (), "strides": ()},
        {"front": "patch"},
    ],
)
def test_a_front_that_does_not_fit_its_cut_is_refused(more):
    misfit()
    with pytest.raises(ValueError, match="a sense wants"):
        misfit(**more)


def test_joined_tokens_are_those_of_the_stack_side_by_side_and_zeros_where_an_item_ends():
    cut = CutRecipe(size=(16,), hop=(1,), merge=(6,), features=3)
    recipe = SenseRecipe(channels=(8, 16), strides=((2,), (1,)), place="table", depth=2, block=BLOCK, join=3)
    joined, items = redrawn(Sense(recipe, cut, 24)).eval(), [item(grid, (6,)) for grid in GRIDS[1]]
    plain = Sense(recipe.model_copy(update={"join": 1}), cut.model_copy(update={"merge": (2,)}), 24).eval()
    plain.load_state_dict({k: v for k, v in joined.state_dict().items() if not k.startswith("project.")}, strict=False)
    together, at = joined.see(media(items)), 0
    for one, grid in zip(items, GRIDS[1], strict=True):
        alone = plain.see(media([item(grid, (2,))]))
        wanted = torch.cat([alone.flatten(), alone.new_zeros(-alone.numel() % 48)]).view(-1, 48)
        assert len(wanted) == one.tokens and (together[at : at + one.tokens] - wanted).abs().max() < 1e-5
        at += one.tokens
    assert at == len(together) and joined(media(items)).shape == (at, 24)


@pytest.mark.parametrize("more", [{"join": 2, "project": False, "block": BLOCK.model_copy(update={"dim": 24})}, {"join": 2}])
def test_a_join_that_does_not_fit_is_refused(more):
    with pytest.raises(ValueError, match="a sense (joins|wants)"):
        misfit(**more)
