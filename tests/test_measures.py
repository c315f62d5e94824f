"""The measures of design section 10. Each has a planted fault that proves that it can fail."""

import ast
import graphlib
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.house import ROOT, imports, modules, parsed, plant

HEAVY = frozenset(
    "av soundfile soxr PIL pyarrow ftfy jieba snowballstemmer stopwordsiso py3langid rensa datasets huggingface_hub sacrebleu jiwer "
    "rouge_score sklearn scipy rdflib pycrfsuite pypdfium2 matplotlib tensorboard pandas transformers peft gradio".split()
)
PACKAGES = {  # imported by another name
    "pyyaml": "yaml", "pillow": "PIL", "scikit_learn": "sklearn", "python_crfsuite": "pycrfsuite", "llama_cpp_python": "llama_cpp",
}  # fmt: skip
SENSES = frozenset({"image", "audio", "video"})
FREE_OF_SENSES = frozenset({"modalities", "sources", "tasks", "recipes", "interchange"})
Measure = Callable[[Path], list[str]]


def cycles(root: Path) -> list[str]:
    """Modules that import themselves through others; one cycle at a time."""
    try:
        graphlib.TopologicalSorter(_graph(root)).prepare()
    except graphlib.CycleError as error:
        return [f"an import cycle: {' <- '.join(error.args[1])}"]
    return []


def deep_chains(root: Path, most: int = 9) -> list[str]:
    """More than nine imports in a row while one module is loaded. The door of a package, its `__init__`, is no step of its own.

    Nothing is found where a cycle makes chains endless: `cycles` finds that.
    """
    if cycles(root):
        return []
    known = modules(root)
    graph, chains = {name: imports(m, known, _at_once(m.tree.body)) & known.keys() for name, m in known.items()}, dict[str, list[str]]()
    for name in graphlib.TopologicalSorter(graph).static_order():  # what is imported comes first
        longest = max((chains[target] for target in sorted(graph[name])), key=len, default=[])
        chains[name] = longest if known[name].path.name == "__init__.py" else [name, *longest]
    chain = max(chains.values(), key=len, default=[])
    return [f"an import chain of {len(chain) - 1}: {' -> '.join(chain)}"] if len(chain) - 1 > most else []


def long_functions(root: Path, most: int = 40) -> list[str]:
    """Functions of more than forty lines, decorators not counted."""
    found = ((path, node) for path, tree in _files(root) for node in _functions(tree))
    return [f"{path}:{n.lineno} {n.name}: {_length(n)} lines, at most {most}" for path, n in found if _length(n) > most]


def long_files(root: Path, most: int = 400) -> list[str]:
    """Files of more than 400 lines."""
    lengths = ((path, len(path.read_text(encoding="utf-8").splitlines())) for path, _ in _files(root))
    return [f"{path}: {length} lines, at most {most}" for path, length in lengths if length > most]


def wide_signatures(root: Path, most: int = 8) -> list[str]:
    """Functions with more than eight arguments, self and cls not counted."""
    found = ((path, node, len(_arguments(node))) for path, tree in _files(root) for node in _functions(tree))
    return [f"{path}:{node.lineno} {node.name}: {count} arguments, at most {most}" for path, node, count in found if count > most]


def unannotated(root: Path) -> list[str]:
    """Public functions and methods whose arguments or result have no type."""
    found = ((m.path, node) for m in modules(root).values() for node in _public(m.tree))
    return [f"{path}:{node.lineno} {node.name}: annotate {', '.join(bare)}" for path, node in found if (bare := _bare(node))]


def sense_literals(root: Path) -> list[str]:
    """The names of senses as strings outside the rooms that may know them."""
    rooms = (module for module in modules(root).values() if module.room not in FREE_OF_SENSES)
    return [
        f"{module.path}:{node.lineno}: {node.value!r} stands only in {', '.join(sorted(FREE_OF_SENSES))} and tests"
        for module in rooms
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in SENSES
    ]


def pickles(root: Path) -> list[str]:
    """Anything that reads or writes pickles. Tests are held to it too."""
    banned = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "allow_pickle", "torch.load", "torch.save"}
    words = ((path, node, word) for path, tree in _files(root) for node in ast.walk(tree) for word in _words(node))
    return [f"{path}:{node.lineno}: {word}: write safetensors or JSON" for path, node, word in words if word in banned]


def early_heavy_imports(root: Path) -> list[str]:
    """Heavy optional libraries imported where the module is, not in the one function that needs them."""
    found = ((m.path, node, name) for m in modules(root).values() for node, name in _imported(_at_once(m.tree.body)))
    return [f"{path}:{node.lineno}: import {name} inside the function that needs it" for path, node, name in found if name in HEAVY]


def lone_documents(root: Path) -> list[str]:
    """Pages of the manual that stand in one language only, and pages that the table of contents forgot."""
    docs = root.parent / "docs"
    pages = {page.relative_to(docs) for page in docs.rglob("*.md")}
    english = {page for page in pages if page.parts[0] != "zh"}
    chinese = {page.relative_to("zh") for page in pages - english}
    found = [f"docs/{page}: no Chinese twin docs/zh/{page}" for page in sorted(english - chinese)]
    found += [f"docs/zh/{page}: no English twin docs/{page}" for page in sorted(chinese - english)]
    nav = (root.parent / "mkdocs.yml").read_text(encoding="utf-8")
    return found + [f"docs/{page}: not in the nav of mkdocs.yml" for page in sorted(pages) if f" {page.as_posix()}\n" not in nav + "\n"]


def undeclared_imports(root: Path) -> list[str]:
    """Third-party packages that are imported without being named in pyproject.toml."""
    project = tomllib.loads((root.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(want for extra in project["optional-dependencies"].values() for want in extra)]
    declared = {re.split(r"[^A-Za-z0-9_-]", want)[0].lower().replace("-", "_") for want in wanted}
    known = {PACKAGES.get(name, name) for name in declared} | sys.stdlib_module_names | {root.name}
    found = ((m.path, node, name) for m in modules(root).values() for node, name in _imported(ast.walk(m.tree)))
    return [f"{path}:{node.lineno}: {name} is not in pyproject.toml" for path, node, name in found if name not in known]


LONG = "def f() -> None:\n" + "    pass\n" * 40
WIDE = f"def f({', '.join(f'a{i}: int' for i in range(9))}) -> None: ...\n"
CHAIN = {f"m{i}.py": f"import duomo.m{i + 1}\n" for i in range(10)} | {"m10.py": ""}
PROJECT = {"../pyproject.toml": "[project]\ndependencies = ['PyYAML>=6', 'pillow']\n[project.optional-dependencies]\nx = ['a-b[c]']"}
PAGES = PROJECT | {"../mkdocs.yml": "nav:\n  - a.md\n  - zh/a.md\n", "../docs/a.md": "", "../docs/zh/a.md": ""}

PLANTED: dict[Measure, tuple[dict[str, str], ...]] = {
    cycles: (
        {"a.py": "from duomo import b", "b.py": "import duomo.a"},
        {"a.py": "import duomo.b", "b.py": "def f():\n    from duomo.c import x", "c.py": "from . import a"},
    ),
    deep_chains: (CHAIN,),
    long_functions: ({"a.py": LONG}, {"a_test.py": "class A:\n" + "".join(f"    {line}\n" for line in LONG.splitlines())}),
    long_files: ({"a.py": "#\n" * 401},),
    wide_signatures: ({"a.py": WIDE}, {"a.py": "class A:\n    def f(self, a, b, c, d, e, f, *g, h, **i): ..."}),
    unannotated: (
        {"a.py": "def f(x) -> None: ..."},
        {"a.py": "def f(x: int): ..."},
        {"a.py": "class A:\n    def f(self, *x) -> None: ..."},
        {"a.py": "class A:\n    def __init__(self, x) -> None: ..."},
    ),
    sense_literals: ({"data/a.py": "x = {'image': 1}"}, {"cli.py": "def f(kind):\n    return kind == 'video'"}),
    pickles: (
        {"a.py": "import pickle"},
        {"a.py": "import torch\ntorch.load('x')"},
        {"a.py": "from torch import load"},
        {"a.py": "from pickle import loads"},
        {"a_test.py": "import torch\ntorch.save({}, 'x')"},
        {"a.py": "import numpy\nnumpy.load('x', allow_pickle=True)"},
    ),
    early_heavy_imports: (
        {"a.py": "import PIL.Image"},
        {"a.py": "try:\n    from av import open\nexcept ImportError:\n    pass"},
        {"a.py": "class A:\n    import sklearn"},
    ),
    lone_documents: (
        {"../docs/b.md": "", "../mkdocs.yml": PAGES["../mkdocs.yml"] + "  - b.md\n"},
        {"../docs/zh/b.md": "", "../mkdocs.yml": PAGES["../mkdocs.yml"] + "  - zh/b.md\n"},
        {"../docs/b.md": "", "../docs/zh/b.md": ""},
    ),
    undeclared_imports: ({"a.py": "import torch"}, {"a.py": "def f() -> None:\n    from a.b import c"}),
}


@pytest.mark.parametrize("measure", PLANTED, ids=lambda measure: measure.__name__)
def test_the_house_holds(measure: Measure) -> None:
    found = measure(ROOT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("measure", (long_functions, long_files, wide_signatures, pickles), ids=lambda measure: measure.__name__)
def test_the_tests_hold(measure: Measure) -> None:
    found = measure(Path(__file__).parent)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("measure", "planted"),
    [(measure, planted) for measure, faults in PLANTED.items() for planted in faults],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_found(measure: Measure, planted: dict[str, str], tmp_path: Path) -> None:
    assert not measure(plant(tmp_path, PAGES))
    assert measure(plant(tmp_path, PAGES | planted))


ALLOWED = {
    "a.py": "def _f(x): ...\n" + LONG.replace("    pass\n", "", 1).replace("f()", "g()"),
    "b.py": "def f(a: int, *b: int, **c: int) -> None:\n    import PIL\n    def inner(x): ...\n",
    "c.py": "'''Reads an image.'''\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import PIL\n",
    "modalities/x.py": "name = 'image'\n",
    "x_test.py": "kind = 'image'\n",
    "d.py": "import json\nimport a_b.c\nfrom yaml import load\nfrom . import c\n",
}


@pytest.mark.parametrize("measure", PLANTED, ids=lambda measure: measure.__name__)
def test_what_is_allowed_is_not_a_fault(measure: Measure, tmp_path: Path) -> None:
    assert not measure(plant(tmp_path, PAGES | ALLOWED))


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _files(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(root.rglob("*.py")):
        yield path, parsed(path)


def _graph(root: Path) -> dict[str, set[str]]:
    known = modules(root)
    return {name: imports(module, known) & known.keys() for name, module in known.items()}


def _functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _arguments(node: Function) -> list[ast.arg]:
    given = node.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [arg for arg in every if arg and arg.arg not in ("self", "cls")]


def _public(tree: ast.Module) -> Iterator[Function]:
    """Functions of the module and methods of its public classes, constructors and operators included."""
    bodies = [tree.body] + [node.body for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for node in (node for body in bodies for node in body if isinstance(node, Function)):
        if not node.name.startswith("_") or node.name.endswith("__"):
            yield node


def _bare(node: Function) -> list[str]:
    told = node.returns or node.name == "__init__"
    return [arg.arg for arg in _arguments(node) if arg.annotation is None] + ([] if told else ["the result"])


def _words(node: ast.AST) -> Iterator[str]:
    """The names that stand in one node of a tree, with and without what they belong to."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield from (node.attr, f"{getattr(node.value, 'id', '')}.{node.attr}")
    elif isinstance(node, ast.keyword):
        yield node.arg or ""
    elif isinstance(node, ast.Import):
        yield from (word for alias in node.names for word in alias.name.split("."))
    elif isinstance(node, ast.ImportFrom):
        yield from ((node.module or "").split("."))
        yield from (word for alias in node.names for word in (alias.name, f"{node.module}.{alias.name}"))


def _imported(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """What these statements import, by the name of the whole package."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node, (node.module or "").split(".")[0]


def _at_once(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """What importing the module runs: everything outside functions and `if TYPE_CHECKING`."""
    for node in body:
        if not isinstance(node, Function) and not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            for block in ("body", "orelse", "finalbody", "handlers"):
                yield from _at_once(getattr(node, block, []))
