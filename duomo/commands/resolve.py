"""Names into paths: what a user calls a recipe, and what a user calls a model."""

import difflib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

RECIPE = "recipe.json"  # of a run
REPORT = "report.json"
YAML = (".yaml", ".yml")
MODEL_FILES = (RECIPE, "config.json", "checkpoints", "model.safetensors")  # any of them: a run or a Hugging Face folder


def resolve_recipe(name: str, runs: str | Path = "runs") -> Path:
    """The file of a recipe: a path, or the name of one that ships with Duomo (`tiny`, `recipes/tiny.yaml`, `four-senses`), or a run's.

    Raises ValueError with the nearest name.
    """
    path = Path(name)
    for file in (path, path / RECIPE):  # a run holds the recipe that made it
        if file.is_file():
            return file
    known = {_plain(file.stem): file for folder in (recipe_folder(), Path("recipes")) for file in sorted(folder.glob("*.yaml"))}
    shipped = path.parent.name in ("", "recipes") and path.suffix in ("", *YAML)
    if shipped and _plain(path.stem) in known:
        return known[_plain(path.stem)]
    trained = Path(runs) / name / RECIPE
    if trained.is_file():
        return trained
    raise ValueError(f"{name}: no such recipe{_hint(_plain(path.stem), sorted(known))}")


def is_recipe(name: str) -> bool:
    """Whether a name means a recipe, and not a data set: a YAML file, a run, or a word that is no file's name."""
    path = Path(name)
    if path.exists():
        return path.suffix in YAML or path.name == RECIPE or (path / RECIPE).is_file()
    return path.suffix in ("", *YAML)


def resolve_report(name: str) -> Path:
    """A report, or the folder of one, which a benchmark writes without a model; else as `resolve_model`."""
    for path in (Path(name), Path("runs") / name):
        if path.is_file() or (path / REPORT).is_file():
            return path
    return resolve_model(name)


def resolve_model(name: str | Path, runs: str | Path = "runs", cache: str | Path = "cache") -> Path:
    """The folder of a model: itself a run or a Hugging Face folder, a run's name, or a fetched name; or an outside file.

    Raises ValueError with the nearest name, or with the mend where a folder holds no model.
    """
    if Path(name).is_file():  # of another program; `commands.models` tells whether it holds a model
        return Path(name)
    folders = [place for place in _places(name, runs, cache) if place.is_dir()]
    found = place_of(name, runs, cache)
    if found:
        return found
    if folders:
        raise ValueError(f"{folders[0]}: holds no model (none of {', '.join(MODEL_FILES)}); train one there, or name another folder")
    known = [str(folder) for shelf in (Path(runs), Path(cache) / "models") for folder in sorted(shelf.glob("*")) if is_model(folder)]
    mend = _hint(str(name), known, short={Path(folder).name: folder for folder in known})
    raise ValueError(f"{name}: no such model{mend or '; train one first, as with `duomo demo`'}")


def place_of(name: str | Path, runs: str | Path = "runs", cache: str | Path = "cache") -> Path | None:
    """The folder of a model as `resolve_model` finds it; None where there is none."""
    return next((place for place in _places(name, runs, cache) if is_model(place)), None)


def is_model(folder: Path) -> bool:
    """Whether a folder looks like a run or a Hugging Face model."""
    return any((folder / name).exists() for name in MODEL_FILES)


def recipe_folder() -> Path:
    """Where the recipes lie: inside the installed package, or beside it in a checkout."""
    package = Path(str(resources.files("duomo")))
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or all that is known where nothing is near."""
    return _hint(name, list(known))


def _places(name: str | Path, runs: str | Path, cache: str | Path) -> tuple[Path, ...]:
    return Path(name), Path(runs) / name, Path(cache) / "models" / name


def _plain(name: str) -> str:
    return name.replace("_", "-").lower()


def _hint(name: str, known: list[str], short: dict[str, str] | None = None) -> str:
    short = {word: word for word in known} | (short or {})
    close = difflib.get_close_matches(name, short, 1, 0.5)
    return f"; did you mean {short[close[0]]!r}?" if close else f"; known: {', '.join(known)}" if known else ""
