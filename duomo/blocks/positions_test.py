import math

import pytest
import torch

from duomo.blocks import Positions, rotary_angles, sinusoids
from duomo.blocks.attention import rotate
from duomo.blocks.positions import rotary_scale
from duomo.recipe import BlockRecipe, RopeScaling

HEAD, THETA = 16, 500_000.0


def angles(scaling):
    return rotary_angles(BlockRecipe(dim=64, heads=4, theta=THETA, scaling=scaling), HEAD).tolist()


def plain(pair):
    return 1.0 / THETA ** (2 * pair / HEAD)


def test_each_pair_turns_by_its_own_rate():
    assert angles(None) == pytest.approx([plain(i) for i in range(HEAD // 2)], rel=1e-6)


def test_linear_scaling_slows_every_pair():
    assert angles(RopeScaling(kind="linear", factor=4)) == pytest.approx([plain(i) / 4 for i in range(HEAD // 2)], rel=1e-6)


def test_llama3_scaling_keeps_short_waves_and_slows_long_ones():
    factor, low, high, old = 8.0, 1.0, 4.0, 8192

    def expected(rate):  # by wavelength, as the model card's code has it
        wave = 2 * math.pi / rate
        if wave < old / high:
            return rate
        if wave > old / low:
            return rate / factor
        smooth = (old / wave - low) / (high - low)
        return (1 - smooth) * rate / factor + smooth * rate

    rates = [plain(i) for i in range(HEAD // 2)]
    got = angles(RopeScaling(kind="llama3", factor=factor, low=low, high=high, original_positions=old))
    assert got == pytest.approx([expected(rate) for rate in rates], rel=1e-6)
    kinds = {expected(rate) == rate for rate in rates} | {math.isclose(expected(rate), rate / factor) for rate in rates}
    assert kinds == {True, False}


def test_yarn_scaling_blends_by_index_and_sharpens():
    factor, slow, fast, old = 4.0, 1.0, 32.0, 32768

    def index(turns):  # the pair that makes so many turns over the old length
        return HEAD * math.log(old / (2 * math.pi * turns)) / (2 * math.log(THETA))

    first, last = math.floor(index(fast)), math.ceil(index(slow))
    assert 0 < first < last < HEAD // 2
    shares = [min(max((i - first) / (last - first), 0), 1) for i in range(HEAD // 2)]
    expected = [plain(i) * (1 - share) + plain(i) / factor * share for i, share in enumerate(shares)]
    scaling = RopeScaling(kind="yarn", factor=factor, low=slow, high=fast, original_positions=old)
    assert angles(scaling) == pytest.approx(expected, rel=1e-6)
    assert rotary_scale(BlockRecipe(scaling=scaling)) == pytest.approx(0.1 * math.log(4) + 1)


@pytest.mark.parametrize("scaling", [None, RopeScaling(kind="linear", factor=4), RopeScaling(kind="llama3", factor=8)])
def test_only_yarn_sharpens(scaling):
    assert rotary_scale(BlockRecipe(scaling=scaling)) == 1.0


def test_rotation_is_a_complex_product_of_the_two_halves():
    random = torch.Generator().manual_seed(0)
    x, angle = torch.randn(2, 3, 5, 8, generator=random), torch.randn(2, 1, 5, 4, generator=random)
    turned = torch.complex(x[..., :4], x[..., 4:]) * torch.polar(torch.ones_like(angle), angle)
    assert (rotate(x, angle.cos(), angle.sin()) - torch.cat([turned.real, turned.imag], -1)).abs().max() < 1e-6


def test_sinusoids_are_the_papers():
    table = sinusoids(50, 6)
    for position in (0, 1, 49):
        for column in range(6):
            angle = position / 10_000 ** (column // 2 * 2 / 6)
            assert float(table[position, column]) == pytest.approx(math.cos(angle) if column % 2 else math.sin(angle), abs=1e-6)


def test_sinusoids_of_an_odd_width():
    assert sinusoids(3, 5).shape == (3, 5)


def test_learned_positions_are_parameters_and_sinusoids_are_not():
    assert len(list(Positions(BlockRecipe(dim=8, heads=2, position="learned"), 4).parameters())) == 1
    fixed = Positions(BlockRecipe(dim=8, heads=2, position="sinusoidal"), 4)
    assert not list(fixed.parameters()) and not fixed.state_dict()
    assert torch.equal(fixed(torch.tensor([[3, 1]])), sinusoids(4, 8)[[3, 1]][None])
