"""Laws of generation: the oracle, batches, and what is drawn."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.data.collate import prompt
from duomo.generate import Reader, Sampling, generate
from duomo.generate.reader import select
from duomo.generate.sampling import FEW, choose, penalise, restrict
from tests.small import dialogue, mixed, model, model_recipe, question, redrawn, rendered

SHAPES = ("decoder", "encoder_decoder")
NEVER = -1  # a stop that no one says
KINDS = ("text", "image", "audio", "video")


@pytest.fixture(scope="module", params=SHAPES)
def m(request):
    torch.set_num_threads(1)
    return redrawn(model(model_recipe(request.param)))


def opened():
    """Prompts of all kinds, of six lengths, one with two pictures and a turn before."""
    return [rendered(s, answer=False) for s in (*(question(KINDS[n % 4], n) for n in range(7)), dialogue())]


def said(m, items, stop_id=NEVER, cached=True, **how):
    batch = prompt(items, m.recipe.shape)
    return torch.stack(list(generate(m, batch, Sampling(**{"max_tokens": 12} | how), stop_id, cached)), 1).tolist()


@pytest.mark.parametrize("how", [{}, {"temperature": 1.5, "top_k": 40, "repetition_penalty": 1.3, "seed": 3}], ids=["greedy", "drawn"])
def test_cached_equals_uncached_token_for_token(m, how):
    fast, slow = said(m, opened(), **how), said(m, opened(), cached=False, **how)
    assert fast == slow and len({tuple(row) for row in fast}) > 5


def test_a_batch_of_many_lengths_equals_each_alone(m):
    assert said(m, opened()) == [said(m, [item])[0] for item in opened()]


def test_the_media_are_seen(m):
    pictures = [[rendered(question("image", n), answer=False)] for n in (1, 3)]
    a, b = (Reader(m, prompt(items, m.recipe.shape), 1).hidden()[:, -1] for items in pictures)
    assert (a - b).abs().max() > 0.1


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
def test_rows_that_are_done_say_stop_and_disturb_no_one(m, cached):
    varied = {"repetition_penalty": 2.0}
    free = said(m, opened(), **varied)
    stop = max({id for row in free for id in row}, key=lambda id: len({row.index(id) for row in free if id in row}))
    ended = [row[: row.index(stop)] if stop in row else row for row in free]
    assert len({len(row) for row in ended}) > 2
    length = min(12, max(map(len, ended)) + 1)
    assert said(m, opened(), stop, cached, **varied) == [(row + [stop] * 12)[:length] for row in ended]


def test_no_one_says_a_placeholder(m):
    reader = Reader(m, prompt(opened(), m.recipe.shape), 1)
    muted = reader.logits()[:, list(m.placeholder.values())]
    assert muted.shape[1] == 3 and bool((muted == -torch.inf).all())


def test_drawing_follows_the_seed_and_leaves_other_generators_alone(m):
    before = torch.get_rng_state()
    drawn = [said(m, opened(), temperature=2.0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(before, torch.get_rng_state())


def test_rows_are_selected_with_their_media():
    items = opened()
    s = prompt(items, "decoder").target
    order = torch.tensor([7, 0, 7, 1])
    again, wanted = select(s, order), prompt([items[i] for i in order], "decoder").target
    assert wanted.media.keys() == again.media.keys() < s.media.keys()
    for name, media in wanted.media.items():
        mine = again.media[name]
        assert torch.equal(mine.row_M, media.row_M) and torch.equal(mine.count_M, media.count_M)
        assert torch.equal(mine.values_MNF[:, : media.values_MNF.shape[1]], media.values_MNF)


def test_what_can_not_answer_is_refused():
    encoder = model(model_recipe("encoder"))
    with pytest.raises(ValueError, match="an encoder can not generate"):
        said(encoder, mixed(count=1))
    with pytest.raises(ValueError, match=r"call model.eval\(\)"):
        said(model(model_recipe()).train(), mixed(count=1))


@pytest.mark.parametrize(
    ("how", "mend"),
    [
        ({"temperature": -1.0}, "temperature is at least 0, not -1"),
        ({"top_p": 1.5}, "top_p is between 0 and 1, not 1.5"),
        ({"max_tokens": 0}, "max_tokens is at least 1"),
        ({"stop": ("",)}, "an empty text"),
        ({"min_p": math.nan}, "min_p is between"),
    ],
)
def test_numbers_out_of_range_are_refused(how, mend):
    with pytest.raises(ValueError, match=mend):
        Sampling(**how)


P = torch.tensor([[0.05, 0.4, 0.1, 0.25, 0.2]], dtype=torch.double)


@pytest.mark.parametrize(
    ("how", "kept"),
    [
        ({}, {0, 1, 2, 3, 4}),
        ({"top_k": 1}, {1}),
        ({"top_k": 3}, {1, 3, 4}),
        ({"top_k": 9}, {0, 1, 2, 3, 4}),
        ({"top_p": 0.0}, {1}),
        ({"top_p": 0.39}, {1}),
        ({"top_p": 0.41}, {1, 3}),
        ({"top_p": 0.86}, {1, 2, 3, 4}),
        ({"top_k": 2, "top_p": 0.6}, {1}),  # 0.4 is more than 0.6 of what two hold
        ({"min_p": 0.3}, {1, 3, 4}),
        ({"min_p": 1.0}, {1}),
        ({"top_k": 4, "top_p": 0.9, "min_p": 0.6}, {1, 3}),
    ],
)
def test_the_unlikely_are_left_out_exactly(how, kept):
    left = restrict(P, Sampling(**how))[0]
    assert {i for i, p in enumerate(left.tolist()) if p} == kept
    assert all(left[i] == P[0, i] for i in kept)


def test_of_equals_only_k_are_kept():
    assert int((restrict(torch.full((2, 6), 1 / 6), Sampling(top_k=4)) > 0).sum()) == 8


def slow_restrict(p, sampling):
    """One token after the other, likeliest first."""
    order = sorted(range(len(p)), key=lambda i: -p[i])
    order = order[: sampling.top_k or len(p)]
    total, kept, mass = sum(p[i] for i in order), [], 0.0
    for i in order:
        if not kept or (mass < sampling.top_p * total):
            kept.append(i)
        mass += p[i]
    return {i for i in kept if p[i] >= sampling.min_p * max(p)}


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8, unique=True), st.integers(0, 9), st.floats(0, 1), st.floats(0, 1))
def test_restriction_is_that_of_a_slow_loop(weights, k, p, min_p):
    sampling, total = Sampling(top_k=k, top_p=p, min_p=min_p), sum(weights)
    p_V = torch.tensor([[w / total for w in weights]], dtype=torch.double)
    mass = p_V[0].sort(descending=True).values[: k or None].cumsum(0)
    edge = (mass - p * mass[-1]).abs().min() < 1e-9 or (p_V / p_V.max() - min_p).abs().min() < 1e-9
    if not edge or p in (0, 1):
        assert {i for i, x in enumerate(restrict(p_V, sampling)[0].tolist()) if x} == slow_restrict(p_V[0].tolist(), sampling)


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.999])
def test_a_nucleus_is_the_same_among_the_likeliest_few_and_among_all(top_p):
    random = torch.Generator().manual_seed(1)
    peaked, flat = (torch.randn(3, 3 * FEW, generator=random, dtype=torch.double) * width for width in (6.0, 0.1))
    p_BV = torch.cat([peaked, flat, peaked + flat]).softmax(-1)
    kept = restrict(p_BV, Sampling(top_p=top_p))
    assert [set(row.nonzero()[:, 0].tolist()) for row in kept] == [slow_restrict(row, Sampling(top_p=top_p)) for row in p_BV.tolist()]
    assert all(torch.equal(restrict(row[None], Sampling(top_p=top_p))[0], whole) for row, whole in zip(p_BV, kept, strict=True))


def test_the_coldest_of_temperatures_takes_the_likeliest():
    assert set(choose(30 * P.log().float().expand(50, -1), Sampling(temperature=1e-300), torch.Generator()).tolist()) == {1}


@pytest.mark.parametrize("temperature", [1e39, math.inf])
def test_the_hottest_of_temperatures_takes_all_alike_but_what_can_not_be_said(temperature):
    logits = torch.tensor([[1.0, 9.0, -torch.inf, 2.0]]).expand(200, -1)
    assert set(choose(logits, Sampling(temperature=temperature), torch.Generator()).tolist()) == {0, 1, 3}


def test_draws_have_the_wanted_shares():
    logits, sampling = P.log().expand(20_000, -1) + 3, Sampling(temperature=0.5, top_k=3)
    drawn = choose(logits, sampling, torch.Generator().manual_seed(1)).bincount(minlength=5) / 20_000
    wanted = torch.tensor([0, 0.4**2, 0, 0.25**2, 0.2**2]) / (0.4**2 + 0.25**2 + 0.2**2)  # temperature 1/2 squares
    assert (drawn - wanted).abs().max() < 3 * 0.5 / math.sqrt(20_000)
    assert set(choose(logits, Sampling(), torch.Generator()).tolist()) == {1}


def test_what_was_said_becomes_less_likely_by_a_factor_once():
    logits, spoken = torch.tensor([[2.0, -1.0, 0.5, 4.0]]), torch.tensor([[0, 1, 1]])
    assert penalise(logits, spoken, 2.0).tolist() == [[1.0, -2.0, 0.5, 4.0]]
    assert penalise(logits, spoken, 1.0) is logits
