import io

import numpy as np
import pytest
from rich.console import Console

from duomo.data.preview import assemble, blocks, picture, preview, tokens
from duomo.data.render import Rendered
from duomo.modalities import MODALITIES
from duomo.modalities.image import to_png
from duomo.modalities.modality import tile
from duomo.recipe import CutRecipe

NAMES = ["<|user|>", "<|image|>", "what", " is\n", "cat", "<|end|>"]


def printed(what: object, colour: bool = False) -> str:
    console = Console(width=120, file=io.StringIO(), force_terminal=colour, color_system="truecolor" if colour else None)
    console.print(what)
    return console.file.getvalue()


@pytest.mark.parametrize("hop, shape", [((2,), (6,)), ((2, 3), (4, 9)), ((2, 1, 2), (4, 3, 6))])
def test_assembling_undoes_the_cut(hop, shape):
    recipe = CutRecipe(size=shape, hop=hop, merge=(1,) * len(hop), features=2)
    units = np.random.default_rng(0).random((*shape, 2), np.float32)
    assert np.array_equal(assemble(tile(units, recipe, 0.0), recipe), units)


def test_tokens_show_what_is_learned():
    item = Rendered([0, 1, 1, 1, 2, 3, 4, 5], [False] * 6 + [True] * 2)
    line = tokens(item, NAMES.__getitem__)
    assert line.plain == "<|user|>·<|image|> x 3·what· is↵\n·cat·<|end|>·"
    learned = [line.plain[s.start : s.end] for s in line.spans if "green" in str(s.style)]
    assert learned == ["cat", "<|end|>"]


def test_a_picture_is_drawn_in_half_blocks():
    drawn = np.zeros((4, 2, 3))
    drawn[0, 0] = 1
    text = blocks(drawn)
    assert text.plain == "▀▀\n▀▀\n"
    assert str(text.spans[0].style) == "rgb(255,255,255) on rgb(0,0,0)"
    assert max(map(len, blocks(np.zeros((300, 500, 1))).plain.splitlines())) <= 64


def test_each_modality_is_shown(tmp_path):
    ones = {"image": to_png(np.arange(64, dtype=np.uint8).reshape(8, 8, 1).repeat(3, 2))}
    for kind, modality in MODALITIES.items():
        if kind not in ones:
            continue
        patches = modality.cut(modality.read(ones[kind], modality.default), modality.default)
        shown = printed(preview(Rendered([1], [False], [(kind, patches)]), NAMES.__getitem__, {kind: modality.default}))
        assert f"{kind}: " in shown and "▀" in shown


@pytest.mark.parametrize(
    "hop, shape, drawn", [((1,), (50,), (80, 50, 1)), ((1, 1), (6, 4), (6, 4, 80)), ((1, 2, 2), (9, 6, 4), (6, 16, 80))]
)
def test_sound_is_a_spectrum_and_film_some_frames(hop, shape, drawn):
    recipe = CutRecipe(size=shape, hop=hop, merge=(1,) * len(hop), features=80)
    units = np.random.default_rng(0).random((*shape, 80), np.float32)
    image = picture(tile(units, recipe, 0.0), recipe)
    assert image.shape == drawn and image.min() == 0 and image.max() == 1
