"""Embeddings: token vectors that begin as word vectors learned elsewhere. N = words, D = numbers of a vector, V = vocabulary.

Form: the text files of GloVe (Pennington, Socher and Manning 2014): a word and its numbers on each line, with spaces between; a first
line with two counts, as word2vec and fastText write it, is passed over.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from duomo.model import Model
from duomo.recipe import EmbeddingsRecipe
from duomo.tokenizer import Tokenizer

LINE = 1 << 16  # bytes that a line may have
MOST = 4096  # numbers of a vector


def take_words(model: Model, tokenizer: Tokenizer, recipe: EmbeddingsRecipe) -> int:
    """Puts the file's vectors into the rows of the tokens that are its words, as long as those rows were; gives their number.

    All other rows, those of control tokens among them, stay as they are. Raises ValueError where the file can not be read, its
    vectors do not fit, or no token is a word of it.
    """
    words = words_of(tokenizer)
    known = read_vectors(Path(recipe.path), {word for ways in words.values() for way in ways for word in way})
    found = {id: vector for id, ways in words.items() if (vector := vector_of(ways, known)) is not None}
    if not found:
        raise ValueError(f"{recipe.path}: no token is a word of it; take vectors of the language that is learned")
    rows_ND = fitted(np.stack(list(found.values())), model.recipe.block.dim, recipe)
    with torch.no_grad():
        weight_VD, ids_N = model.tokens.weight, torch.tensor(list(found), device=model.tokens.weight.device)
        weight_VD[ids_N] = (rows_ND * (_length(weight_VD[ids_N]) / _length(rows_ND))).to(weight_VD)
    return len(found)


def words_of(tokenizer: Tokenizer) -> dict[int, tuple[tuple[str, ...], ...]]:
    """Token -> what may stand for it, best first: its text, its text in small letters, the words in it together."""
    found = dict[int, tuple[tuple[str, ...], ...]]()
    for id in sorted(set(range(tokenizer.vocab_size)) - set(tokenizer.special.values())):
        text = tokenizer.decode([id]).strip()
        if text and "\ufffd" not in text:
            found[id] = tuple(dict.fromkeys(((text,), (text.lower(),), tuple(text.lower().split()))))
    return found


def vector_of(ways: Collection[tuple[str, ...]], known: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The mean (D,) of the words' vectors, of the first way in which all are known."""
    way = next((way for way in ways if all(word in known for word in way)), None)
    return None if way is None else np.mean([known[word] for word in way], axis=0)


def read_vectors(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """The vectors (D,) of the wanted words. Memory: these.

    Raises ValueError with the line where one is too long, has another count of numbers than the first, or something else than numbers.
    """
    if not path.is_file():
        raise ValueError(f"train.embeddings: {path}: no such file; check the path")
    names, found, size = {word.encode(errors="replace"): word for word in wanted}, dict[str, np.ndarray](), 0
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LINE):
            number += 1
            if len(line) == LINE:
                raise ValueError(f"{path}:{number}: a line of more than {LINE:,} bytes; is this a file of word vectors?")
            line = line.rstrip(b"\r\n ")
            if not size and not (size := _size(line, f"{path}:{number}")):
                continue
            spaces = line.count(b" ")
            if spaces < size:
                raise ValueError(f"{path}:{number}: {spaces} numbers where the first line has {size}; fetch the file again")
            fields = line.rsplit(b" ", size) if spaces > size or line.partition(b" ")[0] in names else (b"",)
            word = names.get(fields[0])
            if word is not None and word not in found:
                found[word] = _vector(fields[1:], f"{path}:{number}")
    return found


def fitted(rows_ND: np.ndarray, dim: int, recipe: EmbeddingsRecipe) -> Tensor:
    """The vectors as (N, dim): as they are, or longer ones by their main directions or their first numbers, as the recipe says.

    Raises ValueError where they are shorter, or longer and the recipe does not say how.
    """
    size = rows_ND.shape[1]
    if size < dim or (size > dim and recipe.fit == "exact"):
        mend = f"set model.block.dim={size}, or " + ("train.embeddings.fit=project" if size > dim else "take longer ones")
        raise ValueError(f"train.embeddings: {recipe.path}: vectors of {size} numbers, but model.block.dim is {dim}; {mend}")
    rows = torch.from_numpy(rows_ND).double()
    if size == dim or recipe.fit == "crop":
        return rows[:, :dim]
    main = torch.linalg.eigh(rows.T @ rows).eigenvectors.flip(1)[:, :dim]  # the largest first
    signs = main.gather(0, main.abs().argmax(0, keepdim=True)).sign()  # of a direction either would do: the same everywhere
    return rows @ (main * signs)


def _size(line: bytes, where: str) -> int:
    """How many numbers the first line has; 0 where it holds two counts."""
    fields = line.split(b" ")
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        return 0
    if not 2 <= len(fields) - 1 <= MOST:
        raise ValueError(f"{where}: no word with its numbers; is this a file of word vectors?")
    _vector(fields[1:], where)
    return len(fields) - 1


def _vector(fields: Collection[bytes], where: str) -> np.ndarray:
    try:
        vector = np.array([float(field) for field in fields], np.float32)
    except ValueError as error:
        raise ValueError(f"{where}: not a word and its numbers ({str(error)[:80]}); fetch the file again") from error
    if not np.isfinite(vector).all():
        raise ValueError(f"{where}: a number that is not finite; fetch the file again")
    return vector


def _length(rows_ND: Tensor) -> Tensor:
    """The root mean square of the numbers."""
    return rows_ND.double().square().mean().sqrt().clamp(min=1e-12)
