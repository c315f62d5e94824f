"""Begin: what a run starts from. Senses of other models, word vectors, weights of another model, and adapters on them."""

from pathlib import Path

from duomo import checkpoint
from duomo.commands.resolve import resolve_model
from duomo.compress.lora import lora
from duomo.model import Model
from duomo.recipe import BlockRecipe, Part, Recipe, SenseRecipe
from duomo.tokenizer import Tokenizer
from duomo.train.embeddings import take_words

FREE = ("senses", "vocab_size", "max_positions")  # of a model: what another may have more of
ITS_OWN = ("cut", "join", "project", "frozen", "start_from")  # of a sense: in these it may differ from the one that it starts from
PROJECTOR = "project."


def begin(model: Model, recipe: Recipe, folder: Path, tokenizer: Tokenizer | None = None) -> checkpoint.Base | None:
    """Puts other models' weights into the model, then adapters where the recipe wants them; these have a base.

    A sense is taken from its own `start_from`, all else, and any sense that it has, from `train.start_from`, or the vectors of the
    tokenizer's words from `train.embeddings`. Raises ValueError where weights are not there, or do not fit.
    """
    if recipe.train.embeddings and recipe.train.start_from:
        raise ValueError("train.embeddings would undo what train.start_from has learned of words; leave one of them out")
    for name, sense in recipe.model.senses.items():
        if sense.start_from:
            _take_sense(model, name, sense)
    if recipe.train.embeddings and tokenizer:
        take_words(model, tokenizer, recipe.train.embeddings)
    if recipe.train.start_from is None:
        return None
    run = checkpoint.open_run(resolve_model(recipe.train.start_from))
    _refuse_other(recipe.model, run.recipe.model, FREE, f"train.start_from: {run.folder}")
    for name, sense in run.recipe.model.senses.items():
        if name in recipe.model.senses:
            where = f"train.start_from: {run.folder}: sense {name}"
            _refuse_other(recipe.model.senses[name], sense, ("frozen", "start_from"), where)
    checkpoint.take(model, run, some=recipe.adapt is not None)
    if recipe.adapt is None:
        return None
    theirs = checkpoint.weights(run.model).keys()
    lora(model, recipe.adapt)
    held = checkpoint.weights(model)
    trained = {name for name, p in zip(held, model.state_dict(keep_vars=True).values(), strict=True) if p.requires_grad}
    scale = recipe.adapt.share * recipe.adapt.alpha / max(recipe.adapt.rank, 1)
    return checkpoint.base_of(run.folder, folder, scale, trained | (held.keys() - theirs))


def _take_sense(model: Model, name: str, sense: SenseRecipe) -> None:
    run = checkpoint.open_run(resolve_model(sense.start_from))
    where, theirs = f"model.senses.{name}.start_from: {run.folder}", run.recipe.model.senses
    if name not in theirs:
        raise ValueError(f"{where}: has no sense {name!r}; it has: {', '.join(theirs) or 'none'}")
    _refuse_other(sense, theirs[name], ITS_OWN, where)
    whole = checkpoint.weights(run.model.senses[name])
    held = {tensor: value for tensor, value in whole.items() if not tensor.startswith(PROJECTOR)}
    try:
        lacking = model.senses[name].load_state_dict(held, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{where}: does not fit ({' '.join(str(error).split())[:200]})") from error
    assert all(tensor.startswith(PROJECTOR) for tensor in lacking.missing_keys) and not lacking.unexpected_keys


def _refuse_other(ours: Part, theirs: Part, free: tuple[str, ...], where: str) -> None:
    """Raises ValueError, naming the first key, where the two do not compute the same; in the `free` keys they may differ."""
    told = [{**one.model_dump(exclude={*free, "block"}), **_spelt(one.block)} for one in (ours, theirs)]  # type: ignore[attr-defined]
    for key, value in told[0].items():
        if value != told[1][key]:
            raise ValueError(f"{where}: there {key} is {told[1][key]}, here {value}; make them the same")


def _spelt(block: BlockRecipe) -> dict[str, object]:
    """What a block computes, by key, with the defaults spelt out."""
    spelt = block.model_dump(exclude={"dropout"})
    spelt |= {"kv_heads": block.kv_heads or block.heads, "head_dim": block.head_width, "ff_dim": block.ff_width}
    spelt |= {"bias": sorted(block.bias)} | ({} if block.position == "rotary" else {"theta": None})
    return {f"block.{key}": value for key, value in spelt.items()}
