"""duomo import | export: open weights in, open formats out. An export stands only if it computes what the model computes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from duomo.commands import adapters as adapting
from duomo.commands.fetch import MODELS
from duomo.commands.lineage import learned
from duomo.commands.models import keep, open_model, outside_of
from duomo.commands.resolve import nearest
from duomo.data.lineage import NAME, Lineage
from duomo.disk import whole_file, whole_folder
from duomo.interchange import FORMATS, Format, Outside, adapters, huggingface, read
from duomo.interchange.agree import difference, outputs, probes
from duomo.interchange.assemble import card_of, model_of
from duomo.model import Model
from duomo.report import Report


def bring(source: str, name: str, cache: Path, base: str | None = None) -> Report:
    """Keeps an outside model as `cache/models/NAME`; `source` is a file, a folder, or a hub's name (as ORGANISATION/MODEL).

    Of adapters `base` is the model that they were trained on. Raises ValueError for a name that is taken, and as the format's reader does.
    """
    target, path = cache / MODELS / name, Path(source)
    if not name or Path(name).name != name or name.startswith("."):
        raise ValueError(f"{name!r}: is no name for a model; use letters, digits, dots and dashes")
    if target.exists():
        raise ValueError(f"{target}: there is a model of this name already; choose another name, or delete it")
    if adapters.known(path):
        return adapting.bring(path, target, base)
    if path.exists():
        return _kept(read(path), target)
    if source.count("/") != 1 or source.startswith((".", "/")):
        raise ValueError(f"{source}: no such file or folder, and no name of a hub's model (ORGANISATION/MODEL)")
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache, prefix=".hub-") as folder:
        return _kept(read(huggingface.fetch(source, Path(folder) / Path(source).name)), target)


def send(model: str, to: str, out: Path | None = None, formats: Mapping[str, Format] = FORMATS) -> Report:
    """Writes a model in an outside format, reads it again, and keeps it only if both compute the same.

    `out`: by default `NAME-FORMAT`, where the command is run. Raises ValueError for a format that is not written, for a
    model that it can not hold, for a place that is taken, and for a disagreement.
    """
    writers = {name: format for name, format in formats.items() if format.write is not None}
    if to == adapters.NAME:
        return adapting.send(model, out)
    if to not in writers:
        raise ValueError(f"no format {to!r} to export to{nearest(to, [*writers, adapters.NAME])}")
    format, run = writers[to], open_model(model)
    target = out or Path(f"{run.recipe.name}-{to}{format.suffix}")
    if target.exists():
        raise ValueError(f"{target}: is there already; name another place")
    lineage = learned(run.folder) if (run.folder / NAME).is_file() else ()
    licences = sorted({p.licence for one in lineage for p in one.provenance if p.licence})
    outside = outside_of(run, card_of(run.folder))
    with _whole(format)(target) as made:
        found = _written(format, outside, run.model, made)
    lines = [f"{target}: {format.title}; logits agree within {found['again']:.1e} of their deviation (allowed: {format.tolerance:.0e})"]
    lines += [f"  read by the program that it is made for: within {found['peer']:.1e}"] if "peer" in found else []
    lines += [f"  licences of what it learned from: {', '.join(licences)}"] if licences else []
    return Report(f"export {target}", facts={"to": to, "agreement": found, "licences": licences}, lines=(*lines, *_warnings(lineage)))


def _kept(outside: Outside, target: Path) -> Report:
    keep(outside, target)
    recipe, card = outside.model, outside.card
    depth = "+".join(str(depth) for depth in (recipe.encoder_depth, recipe.decoder_depth) if depth)
    alone = " and ".join(f"sense {name} of {sense.depth} layers" for name, sense in recipe.senses.items())
    what = f"{recipe.shape} of {depth} layers" if depth else alone
    lines = (
        f"{target}: {card.title}; {what}, width {recipe.block.dim}, {recipe.vocab_size:,} tokens",
        f"  licence: {card.licence or 'not stated: ask its maker before you pass it on'}",
        f"  languages: {', '.join(card.languages) or 'not stated'}; conversations are written as {outside.chat}",
        *([f"  {card.note}"] if card.note else []),
    )
    return Report(
        f"import {target}", facts={"card": asdict(card), "chat": outside.chat, "model": recipe.model_dump(mode="json")}, lines=lines
    )


def _whole(format: Format) -> Callable[[Path], AbstractContextManager[Path]]:
    return whole_file if format.suffix else whole_folder


def _written(format: Format, outside: Outside, model: Model, made: Path) -> dict[str, float]:
    """How far what was written is from the model, in deviations of its logits. Raises ValueError where that is too far."""
    assert format.write is not None
    format.write(outside, made)
    rows = probes(outside.model)
    wanted = outputs(model.cpu(), rows)
    found = {"again": difference(wanted, outputs(model_of(format.read(made)), rows))}
    said = format.peer(made, rows) if format.peer else None
    found |= {} if said is None else {"peer": difference(wanted, said)}
    for who, far in found.items():
        if not far <= format.tolerance:
            told = "read again" if who == "again" else "read by the program that it is made for"
            raise ValueError(f"{format.title}: {told}, its logits differ by {far:.1e} of their deviation, more than {format.tolerance:.0e}")
    return found


def _warnings(lineage: tuple[Lineage, ...]) -> Iterator[str]:
    shared = {(p.source, p.licence) for one in lineage for p in one.provenance if p.share_alike}
    for source, licence in sorted(shared):
        yield f"  {source} ({licence}) is share-alike: what you publish of this model may have to carry the same terms"
