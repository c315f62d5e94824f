import numpy as np
import pytest

from duomo.classify import joint, keep
from duomo.classify.head import MANY, Head, learn
from duomo.classify.words import Counted, Words, counted, grams, ratios

LABELS = ("good", "bad")


def reviews(each, seed=0):
    """Reviews whose vectors say nothing, and whose words say all, but in one of ten."""
    random = np.random.default_rng(seed)
    said = {"good": ["很好", "满意", "so lovely"], "bad": ["很差", "失望", "too slow"]}
    answers = [label for label in LABELS for _ in range(each)]
    texts = [f"快递{random.choice(said[label if random.random() < 0.9 else LABELS[0]])}，第{n % 7}天" for n, label in enumerate(answers)]
    return random.standard_normal((len(texts), 4)), texts, answers


def right(head, vectors, texts, answers):
    said = head.shares(vectors, texts).argmax(1)
    return np.mean([LABELS[place] == answer for place, answer in zip(said, answers, strict=True)])


START = Head(LABELS, np.zeros((2, 4)), np.zeros(2))


def test_chinese_is_read_by_signs_and_other_languages_by_words_and_pieces():
    assert {"不", "不 好", "太 不 好", "好 !"} <= grams("太不好！")
    assert {"don't", "don't like", "like", "~^lik", "~ike$"} <= grams("DON'T like")
    assert "l i k" not in grams("like") and "ｌ" not in grams("ｌｉｋｅ") and {"iphone4s", "iphone4s 很"} <= grams("iPhone4S很好")
    assert grams(" \n") == set() and max(map(len, grams("x" * 9000))) < 60


def test_many_examples_learn_from_words_where_vectors_say_nothing():
    test = reviews(200, seed=1)
    vectors, texts, answers = reviews(100)
    head = learn(vectors, answers, START, texts=texts)
    alone = learn(vectors, answers, START)
    assert head.words is not None and right(head, *test) > 0.9 > 0.65 > right(alone, *test)


def test_few_examples_never_use_words():
    vectors, texts, answers = reviews(MANY - 1)
    with_texts, without = learn(vectors, answers, START, texts=texts), learn(vectors, answers, START)
    assert with_texts.words is None and (with_texts.weight_LD == without.weight_LD).all() and (with_texts.bias_L == without.bias_L).all()


def test_words_that_say_nothing_are_left_out_and_the_head_is_the_one_of_before():
    random = np.random.default_rng(0)
    answers = [label for label in LABELS for _ in range(80)]
    vectors = np.array([[4.0 if answer == "good" else -4.0, 0, 0, 0] for answer in answers]) + random.standard_normal((160, 4)) / 4
    texts = [" ".join(random.choice(list("abcdefgh"), 3)) for _ in answers]
    head, alone = learn(vectors, answers, START, texts=texts), learn(vectors, answers, START)
    assert head.words is None and (head.weight_LD == alone.weight_LD).all() and (head.bias_L == alone.bias_L).all()
    assert learn(vectors, answers, START, texts=[str(n) * 3 for n in range(160)]).words is None  # no word stands twice


def test_the_solution_is_the_logistic_regression_of_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn comes with the extra evaluate")
    torch = pytest.importorskip("torch")
    vectors, texts, answers = reviews(60)
    names, held = counted(texts, 2)
    target = torch.tensor([LABELS.index(answer) for answer in answers])
    ours = joint.fit(joint.Known(torch.from_numpy(vectors), target, held, len(names)), 1.0, 1.0)
    dense = np.array([[name in grams(text) for name in names] for text in texts], float)
    ratio = ratios(held, len(names), np.eye(2)[target.numpy()])
    both = np.hstack([vectors - vectors.mean(0), dense * ratio[:, 1]])
    theirs = linear.LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(both, target.numpy())  # two rows of weights share one penalty
    logits = ours.logits(vectors, held)
    assert np.abs(logits[:, 1] - logits[:, 0] - theirs.decision_function(both)).max() < 0.05


def test_a_ratio_is_of_one_label_against_the_rest():
    names, held = counted(["a b", "a b", "a c", "c b", "c b"], 3)
    target = np.eye(3)[[0, 0, 1, 2, 2]]
    found = dict(zip(names, ratios(held, len(names), target), strict=True))
    assert found["a"][0] > 0 > found["a"][2] and found["a b"][0] > 0 and found["c"][0] < 0 < found["c"][2]
    two = ratios(held, len(names), np.eye(2)[[0, 0, 1, 1, 1]])
    assert np.allclose(two[:, 0], -two[:, 1])


def test_a_sparse_product_is_the_dense_one_and_turns_over():
    random = np.random.default_rng(0)
    dense = random.random((6, 9)) < 0.3
    dense[2] = False  # a text of no known word
    held = Counted(np.nonzero(dense)[1], np.cumsum(dense.sum(1)) - dense.sum(1))
    weight, other = random.standard_normal((9, 3)), random.standard_normal((6, 3))
    assert np.allclose(held.times(weight), dense @ weight, atol=1e-5)
    assert np.allclose(held.turned(9).times(other), dense.T @ other, atol=1e-5)
    chosen = np.array([True, False, True, True, False, True])
    assert np.allclose(held.only(chosen).times(weight), dense[chosen] @ weight, atol=1e-5)


def test_a_table_is_bounded_and_of_what_texts_share(monkeypatch):
    monkeypatch.setattr("duomo.classify.words.NUMBERS", 8)
    names, held = counted(["好 好 学", "好 学", "好", "once"], 2)
    assert names == ("好", "好 学", "学") or names == ("好", "学", "好 学")
    assert len(counted(["a b c d e f g h", "a b c d e f g h"], 2)[0]) == 4
    assert len(held.start_N) == 4


def embed(texts):
    return np.tile(np.eye(4, dtype=np.float32)[0], (len(texts), 1))


def kept(tmp_path):
    vectors, texts, answers = reviews(MANY)
    head = learn(vectors, answers, START, texts=texts)
    keep.save(head, embed, tmp_path / "h", {"model": "e5"})
    return head, tmp_path / "h"


def test_a_kept_head_with_words_says_the_same(tmp_path):
    head, path = kept(tmp_path)
    vectors, texts, _ = reviews(20, seed=3)
    again = keep.load(path, embed)[0]
    assert again.words.grams == head.words.grams and (again.shares(vectors, texts) == head.shares(vectors, texts)).all()
    with pytest.raises(ValueError, match="give it the texts of its 40 vectors, not 0"):
        again.shares(vectors)


@pytest.mark.parametrize(
    "words",
    [
        Words(("a", "b"), np.zeros((3, 2), np.float32)),
        Words(("a", "b"), np.zeros((2, 3), np.float32)),
        Words(("a", "a"), np.zeros((2, 2), np.float32)),
        Words(("a", "b"), np.full((2, 2), np.inf, np.float32)),
        Words(("a", "b"), np.zeros((2, 2), np.float64)),
        Words(("a", "b"), np.zeros(2, np.float32)),
    ],
)
def test_a_hostile_table_is_refused_in_one_line(words, tmp_path):
    keep.save(Head(LABELS, np.zeros((2, 4)), np.zeros(2), words), embed, tmp_path / "h", {})
    with pytest.raises(ValueError, match="not a head that .* learn it again") as told:
        keep.load(tmp_path / "h", embed)
    assert "\n" not in str(told.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    _, path = kept(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace("快".encode(), b"\xff\xfe\xff"))
    with pytest.raises(ValueError, match="not a head"):
        keep.load(path, embed)
