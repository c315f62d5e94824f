import numpy as np
import pytest

from duomo.classify import keep
from duomo.classify.head import FEW, Head, choose, learn, meant
from duomo.classify.labels import named, parse
from duomo.classify.telling import telling

LABELS = ("up", "down", "side")


def clouds(each, spread=0.5, seed=0, width=8):
    """Points around one centre a label, on a sphere."""
    random = np.random.default_rng(seed)
    centres = np.eye(width)[: len(LABELS)]
    points = np.concatenate([centre + spread * random.standard_normal((each, width)) / np.sqrt(width) for centre in centres])
    return points / np.linalg.norm(points, axis=1, keepdims=True), [label for label in LABELS for _ in range(each)]


def right(head, points, answers):
    return np.mean([LABELS[place] == answer for place, answer in zip(head.shares(points).argmax(1), answers, strict=True)])


def test_without_examples_the_nearest_meaning_wins():
    meanings = np.eye(8)[:3]
    shares = meant(LABELS, meanings).shares(meanings)
    assert np.allclose(shares.sum(1), 1) and (shares.argmax(1) == [0, 1, 2]).all()


def test_more_examples_are_better_and_beat_wrong_meanings():
    test, answers = clouds(200, seed=1)
    wrong = meant(LABELS, np.eye(8)[[1, 2, 0]], temperature=0.5)
    figures = [right(learn(*clouds(each), wrong), test, answers) for each in (1, 4, 64)]
    assert right(wrong, test, answers) < 0.2 < figures[0] < figures[2] and figures[2] > 0.9


def test_the_less_a_head_is_free_the_nearer_it_stays_to_its_start():
    points, answers = clouds(20)
    start = meant(LABELS, np.eye(8)[[1, 2, 0]], temperature=0.5)
    moved = [np.abs(learn(points, answers, start, strength).weight_LD - start.weight_LD).max() for strength in (1e-6, 1.0, 100.0)]
    assert moved[0] < 1e-4 < moved[1] < moved[2]


def test_it_is_the_logistic_regression_of_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn comes with the extra evaluate")
    points, answers = clouds(40, spread=1.5)
    nothing = Head(LABELS, np.zeros((3, 8)), np.zeros(3))
    ours = learn(points, answers, nothing, strength=1.0)
    theirs = linear.LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(points, answers)
    order = [list(theirs.classes_).index(label) for label in LABELS]
    assert np.abs(ours.weight_LD - theirs.coef_[order]).max() < 0.02  # ours holds the bias to its start, too, if lightly


def test_the_strength_is_chosen_where_there_are_enough_examples():
    torch = pytest.importorskip("torch")
    nothing = Head(LABELS, np.zeros((3, 8)), np.zeros(3))

    def chosen(each, spread):
        points, answers = clouds(each, spread)
        target = torch.tensor([LABELS.index(answer) for answer in answers])
        return choose(torch.from_numpy(points), target, nothing, 0)

    assert chosen(2, 0.5) == FEW
    assert chosen(10, 6.0) < chosen(60, 0.3)  # noise holds a head back


def test_examples_that_do_not_fit_the_labels_are_refused():
    points, answers = clouds(2)
    with pytest.raises(ValueError, match="'side' is none of up, down"):
        learn(points, answers, meant(LABELS[:2], np.eye(8)[:2]))
    with pytest.raises(ValueError, match="no example of the label 'over'"):
        learn(points, answers, meant((*LABELS, "over"), np.eye(8)[:4]))


def embed(texts):
    return np.tile(np.eye(8, dtype=np.float32)[0], (len(texts), 1))


def test_a_kept_head_is_the_same_and_says_of_what(tmp_path):
    head = learn(*clouds(4), meant(LABELS, np.eye(8)[:3]))
    keep.save(head, embed, tmp_path / "h", {"model": "e5"})
    again, facts = keep.load(tmp_path / "h", embed)
    assert again.labels == LABELS and (again.weight_LD == head.weight_LD).all() and (again.bias_L == head.bias_L).all()
    assert facts == {"model": "e5"}


def test_a_head_of_another_model_or_a_damaged_one_is_refused(tmp_path):
    path = tmp_path / "h"
    keep.save(meant(LABELS, np.eye(8)[:3]), embed, path, {"model": "e5"})
    for other in (lambda texts: -embed(texts), lambda texts: embed(texts)[:, :4]):
        with pytest.raises(ValueError, match="learned on the vectors of e5"):
            keep.load(path, other)
    whole = path.read_bytes()
    for damage in (whole[:-9], b"", b"\xff" * 64, whole.replace(b"duomo.head", b"duomo.hand")):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match="not a head"):
            keep.load(path, embed)
    with pytest.raises(ValueError, match="no such file"):
        keep.load(tmp_path / "none", embed)


def test_numbers_that_are_none_are_refused(tmp_path):
    keep.save(Head(LABELS, np.full((3, 8), np.nan), np.zeros(3)), embed, tmp_path / "h", {})
    with pytest.raises(ValueError, match="numbers that are none"):
        keep.load(tmp_path / "h", embed)


def test_labels_come_from_words_or_a_file(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text("late=it came, but too late\n\nbroken\n", encoding="utf-8")
    assert [(one.name, one.meaning) for one in parse(str(file))] == [("late", "it came, but too late"), ("broken", "broken")]
    assert parse("好评=很满意, 差评") == (*named(["好评=很满意"] + ["差评"]),)


@pytest.mark.parametrize(
    ("words", "fault"),
    [("a", "1 label"), ("a,b,a", "named twice"), ("a,,b", "is empty"), ("=x,b", "is empty"), ("", "empty")],
)
def test_labels_that_can_not_be_told_apart_are_refused(words, fault):
    with pytest.raises(ValueError, match=fault):
        parse(words)


def test_telling_words_are_those_of_one_side_and_of_more_than_one_text():
    good = [["fast", "phone", "lovely"], ["lovely", "phone"], ["lovely", "phone", "once"], ["fast", "phone"]]
    bad = [["slow", "phone"], ["slow", "phone", "late"], ["late", "phone"], ["slow"]]
    assert telling(good, bad, 5)[0] == "lovely" and telling(bad, good, 5)[0] == "slow"
    assert not {"phone", "once"} & set(telling(good, bad, 5)) and telling(good[:1], bad, 5) == []


def test_a_file_of_too_many_labels_is_refused_at_once(tmp_path):
    (tmp_path / "labels.txt").write_text("".join(f"{number}\n" for number in range(200_000)))
    with pytest.raises(ValueError, match="200,000 labels; at most 500"):
        parse(str(tmp_path / "labels.txt"))
