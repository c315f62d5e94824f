from pathlib import Path

import numpy as np
import pytest
import torch

from duomo.model import Model
from duomo.recipe import BlockRecipe, EmbeddingsRecipe, ModelRecipe
from duomo.train.embeddings import LINE, read_vectors, take_words, vector_of, words_of
from tests.small import tokenizer

DIM = 16
WORDS = ("love", "cat", "the", "mat", "这是什么", "nowhere", ",", "Sat")


def lay(path: Path, size: int = DIM, words: tuple[str, ...] = WORDS, head: str = "") -> dict[str, np.ndarray]:
    """Writes vectors as GloVe does; gives them."""
    numbers = np.random.default_rng(0).normal(0.5, 1, (len(words), size)).round(4)
    lines = (f"{word} {' '.join(map(str, row))}\n" for word, row in zip(words, numbers, strict=True))
    path.write_text(head + "".join(lines), encoding="utf-8")
    return {word: row.astype(np.float32) for word, row in zip(words, numbers, strict=True)}


def model(dim: int = DIM, tied: bool = True) -> Model:
    torch.manual_seed(0)
    return Model(ModelRecipe(vocab_size=410, decoder_depth=1, tied=tied, block=BlockRecipe(dim=dim, heads=2)), {})


def test_the_rows_of_known_words_are_set_and_no_other(tmp_path):
    vectors, made = lay(tmp_path / "glove.txt"), model()
    before = made.tokens.weight.detach().clone()
    count = take_words(made, tokenizer(), EmbeddingsRecipe(path=str(tmp_path / "glove.txt")))
    after = made.tokens.weight.detach()
    changed = (after != before).any(1).nonzero().flatten().tolist()
    texts = {id: tokenizer().decode([id]) for id in changed}
    assert count == len(changed) and {text.strip() for text in texts.values()} == {"love", "cat", "the", "mat", "这是什么", ","}
    assert len(texts) > len({text.strip() for text in texts.values()}), "with a space before and without it is the same word"
    scale = {round(float(after[id].norm() / np.linalg.norm(vectors[text.strip()])), 5) for id, text in texts.items()}
    for id, text in texts.items():
        assert torch.cosine_similarity(after[id], torch.from_numpy(vectors[text.strip()]), dim=0) > 0.9999
    assert len(scale) == 1, "their lengths keep their proportions"
    assert float(after[changed].square().mean()) == pytest.approx(float(before[changed].square().mean()), rel=1e-4)


def test_a_token_is_its_word_or_that_in_small_letters_or_the_mean_of_its_words(tmp_path):
    known = {"the": np.array([1.0, 0]), "The": np.array([0, 1.0]), "new": np.array([2.0, 0]), "york": np.array([0, 4.0])}
    assert vector_of((("The",), ("the",)), known).tolist() == [0, 1]
    assert vector_of((("THE",), ("the",)), known).tolist() == [1, 0]
    assert vector_of((("New York",), ("new york",), ("new", "york")), known).tolist() == [1, 2]
    assert vector_of((("New Jersey",), ("new", "jersey")), known) is None
    words = words_of(tokenizer())
    assert not set(words) & set(tokenizer().special.values()) and all("\ufffd" not in way for ways in words.values() for (way, *_) in ways)


@pytest.mark.parametrize("fit", ["project", "crop"])
def test_longer_vectors_are_made_to_fit(tmp_path, fit):
    vectors, made = lay(tmp_path / "glove.txt", 3 * DIM), model()
    take_words(made, tokenizer(), EmbeddingsRecipe(path=str(tmp_path / "glove.txt"), fit=fit))
    ids = {tokenizer().decode([id]).strip(): id for id in words_of(tokenizer())}
    rows = made.tokens.weight.detach()
    pairs = [("love", "cat"), ("cat", "mat"), ("the", "这是什么")]
    got = [float(torch.cosine_similarity(rows[ids[a]], rows[ids[b]], dim=0)) for a, b in pairs]
    kept = slice(None) if fit == "project" else slice(DIM)
    wanted = [float(np.dot(*(vectors[w][kept] / np.linalg.norm(vectors[w][kept]) for w in pair))) for pair in pairs]
    assert got == pytest.approx(wanted, abs=1e-3), "six vectors lie in six directions, which all fit"


@pytest.mark.parametrize(
    ("size", "fit", "told"),
    [
        (24, "exact", "vectors of 24 numbers, but model.block.dim is 16; set model.block.dim=24, or train.embeddings.fit=project"),
        (8, "exact", "vectors of 8 numbers, but model.block.dim is 16; set model.block.dim=8, or take longer ones"),
        (8, "project", "vectors of 8 numbers, but model.block.dim is 16; set model.block.dim=8, or take longer ones"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_and_nothing_is_set(tmp_path, size, fit, told):
    lay(tmp_path / "glove.txt", size)
    made = model()
    before = made.tokens.weight.detach().clone()
    with pytest.raises(ValueError) as error:
        take_words(made, tokenizer(), EmbeddingsRecipe(path=str(tmp_path / "glove.txt"), fit=fit))
    assert str(error.value) == f"train.embeddings: {tmp_path}/glove.txt: {told}" and torch.equal(made.tokens.weight, before)


def test_the_head_stays_where_it_is_apart(tmp_path):
    lay(tmp_path / "glove.txt")
    made = model(tied=False)
    before = made.head.weight.detach().clone()
    assert take_words(made, tokenizer(), EmbeddingsRecipe(path=str(tmp_path / "glove.txt"))) > 0
    assert torch.equal(made.head.weight, before)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"cat 1 2", "2 numbers where the first line has 3"),
        (b"cat 1 2 x", "not a word and its numbers"),
        (b"cat 1 2 nan", "a number that is not finite"),
        (b"cat 1 2 1e999", "a number that is not finite"),
        (b"\xff" * LINE, f"a line of more than {LINE:,} bytes"),
        (b"", "0 numbers where the first line has 3"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(tmp_path, line, told):
    path = tmp_path / "glove.txt"
    path.write_bytes(b"the 1 2 3\nmat 4 5 6\n" + line + b"\nlove 1 2 3\n")
    with pytest.raises(ValueError) as error:
        read_vectors(path, {"cat", "love"})
    assert str(error.value).startswith(f"{path}:3: {told}") and "\n" not in str(error.value)


def test_the_forms_of_the_field_are_read(tmp_path):
    path = tmp_path / "vectors.vec"
    path.write_bytes("4 3\nthe 1 2 3 \r\n. . . 4 5 6\ncat\u00a0s\x85 7 8 9\n 1 1 1\n猫 -1e-2 0 .5\nthe 9 9 9\n".encode())
    found = {word: vector.tolist() for word, vector in read_vectors(path, {"the", ". . .", "猫", "cat\u00a0s\x85", "dog"}).items()}
    assert found == {"the": [1, 2, 3], ". . .": [4, 5, 6], "cat\u00a0s\x85": [7, 8, 9], "猫": [np.float32(-0.01), 0, 0.5]}


def test_what_is_no_file_of_vectors_is_told(tmp_path):
    for data, told in ((b"hello\n", "no word with its numbers"), (b"a b c d\n", "not a word and its numbers"), (b"x " * 9000, "no word")):
        (tmp_path / "a.txt").write_bytes(data)
        with pytest.raises(ValueError, match=f"a.txt:1: {told}"):
            read_vectors(tmp_path / "a.txt", {"a"})
    with pytest.raises(ValueError, match="gone.txt: no such file"):
        read_vectors(tmp_path / "gone.txt", {"a"})
    lay(tmp_path / "b.txt", words=("zwölf", "elf"))
    with pytest.raises(ValueError, match="b.txt: no token is a word of it"):
        take_words(model(), tokenizer(), EmbeddingsRecipe(path=str(tmp_path / "b.txt")))
