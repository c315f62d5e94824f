"""LoRA: low-rank adapters beside frozen maps, by peft (Hu et al., "LoRA", 2021). The product of an adapter's two maps is its change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from duomo.recipe import AdaptRecipe

WHERE = r"(encoder|decoder)\.blocks\.\d+\.\w+\.({})"


def lora(model: nn.Module, recipe: AdaptRecipe) -> nn.Module:
    """The same model with adapters in it, which do nothing yet; only they, and the parts of `recipe.train`, are trained.

    The first map of each is drawn from torch's generator, the second is zero. Raises ValueError for a part that the model does
    not have, and where no map is a target.
    """
    model.requires_grad_(False)
    if recipe.rank:
        _inject(model, recipe)
    for part in recipe.train:
        _trained(model, part)
    return model


def merge(model: nn.Module) -> dict[str, Tensor]:
    """Adds every adapter to its map, in place: fewer kernels, the same logits but for rounding. Gives what `unmerge` wants."""
    kept = {}
    for name, layer in _layers(model):
        kept[name] = layer.base_layer.weight.detach().clone()
        layer.merge()
    return kept


def unmerge(model: nn.Module, kept: Mapping[str, Tensor]) -> None:
    """Takes the adapters out again: the maps are bit for bit what they were, for they are put back, not computed."""
    for name, layer in _layers(model):
        layer.unmerge()
        layer.base_layer.weight.data.copy_(kept[name])


@contextmanager
def merged(model: nn.Module) -> Iterator[nn.Module]:
    """The model with its adapters merged, for as long as the block lasts."""
    kept = merge(model)
    try:
        yield model
    finally:
        unmerge(model, kept)


@contextmanager
def without(model: nn.Module) -> Iterator[nn.Module]:
    """The model without its adapters, answering as its base does, for as long as the block lasts."""
    training = model.training
    model.eval()
    for _, layer in _layers(model):
        layer.enable_adapters(False)
    try:
        yield model
    finally:
        for _, layer in _layers(model):
            layer.enable_adapters(True)
        model.train(training)


def _inject(model: nn.Module, recipe: AdaptRecipe) -> None:
    peft = _library()
    targets = WHERE.format("|".join(recipe.targets))
    config = peft.LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules=targets)
    try:
        peft.inject_adapter_in_model(config, model)
    except ValueError as error:
        raise ValueError(f"adapt.targets: the model has none of {', '.join(recipe.targets)}") from error


def _trained(model: nn.Module, part: str) -> None:
    found = [p for name, p in model.named_parameters() if name == part or name.startswith(f"{part}.")]
    if not found:
        known = ", ".join(name for name, _ in model.named_children())
        raise ValueError(f"adapt.train: the model has no part {part!r}; a part is named as senses.image.project, and begins with {known}")
    for parameter in found:
        parameter.requires_grad_(True)


def _layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    lora_layer = _library().tuners.lora.LoraLayer
    return ((name, module) for name, module in model.named_modules() if isinstance(module, lora_layer))


def _library() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ImportError("adapters need peft: pip install 'duomo[adapt]'", name="peft") from error
    return peft
