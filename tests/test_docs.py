"""The manual says what the code is: every key, verb, format, package and option is named, in both languages, and links lead somewhere."""

import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.core import TyperGroup
from typer.main import get_command

from duomo import recipe as recipes
from duomo.cli import app
from duomo.data.read import formats
from duomo.modalities import MODALITIES
from duomo.model import Model
from duomo.objectives import OBJECTIVES
from duomo.sources import SOURCES
from duomo.tasks import TASKS
from tests import test_article, test_extend

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "docs", ROOT / "docs" / "zh")
READMES = (ROOT / "README.md", ROOT / "README.zh.md")
PARTS: dict[str, type[BaseModel]] = {
    "": recipes.Recipe,
    "model": recipes.ModelRecipe,
    "model.block": recipes.BlockRecipe,
    "model.block.scaling": recipes.RopeScaling,
    "model.senses.NAME": recipes.SenseRecipe,
    "model.senses.NAME.cut": recipes.CutRecipe,
    "tokenizer": recipes.TokenizerRecipe,
    "data": recipes.DataRecipe,
    "data.files[]": recipes.FileData,
    "data.clean": recipes.CleanRecipe,
    "train": recipes.TrainRecipe,
    "train.rollouts": recipes.RolloutRecipe,
    "train.embeddings": recipes.EmbeddingsRecipe,
    "adapt": recipes.AdaptRecipe,
    "evaluate": recipes.EvaluateRecipe,
}
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
both = pytest.mark.parametrize("folder", FOLDERS, ids=["en", "zh"])


def pages() -> list[Path]:
    return [*READMES, *(page for folder in FOLDERS for page in sorted(folder.glob("*.md")))]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """The body of each second heading, by what stands in its backticks; the first without any is ""."""
    found: dict[str, str] = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        found.setdefault(title.strip("`") if title.startswith("`") else "", body)
    return found


def shown(default: Any) -> str:
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def verbs(group: TyperGroup, before: str = "duomo") -> Iterator[str]:
    for name, command in group.commands.items():
        yield from verbs(command, f"{before} {name}") if isinstance(command, TyperGroup) else [f"{before} {name}"]


@both
@pytest.mark.parametrize("path", PARTS, ids=lambda path: path or "top")
def test_every_key_of_a_recipe_stands_with_its_default(folder, path):
    rows = dict(ROW.findall(sections(read(folder / "recipes.md"))[path]))
    fields = PARTS[path].model_fields
    assert list(rows) == list(fields)
    for name, field in fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if not field.is_required() and not isinstance(default, BaseModel):
            assert rows[name] == shown(default), f"{path}.{name}"


def test_the_table_of_parts_is_complete():
    kinds = {kind for _, kind in inspect.getmembers(recipes, inspect.isclass) if issubclass(kind, recipes.Part)}
    assert kinds - {recipes.Part} == set(PARTS.values())


@both
def test_every_task_stands_with_its_options(folder):
    rows = dict(ROW.findall(sections(read(folder / "recipes.md"))["data.options"]))
    assert list(rows) == list(TASKS)
    for name, made in TASKS.items():
        options = inspect.signature(made).parameters.items()
        assert rows[name] == ", ".join(shown(p.default).replace("`", f"`{key}: ", 1) for key, p in options)


@both
def test_every_objective_stands_with_its_options(folder):
    rows = dict(ROW.findall(sections(read(folder / "recipes.md"))["train.options"]))
    assert list(rows) == list(OBJECTIVES)
    for name, kind in OBJECTIVES.items():
        options = [*inspect.signature(kind.make).parameters.items()][1:]
        assert rows[name] == ", ".join(shown(p.default).replace("`", f"`{key}: ", 1) for key, p in options)


@both
def test_every_verb_has_its_heading(folder):
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    headings = re.findall(r"^### `(.*)`$", read(folder / "commands.md"), re.MULTILINE)
    assert set(headings) == set(verbs(group))


@both
def test_every_format_has_its_heading(folder):
    text = read(folder / "data.md")
    named = {name for line in re.findall(r"^### (.*)$", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)}
    assert set(formats()) <= named | set(re.findall(r"`format: (\w+)`", text))


@both
def test_every_package_has_its_line(folder):
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    lines = read(folder / "dependencies.md").splitlines()
    for package in (re.split(r"[\[<>=]", one)[0] for one in wanted):
        assert package == "duomo" or any(re.match(rf"\| [^|]*\| {package}[ |]", line) for line in lines), package
    assert all(f"| `{extra}` |" in "\n".join(lines) for extra in project["optional-dependencies"])


@both
def test_every_fault_of_the_article_names_a_test(folder):
    named = set(re.findall(r"`(test_\w+)`", read(folder / "article.md")))
    assert named == {name for name in vars(test_article) if name.startswith("test_")}


@both
def test_what_extends_is_what_is_tested(folder):
    text = read(folder / "extend.md")
    assert all(code.strip() in text for code in (test_extend.MODALITY, test_extend.SOURCE, test_extend.TASK))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_recipe_that_is_shown_is_one(page):
    for block in re.findall(r"^```yaml\n(.*?)^```", read(page), re.MULTILINE | re.DOTALL):
        tree = yaml.safe_load(block)
        tree = {"data": {"files": tree}} if isinstance(tree, list) else {"model": tree} if "senses" in tree else tree
        tree = {"name": "shown"} | tree | {"model": {"decoder_depth": 1} | tree.get("model", {})}
        made = recipes.parse(tree, page.name)
        if set(made.model.senses) <= set(MODALITIES):
            assert set(Model(made.model, {name: 1 for name in MODALITIES}).senses) == set(made.model.senses)


@pytest.mark.parametrize("readme", READMES, ids=["en", "zh"])
def test_every_source_stands_with_its_licence(readme):
    rows = dict(re.findall(r"^\| `([\w.-]+)` \| [^|]* \| ([^|]*) \|$", read(readme), re.MULTILINE))
    assert set(rows) == set(SOURCES)
    for name, source in SOURCES.items():
        assert source.licence in rows[name], name


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for link in LINK.findall(read(page)):
        path = link.partition("#")[0]
        assert "://" in link or not path or (page.parent / path).exists(), link


def test_the_languages_have_the_same_pages_of_the_same_build():
    english, chinese = ({page.name: page for page in folder.glob("*.md")} for folder in FOLDERS)
    assert english.keys() == chinese.keys()
    for pair in (READMES, *((english[name], chinese[name]) for name in english)):
        levels, fences = zip(*((re.findall(r"^#+(?= )", bare(page), re.MULTILINE), read(page).count("```")) for page in pair), strict=True)
        assert levels[0] == levels[1] and fences[0] == fences[1], pair[0].name


def bare(page: Path) -> str:
    """The text without its blocks of code, whose comments look like headings."""
    return re.sub(r"```.*?```", "", read(page), flags=re.DOTALL)
