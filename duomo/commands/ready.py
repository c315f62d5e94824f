"""duomo prepare RECIPE: all that training needs, made once and cached: prepared samples, a tokenizer, shards, a plan."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from duomo.commands.prepare import prepared
from duomo.commands.show import ticking
from duomo.data import tokenise
from duomo.data.collate import Mask, Masker, unmasked
from duomo.data.lineage import Lineage, licences
from duomo.data.load import Loader, fill_rate
from duomo.data.pack import plan
from duomo.data.pairs import TWO, PairPlan, Pairs
from duomo.data.prepare import Prepared
from duomo.data.shards import Items, Shards
from duomo.disk import whole_file
from duomo.model import cuts
from duomo.objectives import kind
from duomo.recipe import Recipe
from duomo.report import Report
from duomo.tokenizer import Tokenizer

LACK = {  # of a data set from which an objective has nothing to learn
    "pairs": "has a rejected answer, or choices, to learn a preference from",
    "halves": "has both something asked about and an answer that fit data.max_tokens",
}


@dataclass(frozen=True)
class Ready:
    """What a run reads. `names` are its data sets, in the order of the plan."""

    names: tuple[str, ...]
    prepared: Prepared
    tokenizer: Tokenizer
    tokenizer_path: Path
    train: dict[str, Items]
    valid: dict[str, Items]
    loader: Loader


def run(recipe: Recipe, workers: int | None = None) -> Report:
    """Prepares a recipe's data; the report counts what was read, kept and dropped."""
    ready = get_ready(recipe, workers)
    found, fill = ready.prepared, fill_rate(ready.loader.step(0))
    facts = {"folder": str(found.folder), "digest": found.folder.name, "licences": list(licences(found.lineage)), "fill_rate": fill}
    last = f"in {found.folder}; {fill:.1%} of a packed row is text or media, the rest padding"
    return Report(f"prepare {recipe.name}", facts=facts, lines=(*map(_line, found.lineage), last))


def get_ready(recipe: Recipe, workers: int | None = None) -> Ready:
    """Prepares what is missing, with progress bars; the second time it only looks.

    Raises ValueError where a data set has nothing to learn from.
    """
    found, shares = prepared(recipe, workers)
    path = tokenizer_path(recipe, found)
    tokenizer = Tokenizer.load(path, recipe.tokenizer.chat)
    if tokenizer.vocab_size > recipe.model.vocab_size:
        raise ValueError(f"{path}: {tokenizer.vocab_size} tokens, but model.vocab_size is {recipe.model.vocab_size}; raise it")
    stores = shards(recipe, found, tuple(shares), path, workers or os.cpu_count() or 1)
    empty = [name for name in shares if (name, "train") not in stores]
    if empty and reads_of(recipe) in LACK:
        raise ValueError(f"data set {empty[0]}: no training sample {LACK[reads_of(recipe)]}")
    if empty:
        raise ValueError(f"data set {empty[0]}: no training sample fits data.max_tokens={recipe.data.max_tokens}; raise it")
    train = {name: stores[name, "train"] for name in shares}
    valid = {name: stores[name, "valid"] for name in shares if (name, "valid") in stores}
    return Ready(tuple(shares), found, tokenizer, path, train, valid, loader(recipe, train, shares, tokenizer))


def tokenizer_path(recipe: Recipe, found: Prepared) -> Path:
    """The recipe's own tokenizer.json, or one learned from the training text; what is made here is kept by what it depends on."""
    if recipe.tokenizer.path:
        return _with_placeholders(recipe, Path(recipe.tokenizer.path))
    names = [lineage.name for lineage in found.lineage]
    key = f"{found.folder.name} {recipe.model.vocab_size} {recipe.tokenizer.bytes_per_language}"
    key += "" if recipe.tokenizer.unit == "word" else f" {recipe.tokenizer.unit}"
    return _made(recipe, key, lambda: tokenise.learn(found, names, recipe.tokenizer, recipe.model.vocab_size))


def _with_placeholders(recipe: Recipe, path: Path) -> Path:
    """The same file where it has what the recipe's senses want, else another one that has."""
    given, senses = Tokenizer.load(path, recipe.tokenizer.chat), list(recipe.model.senses)
    if {f"<|{name}|>" for name in senses} <= given.special.keys():
        return path
    return _made(recipe, f"{path.read_text(encoding='utf-8')} {senses}", lambda: given.seeing(senses))


def _made(recipe: Recipe, key: str, make: Callable[[], Tokenizer]) -> Path:
    path = Path(recipe.data.cache) / "tokenizers" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        with whole_file(path) as new:
            make().save(new)
    return path


def reads_of(recipe: Recipe) -> str:
    """What the recipe's objective learns from: samples, pairs, halves or rollouts."""
    return kind(recipe.train.objective).reads


def shards(recipe: Recipe, found: Prepared, names: tuple[str, ...], tokenizer: Path, workers: int) -> dict[tuple[str, str], Items]:
    """Shards of every data set's train and valid split."""
    sizes, limit, root, reads = cuts(recipe.model), recipe.data.max_tokens, Path(recipe.data.cache), reads_of(recipe)
    folder = root / "shards" / tokenise.digest(found, tokenizer, sizes, limit, reads)
    jobs = [
        tokenise.Job(found, name, split, tokenizer, recipe.tokenizer.chat, sizes, root, limit, folder / name / split, reads)
        for name in names
        for split in ("train", "valid")
    ]
    missing = [job for job in jobs if not job.done]
    if missing:
        with ticking("tokenise", len(missing)) as tick:
            tokenise.build(missing, workers, tick)
    made = {(job.data, job.split): Shards(job.target) for job in jobs if job.done}
    return {name: Pairs(one) if reads in TWO else one for name, one in made.items()}


def loader(recipe: Recipe, train: dict[str, Items], shares: dict[str, float], tokenizer: Tokenizer) -> Loader:
    """The recipe's plan over the shards."""
    data, encoder, reads = recipe.data, recipe.model.shape == "encoder", reads_of(recipe)
    lengths, pack = [shard.lengths for shard in train.values()], data.pack and reads == "samples"
    made = plan(recipe.seed, lengths, list(shares.values()), recipe.train.rows, data.row_tokens, pack)
    if reads in TWO:
        made = PairPlan(**vars(made))
    weights = [recipe.data.label_weights.get(name, 1.0) for name in train]
    first, last = len(tokenizer.special), tokenizer.vocab_size

    def mask(step: int) -> Mask:
        if reads == "halves":
            return unmasked
        return Masker(data.mask_share, tokenizer.special["<|mask|>"], last, (recipe.seed, step), first)

    masked = mask if encoder and (data.mask_words or reads == "halves") else None
    placeholder = tokenizer.placeholders(recipe.model.senses)
    together = 2 if reads in TWO else 1
    return Loader(made, list(train.values()), weights, recipe.model.shape, placeholder, recipe.train.micro_batches, masked, together)


def _line(one: Lineage) -> str:
    kept = ", ".join(f"{one.kept.get(split, 0):,} {split}" for split in ("train", "valid", "test"))
    lost = [f"{count:,} {reason}" for reason, count in one.dropped.items()]
    lost += [f"{one.quarantined:,} quarantined, the first: {one.faults[0]}"] if one.faults else []
    return f"{one.name}: {one.read:,} read; {kept}" + (f"; dropped {', '.join(lost)}" if lost else "")
