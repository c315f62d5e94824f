"""The laws that every modality keeps."""

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.modalities import MODALITIES
from duomo.modalities.modality import tile, token_count
from duomo.modalities.video import Clip
from duomo.recipe import CutRecipe


def raw(name: str, seed: int = 0):
    random = np.random.default_rng(seed)
    if name == "audio":
        return random.uniform(-0.5, 0.5, 12_345).astype(np.float32)
    pixels = random.integers(0, 256, (5, 30, 22, 3), dtype=np.uint8)
    return pixels[0] if name == "image" else Clip(pixels, np.arange(5) / 4)


@pytest.mark.parametrize("name", MODALITIES)
def test_cut_gives_what_the_contract_says(name):
    modality = MODALITIES[name]
    recipe = modality.default
    patches = modality.cut(raw(name), recipe)
    count = len(patches.values_NF)
    assert patches.values_NF.shape == (count, recipe.patch_features)
    assert patches.values_NF.dtype == torch.float32
    assert patches.values_NF.isfinite().all()
    assert patches.coords_NA.shape == (count, modality.axes) and patches.coords_NA.dtype == torch.int64
    grid = tuple(int(side) + 1 for side in patches.coords_NA.amax(0))
    assert torch.equal(patches.coords_NA, torch.cartesian_prod(*map(torch.arange, grid)).reshape(-1, modality.axes))
    assert patches.tokens == token_count(grid, recipe.merge)
    assert all(side * hop <= most for side, hop, most in zip(grid, recipe.hop, recipe.size, strict=True))


@pytest.mark.parametrize("name", MODALITIES)
def test_write_then_read_then_cut(name, tmp_path):
    modality = MODALITIES[name]
    data = modality.write(raw(name))
    assert data == modality.write(raw(name))
    path = tmp_path / f"x{modality.suffix}"
    path.write_bytes(data)
    ours, again = (modality.cut(modality.read(value, modality.default), modality.default) for value in (data, path))
    assert torch.equal(ours.values_NF, again.values_NF)
    assert ours.tokens == modality.cut(raw(name), modality.default).tokens


@pytest.mark.parametrize("name", MODALITIES)
def test_values_are_their_own_memory(name):
    modality = MODALITIES[name]
    item = modality.read(modality.write(raw(name)), modality.default)
    first = modality.cut(item, modality.default).values_NF
    kept = first.clone()
    first.zero_()
    assert torch.equal(modality.cut(item, modality.default).values_NF, kept)


@pytest.mark.parametrize("name", MODALITIES)
@pytest.mark.parametrize("junk", [b"", b"hello, this is text\n" * 50, bytes(1000), b"\xff" * 1000])
def test_junk_is_refused_in_one_line_that_names_the_file(name, junk, tmp_path):
    modality = MODALITIES[name]
    path = tmp_path / f"junk{modality.suffix}"
    path.write_bytes(junk)
    with pytest.raises(ValueError) as error:
        modality.read(path, modality.default)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    with pytest.raises(ValueError):
        modality.read(junk, modality.default)
    with pytest.raises(ValueError, match="no such file"):
        modality.read(tmp_path / "absent", modality.default)


@pytest.mark.parametrize(("name", "library"), [("image", "PIL"), ("audio", "soundfile"), ("audio", "soxr"), ("video", "av")])
def test_a_missing_library_names_the_extra(name, library, monkeypatch):
    modality = MODALITIES[name]
    data = modality.write(raw(name))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ValueError, match=r"pip install 'duomo\[media\]'"):
        modality.read(data, modality.default)


@pytest.mark.parametrize("name", MODALITIES)
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_damage_is_refused_or_read_never_worse(name, data):
    modality = MODALITIES[name]
    damaged = bytearray(modality.write(raw(name)))
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(0, len(damaged))) :]
    try:
        patches = modality.cut(modality.read(bytes(damaged), modality.default), modality.default)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert patches.values_NF.isfinite().all() and patches.tokens > 0


@given(st.data())
def test_tile_puts_every_number_once(data):
    axes = data.draw(st.integers(1, 3))
    sides = [data.draw(st.integers(1, 6)) for _ in range(axes)]
    hop = tuple(data.draw(st.integers(1, 4)) for _ in range(axes))
    features = data.draw(st.integers(1, 3))
    units = np.arange(math.prod(sides) * features, dtype=np.float32).reshape(*sides, features)
    recipe = CutRecipe(size=tuple(sides), hop=hop, merge=(2,) * axes, features=features)
    patches = tile(units, recipe, -1.0)
    for values, coords in zip(patches.values_NF.numpy(), patches.coords_NA.tolist(), strict=True):
        inside = units[tuple(slice(at * step, (at + 1) * step) for at, step in zip(coords, hop, strict=True))]
        block = np.full((*hop, features), -1.0, np.float32)
        block[tuple(map(slice, inside.shape))] = inside
        assert np.array_equal(values, block.reshape(-1))
    grid = [math.ceil(side / step) for side, step in zip(sides, hop, strict=True)]
    assert len(patches.values_NF) == math.prod(grid)
    assert patches.tokens == math.prod(math.ceil(side / 2) for side in grid)


@given(st.integers(1, 500), st.integers(0, 5))
def test_tokens_are_what_strides_of_two_leave(side, times):
    left = side
    for _ in range(times):
        left = -(-left // 2)
    assert token_count((side,), (2**times,)) == left
