"""Shelf: the passages of a folder with their words and vectors, as a folder of plain, checked files. N = passages, D = width."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duomo.disk import whole_folder
from duomo.retrieve.bm25 import Postings, postings
from duomo.retrieve.passage import Passage, from_json, to_json
from duomo.retrieve.words import Words

FORMAT = "duomo shelf 1"
MANIFEST, PASSAGES, VECTORS, TERMS = "manifest.json", "passages.jsonl", "vectors.npy", "terms.json"
ARRAYS = ("starts_T", "rows_P", "counts_P", "lengths_N")
Embed = Callable[[Sequence[str]], NDArray[np.float32]]  # texts -> (N, D), each of length 1; zeros for one that can not be embedded


@dataclass(frozen=True)
class Kept:
    """What is known of a file: its content's hash, how many passages it gave, and why it gave none."""

    sha256: str
    passages: int = 0
    fault: str = ""


@dataclass(frozen=True)
class Shelf:
    """An index. `vectors_ND` rows are NaN until they are made; None where there shall be none (`model` is then "")."""

    folder: str
    model: str
    files: Mapping[str, Kept]
    passages: tuple[Passage, ...]
    words: Postings
    vectors_ND: NDArray[np.float32] | None = field(default=None, repr=False)

    @property
    def missing(self) -> NDArray[np.int64]:
        """The rows without a vector."""
        if self.vectors_ND is None:
            return np.arange(len(self.passages) if self.model else 0)
        return np.flatnonzero(np.isnan(self.vectors_ND[:, 0]))

    @property
    def complete(self) -> bool:
        """Whether every passage has its vector."""
        return self.vectors_ND is not None and not len(self.missing)


def build(folder: str, model: str, files: Mapping[str, Kept], passages: Iterable[Passage], words: Words, old: Shelf | None) -> Shelf:
    """An index over passages; vectors of texts that the old one held, made by the same model, are taken over."""
    held = tuple(passages)
    made = Shelf(folder, model, dict(files), held, postings(words(passage.whole) for passage in held))
    if not model or old is None or old.model != model or old.vectors_ND is None:
        return made
    known = {passage.whole: row for row, passage in enumerate(old.passages)}
    vectors_ND = np.full((len(held), old.vectors_ND.shape[1]), np.nan, np.float32)
    for row, passage in enumerate(held):
        if (before := known.get(passage.whole)) is not None:
            vectors_ND[row] = old.vectors_ND[before]
    return replace(made, vectors_ND=vectors_ND)


def embedded(shelf: Shelf, embed: Embed, most: int) -> Iterator[Shelf]:
    """The same index with ever more of its vectors, `most` at a time, until none is missing."""
    while len(missing := shelf.missing[:most]):
        made_MD = embed([shelf.passages[row].whole for row in missing])
        if shelf.vectors_ND is None:
            shelf = replace(shelf, vectors_ND=np.full((len(shelf.passages), made_MD.shape[1]), np.nan, np.float32))
        assert shelf.vectors_ND is not None
        shelf.vectors_ND[missing] = made_MD
        yield shelf


def save(shelf: Shelf, path: Path) -> None:
    """Writes the index: whole, or not at all. No pickle: JSON and plain arrays, with a hash of each in the manifest."""
    with whole_folder(path) as made:
        with (made / PASSAGES).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(to_json(passage), ensure_ascii=False) + "\n" for passage in shelf.passages)
        (made / TERMS).write_text(json.dumps(list(shelf.words.terms), ensure_ascii=False), encoding="utf-8")
        for name in ARRAYS:
            np.save(made / f"{name}.npy", getattr(shelf.words, name))
        if shelf.vectors_ND is not None:
            np.save(made / VECTORS, shelf.vectors_ND)
        manifest = {
            "format": FORMAT,
            "folder": shelf.folder,
            "model": shelf.model,
            "passages": len(shelf.passages),
            "files": {name: vars(kept) for name, kept in shelf.files.items()},
            "sha256": {file.name: digest(file) for file in sorted(made.iterdir())},
        }
        (made / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")  # in ASCII: a path may be no text


def load(path: Path) -> Shelf:
    """An index as it was saved. Raises ValueError with the mend for what is none, and for one whose files were changed."""
    manifest = read_manifest(path)
    for name, sha256 in manifest["sha256"].items():
        if Path(name).name != name or not (path / name).is_file() or digest(path / name) != sha256:
            raise ValueError(f"{path / name}: was changed or is gone; index the folder again")
    try:
        with (path / PASSAGES).open(encoding="utf-8") as lines:
            passages = tuple(from_json(json.loads(line)) for line in lines)
        arrays = {name: _array(path / f"{name}.npy") for name in ARRAYS}
        terms = {str(term): number for number, term in enumerate(json.loads((path / TERMS).read_text(encoding="utf-8")))}
        vectors_ND = _array(path / VECTORS) if VECTORS in manifest["sha256"] else None
        files = {name: Kept(**kept) for name, kept in manifest["files"].items()}
        shelf = Shelf(manifest["folder"], manifest["model"], files, passages, Postings(terms, **arrays), vectors_ND)
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: a damaged index ({error}); index the folder again") from error
    if not _fits(shelf):
        raise ValueError(f"{path}: a damaged index (its parts do not fit); index the folder again")
    return shelf


def is_shelf(path: Path) -> bool:
    """Whether an index lies there."""
    return (path / MANIFEST).is_file() and (path / PASSAGES).is_file()


def read_manifest(path: Path) -> dict[str, Any]:
    """What an index says of itself. Raises ValueError where there is none."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT or not isinstance(manifest["sha256"], dict):
            raise KeyError(manifest["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no index; `duomo index FOLDER --to {path}` makes one") from error
    return manifest


def digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _array(path: Path) -> NDArray[Any]:
    return np.load(path)  # plain numbers alone: NumPy refuses objects


def _fits(shelf: Shelf) -> bool:
    words, count = shelf.words, len(shelf.passages)
    inside = not len(words.rows_P) or (words.rows_P.min() >= 0 and words.rows_P.max() < count)
    pairs = len(words.rows_P) == len(words.counts_P) == (words.starts_T[-1] if len(words.starts_T) else -1)
    vectors = shelf.vectors_ND is None or (shelf.vectors_ND.ndim == 2 and len(shelf.vectors_ND) == count)
    return bool(inside and pairs and vectors and len(words.lengths_N) == count and len(words.starts_T) == len(words.terms) + 1)
