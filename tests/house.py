"""The house as syntax trees: which modules there are, and what each imports in whatever form."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1] / "duomo"
FACE = "__init__"


@dataclass(frozen=True)
class Module:
    """One file. A package goes by its own name, `duomo.data`, not by `duomo.data.__init__`."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """The file or package right below `duomo`; "__init__" for the Python face itself."""
        return (self.name.split(".") + [FACE])[1]

    @property
    def package(self) -> str:
        """What a relative import of one dot starts from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


def modules(root: Path = ROOT) -> dict[str, Module]:
    """All modules below `root` by dotted name; tests are exempt."""
    found = (_module(path, root) for path in sorted(root.rglob("*.py")) if not path.name.endswith("_test.py"))
    return {module.name: module for module in found}


def imports(module: Module, known: Mapping[str, Module], nodes: Iterable[ast.AST] | None = None) -> set[str]:
    """The known modules that `module` imports: at the top or in a function, absolute, relative or by a string.

    With `nodes`: what these of its statements import.
    """
    top = module.name.split(".")[0]
    names = _names(module, ast.walk(module.tree) if nodes is None else nodes)
    named = {_nearest(name, known) for name in names if name.split(".")[0] == top}
    return named - {module.name}


def plant(folder: Path, files: Mapping[str, str]) -> Path:
    """A small house for planted faults: `{"model.py": "import duomo.train"}`. Gives its root."""
    root = folder / "duomo"
    for name, source in {"__init__.py": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, for looking only: every measure shares it."""
    return _tree(path.read_text(encoding="utf-8"))


@cache
def _tree(source: str) -> ast.Module:
    return ast.parse(source)


def _module(path: Path, root: Path) -> Module:
    parts = [root.name, *path.relative_to(root).with_suffix("").parts]
    return Module(".".join(parts[:-1] if parts[-1] == FACE else parts), path, parsed(path))


def _names(module: Module, nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, module)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _function(node) in ("import_module", "__import__"):
            yield from (word.value for word in node.args[:1] if isinstance(word, ast.Constant) and isinstance(word.value, str))


def _base(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    package = module.package.split(".")
    return ".".join(package[: len(package) - node.level + 1] + ([node.module] if node.module else []))


def _function(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _nearest(name: str, known: Mapping[str, Module]) -> str:
    """`duomo.data.read.read_csv` is a name inside `duomo.data.read`."""
    while name not in known and "." in name:
        name = name.rpartition(".")[0]
    return name
