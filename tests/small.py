"""Small real things that tests share: a tokenizer, a file of every modality, samples, recipes, models."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from duomo.data.render import Rendered, render
from duomo.modalities import MODALITIES
from duomo.modalities.video import Clip
from duomo.model import Model
from duomo.recipe import BlockRecipe, CutRecipe, ModelRecipe, SenseRecipe, Shape
from duomo.sample import Part, Sample, ask, text
from duomo.tokenizer import Tokenizer

SENTENCES = ("I love to read books.", "which letter is it?", "我喜欢看书。", "这是什么？", "the cat sat on the mat", "窗前明月光")
LETTERS = "abcdefgh"
KINDS = ("text", "image", "audio", "video")
CUTS = {
    "image": CutRecipe(size=(8, 8), hop=(1, 1), merge=(4, 4), features=1),
    "audio": CutRecipe(size=(64,), hop=(1,), merge=(8,), features=20, rate=100),
    "video": CutRecipe(size=(4, 8, 8), hop=(1, 2, 2), merge=(2, 2, 2), features=1, rate=4),
}
STRIDES: dict[str, tuple[tuple[int, ...], ...]] = {"image": ((2, 2), (2, 2)), "audio": ((2,), (4,)), "video": ((1, 2, 2), (2, 1, 1))}


@lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    """400 ids, longer words in both languages among them."""
    return Tokenizer.learn(SENTENCES, 400, media=list(MODALITIES))


@lru_cache(maxsize=64)
def media(kind: str, number: int) -> bytes:
    """A file of this kind; files of different numbers differ in content, sounds and clips in length too."""
    random = np.random.default_rng(number)
    if kind == "image":
        return MODALITIES[kind].write(random.integers(0, 256, (8, 4 + 4 * (number % 2)), dtype=np.uint8))
    if kind == "audio":
        seconds = np.arange(int(16_000 * (0.15 + 0.03 * number))) / 16_000
        return MODALITIES[kind].write(np.sin(2 * np.pi * 250 * (number + 1) * seconds).astype(np.float32) / 2)
    length = 2 + number % 3
    blocks = random.integers(0, 2, (length, 4, 4, 1), dtype=np.uint8) * 255
    frames = blocks.repeat(4, 1).repeat(4, 2).repeat(3, 3)
    return MODALITIES[kind].write(Clip(frames, np.arange(length) / 4))


def question(kind: str, number: int, answer: str | None = None) -> Sample:
    """Which letter? The answer's number is in the input only."""
    shown = text(f"{SENTENCES[number % len(SENTENCES)]} {number}") if kind == "text" else Part(kind, media(kind, number))
    return ask(shown, "which letter?", answer=LETTERS[number % len(LETTERS)] if answer is None else answer)


def dialogue(kind: str = "image") -> Sample:
    """Two turns of the assistant, each after a picture (or another medium) of its own."""
    first, second = question(kind, 1, "one"), question(kind, 2, "two")
    return Sample(first.messages + second.messages)


def rendered(sample: Sample, answer: bool = True) -> Rendered:
    """The sample as the model reads it."""
    return render(sample, tokenizer(), CUTS, Path(), answer)


def mixed(kinds: Iterable[str] = KINDS, count: int = 8) -> list[Rendered]:
    """Rendered questions of all kinds, of many lengths."""
    kinds = list(kinds)
    return [rendered(question(kinds[n % len(kinds)], n, answer=SENTENCES[n % len(SENTENCES)][: 3 + n])) for n in range(count)]


def model_recipe(
    shape: Shape = "decoder", senses: Sequence[str] = tuple(CUTS), depth: int = 2, block: BlockRecipe | None = None
) -> ModelRecipe:
    """A model of a few ten thousand parameters with convolutional senses."""
    inner = BlockRecipe(dim=16, heads=2, position="none")
    made = {name: SenseRecipe(cut=CUTS[name], channels=(8, 16), strides=STRIDES[name], depth=1, block=inner) for name in senses}
    depths = {"encoder_depth": 0 if shape == "decoder" else depth, "decoder_depth": 0 if shape == "encoder" else depth}
    block = block or BlockRecipe(dim=32, heads=4, kv_heads=2)
    return ModelRecipe(shape=shape, vocab_size=400, block=block, senses=made, max_positions=256, **depths)


def model(recipe: ModelRecipe, seed: int = 0) -> Model:
    """A model with the weights of this seed, in evaluation mode."""
    torch.manual_seed(seed)
    return Model(recipe, tokenizer().placeholders(MODALITIES)).eval()


def redrawn(module: nn.Module, seed: int = 0) -> nn.Module:
    """The same module with every parameter drawn anew, so large that each of them matters to the output."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            if parameter.ndim > 1:
                parameter.copy_(noise * (0.2 if name.endswith("tokens.weight") else parameter[0].numel() ** -0.5))
            else:
                parameter.copy_(0.3 * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0))
    return module
