"""Where the survey article that started this project is wrong: each wrong form fails here, and ours does not.

The article's listing is `nn.Transformer(d, heads, layers)` on batch-first tensors of words, trained on the target itself. One more of
its claims, privacy "without sacrificing performance", is held against the privacy budget by the work on private training.
"""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from duomo.blocks import Attention, View
from duomo.data.classical import prepare_words
from duomo.data.collate import collate
from duomo.data.render import Rendered
from duomo.data.splits import split_of
from duomo.objectives import cross_entropy
from duomo.recipe import BlockRecipe, ModelRecipe
from duomo.sample import ask
from duomo.train.loop import loop
from tests.house import imports, modules
from tests.small import model, model_recipe, redrawn, rendered, tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # torch on the slow path of the wrong forms

DIM, HEADS, VOCAB = 32, 4, 24
WORDS = range(12, VOCAB)  # ids that stand for words; below are control tokens
BEGIN, END = 6, 2


class Listing(nn.Module):
    """The article's model as it stands, once words were made ids for it."""

    def __init__(self, batch_first=True):
        super().__init__()
        torch.manual_seed(0)
        self.core = nn.Transformer(DIM, HEADS, 1, 1, 64, 0.0, batch_first=batch_first)
        self.tokens, self.head = nn.Embedding(VOCAB, DIM), nn.Linear(DIM, VOCAB)

    def forward(self, source, target):
        return self.head(self.core(self.tokens(source), self.tokens(target)))


def ours(**block):
    inner = BlockRecipe(dim=DIM, heads=HEADS, **block)
    return model(ModelRecipe(shape="encoder_decoder", vocab_size=VOCAB, encoder_depth=1, decoder_depth=1, block=inner))


def pairs(count, length=5, seed=0):
    """Random sources with random targets: there is nothing to find out."""
    random = torch.Generator().manual_seed(seed)
    draw = torch.randint(WORDS.start, WORDS.stop, (2, count, length), generator=random)
    return draw[0], draw[1]


def batch_of(source, target):
    """The same pairs as our batches: shifted, with begin and end."""
    return collate([[pair(s, t)] for s, t in zip(source.tolist(), target.tolist(), strict=True)], "encoder_decoder")


def pair(source, target):
    return Rendered([*source, BEGIN, *target, END], [False] * (len(source) + 1) + [True] * (len(target) + 1), turn=len(source) + 1)


def test_the_third_argument_is_the_depth_of_the_encoder_only():
    wrong = nn.Transformer(16, 2, 3)
    assert (len(wrong.encoder.layers), len(wrong.decoder.layers)) == (3, 6)
    right = model(model_recipe("encoder_decoder", senses=(), depth=3))
    assert (len(right.encoder.blocks), len(right.decoder.blocks)) == (3, 3)
    with pytest.raises(ValueError, match="wants encoder_depth > 0 and decoder_depth > 0"):
        ModelRecipe(shape="encoder_decoder", encoder_depth=3)


@torch.no_grad()
def test_without_positions_the_order_of_the_source_is_lost():
    source, target = pairs(2, length=8)
    order = torch.tensor([3, 1, 7, 0, 5, 2, 6, 4])
    wrong = redrawn(Listing())
    assert (wrong(source, target) - wrong(source[:, order], target)).abs().max() < 1e-5

    def change(m):
        return float((m(batch_of(source, target)) - m(batch_of(source[:, order], target))).abs().max())

    assert change(redrawn(ours(position="none"))) < 1e-5
    for position in ("sinusoidal", "learned", "rotary"):
        assert change(redrawn(ours(position=position))) > 1e-2


def test_an_unmasked_and_unshifted_target_is_copied_and_ours_can_not_be():
    wrong, steps = Listing(), 120
    made = torch.optim.AdamW(wrong.parameters(), 1e-2)
    for step in range(steps):
        source, target = pairs(32, seed=step)
        made.zero_grad()
        F.cross_entropy(wrong(source, target).flatten(0, 1), target.flatten()).backward()
        made.step()
    right = ours().train()
    batches = ([batch_of(*pairs(32, seed=step))] for step in range(steps))
    list(loop(right, batches, cross_entropy, torch.optim.AdamW(right.parameters(), 1e-2), lambda _: 1.0))
    unseen = pairs(200, seed=10**6)
    with torch.no_grad():
        assert (wrong(*unseen).argmax(-1) == unseen[1]).float().mean() > 0.99, "it copies what it was shown"
        said = right.eval()(batch_of(*unseen)).argmax(-1)
    assert (said[:, :-1] == unseen[1]).float().mean() < 2.5 / len(WORDS), "chance, for there is nothing to find out"
    assert (said[:, -1] == END).float().mean() > 0.99, "but it did learn when to stop"


@torch.no_grad()
def test_batch_first_tensors_in_a_sequence_first_model_mix_the_sentences():
    source, target = pairs(2)
    other = torch.stack([source[0], source[1].flip(0) ^ 1])
    wrong = redrawn(Listing(batch_first=False))
    assert (wrong(source, target) - wrong(other, target))[0].abs().max() > 1e-2
    right = redrawn(ours())
    first, second = (right(batch_of(s, target)) for s in (source, other))
    assert torch.equal(first[0], second[0]) and not torch.equal(first[1], second[1])


def test_words_are_not_numbers():
    words = ["I love to read books.".split()]
    with pytest.raises((TypeError, AttributeError)):
        Listing()(words, words)
    batch = collate([[rendered(ask("I love to read books.", answer="我喜欢看书。"))]], "encoder_decoder")
    loss = cross_entropy(model(model_recipe("encoder_decoder")), batch)
    assert loss.total_B.isfinite().all()
    assert tokenizer().special["<|bos|>"] == int(batch.source.ids_BT[0, 0])
    assert tokenizer().stop_id == int(batch.labels_BT[0, -1])


@torch.no_grad()
def test_padding_that_is_not_masked_changes_the_answer():
    source, target = pairs(1)
    wrong = redrawn(Listing())
    longer = F.pad(source, (0, 4))
    assert (wrong(source, target) - wrong(longer, target)).abs().max() > 1e-2
    right, neighbour = redrawn(ours()), pairs(1, length=9, seed=1)
    alone, beside = batch_of(source, target), [pair(source[0].tolist(), target[0].tolist()), pair(*(one[0].tolist() for one in neighbour))]
    padded = collate([[item] for item in beside], "encoder_decoder")
    assert padded.source.layout.padded
    assert (right(alone)[0] - right(padded)[0, :6]).abs().max() < 1e-5


def test_validation_on_what_was_learned_praises_a_parrot():
    sentences = [f"sentence {n} of a corpus" for n in range(400)]
    corpus = [ask(s, answer=s.upper()) for s in sentences] + [ask(f"  {s.title()}  ", answer=s.upper()) for s in sentences[::3]]

    def parrots(train, valid):
        known = {plain(sample): sample.answer for sample in train}
        return sum(known.get(plain(sample)) == sample.answer for sample in valid) / len(valid)

    def plain(sample):
        return " ".join(sample.messages[0].text.casefold().split())

    assert parrots(corpus, corpus[:2]) == 1.0, "the article's two sentences, which it trained on"
    splits = {name: [sample for sample in corpus if split_of(sample, 0.1) == name] for name in ("train", "valid", "test")}
    assert all(len(found) > 20 for found in splits.values())
    assert parrots(splits["train"], splits["valid"]) == parrots(splits["train"], splits["test"]) == 0.0
    contents = [{plain(sample) for sample in found} for found in splits.values()]
    assert not any(a & b for a, b in pairwise([*contents, contents[0]]))


def test_stop_words_are_taken_out_for_analysis_only():
    text = "I love to read books."
    assert " ".join(prepare_words(text, "en", stem=False, signs=True)) == "love read books ."
    assert tokenizer().decode(rendered(ask(text)).ids) == text
    known = modules()
    users = {name for name, module in known.items() if "duomo.data.classical" in imports(module, known)}
    assert not {name for name in users if name.startswith(("duomo.data", "duomo.train", "duomo.generate", "duomo.model"))}


def formula(layer, x_TD):
    """The article's attention: keys in the place of queries, and the weights alone for an answer. Scores and weights."""
    k_TD = layer.k(x_TD)
    scores_TT = k_TD @ k_TD.T / math.sqrt(k_TD.shape[-1])
    return scores_TT, scores_TT.softmax(-1)


@torch.no_grad()
def test_attention_needs_queries_of_its_own_and_sums_the_values():
    layer = redrawn(Attention(BlockRecipe(dim=DIM, heads=1, bias=("q", "k", "v", "out"))))
    x = torch.randn(6, DIM, generator=torch.Generator().manual_seed(0))
    scores, wrong = formula(layer, x)
    assert torch.allclose(scores, scores.T, atol=1e-4), "a verb looks at its noun exactly as the noun looks at its verb"
    ours = layer.q(x) @ layer.k(x).T / math.sqrt(DIM)
    assert not torch.allclose(ours, ours.T, atol=0.1)
    assert wrong.shape == (6, 6), "weights, not vectors: the values were never read"
    theirs = nn.MultiheadAttention(DIM, 1, batch_first=True)
    theirs.in_proj_weight.copy_(torch.cat([layer.q.weight, layer.k.weight, layer.v.weight]))
    theirs.in_proj_bias.copy_(torch.cat([layer.q.bias, layer.k.bias, layer.v.bias]))
    theirs.out_proj.load_state_dict(layer.out.state_dict())
    assert (layer(x[None], View()) - theirs(x[None], x[None], x[None])[0]).abs().max() < 1e-5
    before = layer(x[None], View())
    layer.v.weight.mul_(2)
    assert (before - layer(x[None], View())).abs().max() > 0.1 and torch.equal(wrong, formula(layer, x)[1])
