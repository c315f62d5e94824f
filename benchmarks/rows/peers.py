"""Peers: the same weights in every program's own form."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from contest import Differ
from torch import Tensor

from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate.sampling import Sampling
from duomo.generate.tokens import generate
from duomo.interchange import FORMATS, Card, Outside
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe
from duomo.tokenizer import Tokenizer

SMALL = BlockRecipe(dim=256, heads=8, ff_dim=688)
NEVER = -1  # no token ends an answer
TOLERANCE = 1e-3  # of logits, in standard deviations


def ten_million(vocab_size: int = 8192) -> ModelRecipe:
    """The Llama-shaped decoder of the table: 10.5 million numbers where the vocabulary is 8,192."""
    return ModelRecipe(vocab_size=vocab_size, decoder_depth=8, block=SMALL, tied=False, max_positions=1024)


def drawn(recipe: ModelRecipe, seed: int = 0) -> Model:
    """A model whose logits have a deviation of about 1, so that its likeliest tokens are no ties."""
    torch.manual_seed(seed)
    model = Model(recipe, {})
    table = model.tokens.weight if model.head is None else model.head.weight
    torch.nn.init.normal_(table, std=recipe.block.dim**-0.5)
    return model


def words(size: int = 8192) -> Tokenizer:
    """A tokenizer for exports of models that are only timed: few words, ids that no text reaches filled up."""
    tokenizer = Tokenizer.learn(["the sea and the clock"], 400)
    tokenizer.inner.add_tokens([f"<{number}>" for number in range(size - tokenizer.vocab_size)])
    return tokenizer


def outside(model: Model, tokenizer: Tokenizer, chat: str = "duomo") -> Outside:
    """The model on its way to a peer."""
    return Outside(model.recipe, dict(model.state_dict()), tokenizer, chat, Card("benchmark"))


def exported(model: Outside, to: str, path: Path) -> Path:
    """Its file or folder in an outside format; written once a run."""
    write = FORMATS[to].write
    if write is None:
        raise ValueError(f"{to} is read, never written")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(model, path)
    return path


def transformers_model(folder: Path, **more: Any) -> Any:
    """The export, opened by transformers in float32."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **more).eval()


def same(name: str, ours: Tensor, theirs: Tensor, tolerance: float = TOLERANCE) -> str:
    """A line that says how near two programs are. Raises Differ where that is not near enough."""
    apart = float((ours.double() - theirs.double()).abs().max() / ours.double().std().clamp(min=1e-9))
    if not apart <= tolerance:
        raise Differ(f"{name}: differs by {apart:.2g} standard deviations, {tolerance:g} are allowed")
    return f"{name} within {apart:.1e} deviations"


def same_ids(name: str, ours: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]]) -> str:
    """A line that says that the tokens are equal. Raises Differ where they are not."""
    for row, (mine, their) in enumerate(zip(ours, theirs, strict=True)):
        if list(mine) != list(their):
            at = next((i for i, (a, b) in enumerate(zip(mine, their, strict=False)) if a != b), min(len(mine), len(their)))
            raise Differ(f"{name}: row {row} differs from token {at} on, of {len(mine)}")
    return f"{name}: {sum(map(len, ours)):,} tokens equal"


def random_ids(rows: int, length: int, vocab_size: int, seed: int = 1, first: int = 300) -> list[list[int]]:
    """Prompts of ids that are no control tokens."""
    random = torch.Generator().manual_seed(seed)
    return torch.randint(first, vocab_size, (rows, length), generator=random).tolist()


def say(model: Model, prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """The likeliest `count` tokens after each prompt, as Duomo finds them."""
    batch = prompt([Rendered(list(ids), [False] * len(ids), turn=len(ids)) for ids in prompts], model.recipe.shape)
    return torch.stack(list(generate(model, batch, Sampling(max_tokens=count), NEVER)), 1).tolist()
