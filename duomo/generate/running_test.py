"""Laws of a running batch: whoever comes and goes, each answer is what it would be alone."""

import random
from collections import defaultdict
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate import Sampling, Speaker, generate
from duomo.generate.choosing import Chooser, choose_each
from duomo.generate.running import Asked, Running
from tests.small import dialogue, model, model_recipe, question, redrawn, rendered, tokenizer

SHAPES = ("decoder", "encoder_decoder")
KINDS = ("text", "image", "audio", "video")
COMING = st.lists(st.tuples(st.integers(0, 47), st.integers(0, 12)), min_size=1, max_size=6)  # which is asked, and at which turn
GREEDY = Sampling(max_tokens=9)
WAYS = (
    GREEDY,
    Sampling(max_tokens=14, repetition_penalty=1.4),
    Sampling(max_tokens=6, temperature=1.3, seed=3),
    Sampling(max_tokens=11, temperature=0.8, top_k=50, top_p=0.9, seed=8),
    Sampling(max_tokens=11, temperature=0.8, top_k=50, top_p=0.9, seed=9),
    Sampling(max_tokens=7, temperature=2.0, min_p=0.1, repetition_penalty=1.2, seed=1),
)


@pytest.fixture(scope="module", params=SHAPES)
def m(request):
    torch.set_num_threads(1)
    return redrawn(model(model_recipe(request.param)))


@pytest.fixture(scope="module")
def decoder():
    torch.set_num_threads(1)
    return redrawn(model(model_recipe()))


def items():
    """Prompts of all kinds, of many lengths."""
    return [rendered(s, answer=False) for s in (*(question(KINDS[n % 4], n) for n in range(7)), dialogue())]


def asked(m, number, **more):
    return Asked(prompt([items()[number % 8]], m.recipe.shape), WAYS[number % len(WAYS)], **more)


def alone(m, one):
    """Its ids by `generate`, without the stop."""
    stop, said = tokenizer().stop_id, [int(id) for id in generate(m, one.prompt, one.sampling, tokenizer().stop_id)]
    return said[: said.index(stop)] if stop in said else said


def told_alone(m, one):
    """Its text and its finish as `Speaker` and `generate` have them."""
    ids = alone(m, one)
    return tokenizer().decode(ids).rstrip("\ufffd"), "length" if len(ids) == one.sampling.max_tokens else "stop", len(ids)


def all_told(running, events=()):
    """Runs until nothing is left; (text, finish, tokens) of each answer."""
    texts, ends = defaultdict(str), {}
    events = list(events)
    while not running.idle or events:
        for told in events or running.turn():
            assert told.key not in ends and told.fault is None
            texts[told.key] += told.text
            if told.last:
                ends[told.key] = (texts[told.key], told.finish, told.completion_tokens)
        events = []
    return ends


@pytest.mark.parametrize("seed", range(4))
def test_joins_leaves_and_cancels_change_no_answer(m, seed):
    chance = random.Random(seed)
    rows, chunk = chance.choice((1, 2, 3, 5)), chance.choice((1, 2, 5, 64))
    running, requests = Running(m, tokenizer(), rows, 128, chunk), {key: asked(m, chance.randrange(48)) for key in range(12)}
    coming, cancelled, texts, ends = list(requests), set(), defaultdict(str), {}
    while coming or not running.idle:
        for _ in range(chance.choice((0, 0, 1, 2)) if coming else 0):
            if coming:
                running.add(key := coming.pop(), requests[key])
        if chance.random() < 0.05 and (there := set(requests) - set(coming) - set(ends) - cancelled):
            cancelled.add(gone := chance.choice(sorted(there)))
            running.cancel(gone)
        for told in running.turn():
            assert told.key not in cancelled and told.key not in ends and told.fault is None
            texts[told.key] += told.text
            ends |= {told.key: (texts[told.key], told.finish, told.completion_tokens)} if told.last else {}
        assert len(running.running) <= rows
    assert cancelled < set(requests) and set(ends) == set(requests) - cancelled and running.used == 0
    assert ends == {key: told_alone(m, requests[key]) for key in ends}


@settings(max_examples=12, deadline=None)
@given(COMING, st.integers(1, 4), st.integers(1, 400), st.booleans())
def test_any_schedule_gives_what_each_gives_alone(requests, rows, chunk, together):
    m = redrawn(model(model_recipe()))
    running, ends, turn = Running(m, tokenizer(), rows, 96, chunk), {}, 0
    running.together = together
    texts = defaultdict(str)
    while len(ends) < len(requests):
        for key, (number, begins) in enumerate(requests):
            if begins == turn:
                running.add(key, asked(m, number))
        for told in running.turn():
            texts[told.key] += told.text
            ends |= {told.key: (texts[told.key], told.finish, told.completion_tokens)} if told.last else {}
        turn += 1
    assert ends == {key: told_alone(m, asked(m, number)) for key, (number, _) in enumerate(requests)}


def test_a_long_prompt_stalls_no_one_longer_than_a_chunk(decoder):
    running = Running(decoder, tokenizer(), 2, 250, 8)
    running.add(0, Asked(prompt([items()[0]], "decoder"), Sampling(max_tokens=60), stop_ids=(-1,)))
    while not running.running:
        running.turn()
    long = rendered(question("text", 0), answer=False)
    long = Asked(prompt([Rendered(long.ids * 8, [False] * 8 * len(long.ids))], "decoder"), GREEDY)
    running.add(1, long)
    said, read = [], []
    while len(running.running) < 2:
        running.turn()
        said.append(len(running.running[0].telling.ids))
        read.append(running.used)
    assert len(said) >= 2 * long.prompt.target.ids_BT.shape[1] // 8
    assert all(later > earlier for earlier, later in zip(said[:-2:2], said[2::2], strict=False))  # a token every second turn
    assert max(b - a for a, b in zip(read, read[1:], strict=False)) <= 9


def test_prompts_are_read_by_the_quick_way_as_steps_are(decoder):
    running, lengths = Running(decoder, tokenizer(), 2, 96, 64), []
    swift = running.cache.swift

    class Noting:
        watched = False

        def __call__(self, x_BTD, *more):
            lengths.append(x_BTD.shape[1])
            return swift(x_BTD, *more)

    running.cache.swift, one = Noting(), asked(decoder, 0, stop_ids=(-1,))
    running.add(0, one)
    all_told(running)
    assert lengths == [one.prompt.target.ids_BT.shape[1]] + [1] * (GREEDY.max_tokens - 1)


def test_of_many_who_come_at_once_the_first_does_not_wait_for_the_last(decoder):
    running = Running(decoder, tokenizer(), 4, 96, 256)
    for key in range(4):
        running.add(key, asked(decoder, 0, logprobs=0, stop_ids=(-1,)))
    for key in range(4):
        assert [told.key for told in running.turn()] == [key]
    assert sorted(told.key for told in running.turn()) == [0, 1, 2, 3]


def test_a_row_that_leaves_is_replaced_by_the_last_and_no_other_is_copied(decoder):
    running = Running(decoder, tokenizer(), 4, 96, 64)
    for key in range(4):
        running.add(key, replace(asked(decoder, 0), stop_ids=(-1,)))
    running.turn()
    while len(running.running) < 4:
        running.turn()
    keys = {row: next(iter(running.cache.layers.values()))[0][row].clone() for row in range(4)}
    running.cancel(1)
    assert [answer.key for answer in running.running] == [0, 3, 2]
    now = next(iter(running.cache.layers.values()))[0]
    assert torch.equal(now[0], keys[0]) and torch.equal(now[1], keys[3]) and torch.equal(now[2], keys[2])


def test_the_cache_is_made_once_and_stays_where_it_is(decoder):
    running = Running(decoder, tokenizer(), 3, 96, 16)
    places = [x.data_ptr() for pair in running.cache.layers.values() for x in pair]
    assert len(places) == 4 and next(iter(running.cache.layers.values()))[0].shape[:3:2] == (3, 97)
    for key in range(5):
        running.add(key, asked(decoder, key))
    assert len(all_told(running)) == 5
    assert places == [x.data_ptr() for pair in running.cache.layers.values() for x in pair]


@pytest.mark.parametrize("stop", [("e",), (" ", "ea", "tt"), ("\n",)], ids=str)
def test_stops_end_an_answer_as_a_speaker_has_it(m, stop):
    sampling = Sampling(max_tokens=24, temperature=1.2, stop=stop, seed=5)
    samples = [question(KINDS[n % 4], n) for n in range(6)]
    running = Running(m, tokenizer(), 4, 128, 16)
    for key, sample in enumerate(samples):
        running.add(key, Asked(prompt([rendered(sample, answer=False)], m.recipe.shape), sampling))
    speaker = Speaker(m, tokenizer(), sampling=sampling)
    assert {key: text for key, (text, _, _) in all_told(running).items()} == {
        key: "".join(speaker.stream(sample)) for key, sample in enumerate(samples)
    }


@pytest.mark.parametrize("number", [3, 5, 7])
def test_logprobs_are_the_models_own_of_the_tokens_in_order_whatever_bends_them(decoder, number):
    running, one = Running(decoder, tokenizer(), 2, 96, 16), asked(decoder, number, logprobs=3)
    running.add(0, one)
    running.add(1, asked(decoder, 2))
    events = []
    while not running.idle:
        events += running.turn()
    mine = [told for told in events if told.key == 0]
    tokens = [token for told in mine for token in told.logprobs]
    assert [token.id for token in tokens] == alone(decoder, one)
    assert all(told.logprobs == () for told in events if told.key == 1)
    ids, wanted = one.prompt.target.ids_BT[0].tolist(), []
    for token in tokens:
        s = prompt([Rendered(ids, [False] * len(ids), items()[number].media)], "decoder")
        logits_V = decoder(s)[0, -1].detach()
        logits_V[list(decoder.placeholder.values())] = -torch.inf
        wanted.append(float(logits_V.log_softmax(-1)[token.id]))
        assert [other.id for other in token.top] == logits_V.topk(3).indices.tolist()
        known = token.id < tokenizer().vocab_size  # the head of small models is wider than their tokenizer
        assert token.text == (tokenizer().readable(token.id) if known else f"<{token.id}>")
        ids = [*ids, token.id]
    assert [token.logprob for token in tokens] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("as_what", [list, torch.tensor, lambda ids: torch.isin(torch.arange(12), torch.tensor(ids))])
def test_a_grammar_may_allow_what_the_head_does_not_reach(as_what):
    class Only:
        def mask(self):
            return as_what([2, 9, -1])

        def take(self, id):
            pass

    logits = torch.linspace(1, 0, 8)[None]
    assert choose_each(logits, [Chooser(Sampling(), Only())]) == [2]


class Digits:
    """A toy grammar: so many digits, then the end."""

    def __init__(self, count, as_mask=False):
        self.ids, self.left, self.as_mask = [tokenizer().encode(str(n))[0] for n in range(10)], count, as_mask

    def mask(self):
        ids = self.ids if self.left else [tokenizer().stop_id]
        return torch.isin(torch.arange(tokenizer().vocab_size), torch.tensor(ids)) if self.as_mask else ids

    def take(self, id):
        assert id in self.ids
        self.left -= 1


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_a_grammar_is_kept_and_touches_no_neighbour(decoder, way):
    running = Running(decoder, tokenizer(), 4, 96, 16)
    for key, allow in enumerate((Digits(3), Digits(5, as_mask=True), None)):
        running.add(key, replace(asked(decoder, way), sampling=WAYS[way], allow=allow))
    ends = all_told(running)
    assert [len(ends[key][0]) for key in (0, 1)] == [3, 5] and (ends[0][0] + ends[1][0]).isdigit()
    assert [ends[key][1] for key in (0, 1)] == ["stop", "stop"]
    assert ends[2] == told_alone(decoder, replace(asked(decoder, way), sampling=WAYS[way]))


class Broken:
    """A grammar that fails after so many tokens, by raising or by allowing nothing."""

    def __init__(self, after, raises):
        self.after, self.raises = after, raises

    def mask(self):
        return [] if self.after == 0 and not self.raises else range(400)

    def take(self, id):
        if self.after == 0:
            raise RuntimeError("lost")
        self.after -= 1


@pytest.mark.parametrize("raises", [True, False])
def test_a_grammar_that_fails_takes_no_one_with_it(decoder, raises):
    running, faults, texts = Running(decoder, tokenizer(), 3, 96, 16), {}, defaultdict(str)
    requests = {0: asked(decoder, 0), 1: replace(asked(decoder, 1), allow=Broken(2, raises), stop_ids=(-1,)), 2: asked(decoder, 1)}
    for key, one in requests.items():
        running.add(key, one)
    while not running.idle:
        for told in running.turn():
            faults |= {told.key: told.fault} if told.fault else {}
            texts[told.key] += told.text
    assert set(faults) == {1} and ("lost" if raises else "allows no token") in str(faults[1])
    assert all(texts[key] == told_alone(decoder, requests[key])[0] for key in (0, 2)) and running.used == 0


def test_an_answer_may_be_ended_anywhere(decoder):
    running = Running(decoder, tokenizer(), 1, 96, 4)
    for key in range(2):
        running.add(key, Asked(prompt([items()[0]], "decoder"), Sampling(max_tokens=60), stop_ids=(-1,)))
    running.turn()
    waiting, reading = (running.end(key, "deadline") for key in (1, 0))
    assert (waiting.finish, reading.finish, reading.completion_tokens) == ("deadline", "deadline", 0) and running.idle
    assert running.end(0, "deadline") is None
    running.add(2, Asked(prompt([items()[0]], "decoder"), Sampling(max_tokens=60), stop_ids=(-1,)))
    while not running.running or len(running.running[0].telling.ids) < 5:
        running.turn()
    ended = running.end(2, "deadline")
    assert ended.completion_tokens == 5 and ended.prompt_tokens == len(items()[0].ids) and running.idle and running.used == 0


def test_an_answer_ends_where_its_room_does(decoder):
    one = Asked(prompt([items()[0]], "decoder"), Sampling(max_tokens=200), stop_ids=(-1,))
    running = Running(decoder, tokenizer(), 2, len(items()[0].ids) + 4, 64)
    running.add(0, one)
    ((_, finish, tokens),) = all_told(running).values()
    assert (finish, tokens) == ("length", 5)
    assert Running(decoder, tokenizer(), 1).cache.capacity == decoder.recipe.max_positions < 2048


def test_what_can_not_run_is_refused(decoder):
    running = Running(decoder, tokenizer(), 2, 20, 64)
    with pytest.raises(ValueError, match="beams are not searched"):
        running.add(0, Asked(prompt([items()[0]], "decoder"), Sampling(beams=2)))
    with pytest.raises(ValueError, match="between 0 and 20 alternatives, not 21"):
        running.add(0, asked(decoder, 0, logprobs=21))
    with pytest.raises(ValueError, match=r"tokens, but there is room for 20 at most; shorten it"):
        running.add(0, Asked(prompt([Rendered(list(range(50, 71)), [False] * 21)], "decoder")))
    with pytest.raises(ValueError, match="one row at a time"):
        running.add(0, Asked(prompt(items(), "decoder")))
    with pytest.raises(ValueError, match="an encoder can not generate"):
        Running(model(model_recipe("encoder")), tokenizer())
    with pytest.raises(ValueError, match=r"call model.eval\(\)"):
        Running(model(model_recipe()).train(), tokenizer())
    with pytest.raises(ValueError, match="at least 1 row"):
        Running(decoder, tokenizer(), rows=0)
    assert running.idle


@pytest.mark.parametrize("at", ["prompt", "step"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_is_no_number_in_one_answer_reaches_no_one_who_comes_after(decoder, at, temperature):
    running, faults, ends = Running(decoder, tokenizer(), 2, 96, 64), {}, defaultdict(str)
    long = [5, *tokenizer().encode("the cat sat on the mat")] * 2

    def poison(module, given):
        hidden_BTD = given[0]
        here = hidden_BTD.shape[1] == len(long) if at == "prompt" else running.running and running.running[0].read == len(long)
        return (hidden_BTD * torch.nan, *given[1:]) if here else None

    held = decoder.decoder.register_forward_pre_hook(poison)
    once = Sampling(max_tokens=3, temperature=temperature)
    running.add(0, Asked(prompt([Rendered(long, [False] * len(long))], "decoder"), once, stop_ids=(-1,)))
    while not running.idle:
        faults |= {told.key: told.fault for told in running.turn() if told.fault}
    held.remove()
    assert set(faults) == {0} and "no numbers" in str(faults[0]) and running.used == 0
    requests = {1: Asked(prompt([Rendered(long[:4], [False] * 4)], "decoder"), GREEDY), 2: asked(decoder, 0)}
    for key, one in requests.items():
        running.add(key, replace(one, logprobs=0))
    while not running.idle:
        for told in running.turn():
            assert told.fault is None and all(token.logprob <= 0 for token in told.logprobs), "NaN is below nothing"
            ends[told.key] += told.text
    assert all(ends[key] == told_alone(decoder, one)[0] for key, one in requests.items())


def test_prompts_that_can_not_be_read_stall_no_one_longer_than_others(decoder):
    running = Running(decoder, tokenizer(), 2, 250, 8)
    running.add(0, Asked(prompt([items()[0]], "decoder"), Sampling(max_tokens=60), stop_ids=(-1,)))
    while not running.running:
        running.turn()

    def fail(module, given):
        if given[0].shape[1] > 1:
            raise RuntimeError("out of memory")

    held, said = decoder.decoder.register_forward_pre_hook(fail), []
    for key in range(1, 6):
        running.add(key, asked(decoder, 7))
    while running.waiting:
        running.turn()
        said.append(len(running.running[0].telling.ids))
    held.remove()
    assert max(said) - min(said) >= 3


def test_a_source_that_is_longer_than_its_room_is_refused():
    m = redrawn(model(model_recipe("encoder_decoder", senses=())))
    running = Running(m, tokenizer(), 2, 40, 64, source=12)
    with pytest.raises(ValueError, match="21 tokens, but there is room for 12"):
        running.add(0, Asked(prompt([Rendered(list(range(50, 71)), [False] * 21, turn=21)], "encoder_decoder")))
    running.add(1, Asked(prompt([Rendered(list(range(50, 62)), [False] * 12, turn=12)], "encoder_decoder")))
    assert len(all_told(running)) == 1


def test_probabilities_that_are_no_numbers_are_the_fault_of_their_row_alone():
    logits = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    wanted = choose_each(logits, [Chooser(Sampling(temperature=1.0, seed=n)) for n in range(2)])
    logits = torch.cat([logits[:1], torch.full((1, 8), torch.nan), logits[1:]])
    found = choose_each(logits, [Chooser(Sampling(temperature=1.0, seed=n)) for n in (0, 5, 1)])
    assert isinstance(found[1], RuntimeError) and [found[0], found[2]] == wanted
