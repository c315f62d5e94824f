from dataclasses import replace

import numpy as np
import pytest
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers

from duomo.data.pairs import halves
from duomo.interchange.families import FAMILIES, outward
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe
from duomo.sample import Part, ask
from duomo.tokenizer import Tokenizer
from duomo.vectors import MOST_TOKENS, Embedder, batches
from tests.small import media, model, model_recipe, redrawn, rendered
from tests.small import tokenizer as bytes_tokenizer

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (*MARKS, *"the a cat dog sat ran on mat query passage : , . 中".split())
BIAS = ("q", "k", "v", "out", "up", "down")
BLOCK = BlockRecipe(dim=32, heads=4, norm="layer", eps=1e-12, norm_first=False, feedforward="gelu_erf", position="learned", bias=BIAS)
RECIPE = ModelRecipe(
    shape="encoder", vocab_size=40, encoder_depth=2, block=BLOCK, max_positions=24, final_norm=False, embed_norm=True, token_types=2
)
TEXTS = ["the cat sat", "a dog", "the dog ran on the mat, the cat sat.", "a cat", "the mat", "on, on: on."]


def words():
    inner = tokenizers.Tokenizer(models.WordPiece({word: id for id, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.normalizer, inner.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    inner.add_special_tokens(list(MARKS))
    return Tokenizer(inner, "bert")


def embedder(**changes):
    torch.manual_seed(0)
    return Embedder(redrawn(Model(RECIPE, {})).eval(), words(), **changes)


def test_vectors_have_length_one_and_the_order_of_their_texts():
    made, told = embedder(), []
    vectors = made.embed(TEXTS, progress=told.append)
    assert (vectors.shape, vectors.dtype, sum(told)) == ((len(TEXTS), 32), np.float32, len(TEXTS))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alone = np.concatenate([made.embed([text]) for text in TEXTS])
    assert np.abs(alone - vectors).max() < 1e-5
    assert np.abs(made.embed(TEXTS[::-1])[::-1] - vectors).max() < 1e-5
    assert np.abs(vectors[1:] - vectors[:-1]).max(1).min() > 1e-2, "texts that differ lie apart"


def test_they_are_those_of_the_reference():
    transformers = pytest.importorskip("transformers")
    made, rows = embedder(), [[2, *words().encode(text), 3] for text in TEXTS]
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, max_position_embeddings=24)
    peer = transformers.BertModel(transformers.BertConfig(vocab_size=40, layer_norm_eps=1e-12, **sizes), add_pooling_layer=False).eval()
    peer.load_state_dict(outward(replace(FAMILIES["BertModel"], prefix=""), RECIPE, made.model.state_dict()))
    with torch.inference_mode():
        hidden = [peer(torch.tensor([row])).last_hidden_state[0] for row in rows]
    for pooling, pooled in (("mean", [h.mean(0) for h in hidden]), ("first", [h[0] for h in hidden])):
        wanted = torch.nn.functional.normalize(torch.stack(pooled), dim=-1).numpy()
        assert np.abs(embedder(pooling=pooling).embed(TEXTS) - wanted).max() < 1e-5


def test_what_is_beyond_the_longest_is_not_read_and_the_marks_stay():
    long = "the cat sat on the mat " * 30
    for longest, room in ((None, 22), (8, 6), (100, 22)):
        made = embedder(longest=longest)
        row = made._row(long, "passage", 1)
        assert (row[0], row[-1], len(row)) == (2, 3, room + 2)
        assert row[1:-1] == words().encode(long)[:room]
        assert np.isfinite(made.embed([long])).all()


def test_a_prefix_is_read_and_an_unknown_kind_is_refused():
    made = embedder(prefixes={"query": "query: ", "passage": "passage: "})
    assert np.abs(made.embed(["cat"], "query") - made.embed(["cat"], "passage")).max() > 1e-2
    assert np.abs(made.embed(["cat"], "query") - embedder().embed(["query: cat"])).max() < 1e-6
    with pytest.raises(ValueError, match="known: query, passage"):
        made.embed(["cat"], "question")


def test_text_of_another_language_is_refused_and_the_other_model_named():
    made = embedder()
    assert made.unknown_share("the cat 好") == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match=r"text 2 \('我喜欢看书'\): 100% of it becomes unknown tokens; .*`duomo fetch e5`"):
        made.embed(["the cat", "我喜欢看书"])
    assert made.embed(["the cat sat on 好"]).shape == (1, 32), "a fifth may be unknown"
    assert embedder(unknown=1.0).embed(["我喜欢看书"]).shape == (1, 32)
    assert Embedder(model(model_recipe("encoder", senses=())), bytes_tokenizer()).embed(["我喜欢看书"]).shape == (1, 32), "bytes know all"


def test_empty_texts_models_that_write_and_other_poolings_are_refused():
    with pytest.raises(ValueError, match="text 1 is empty"):
        embedder().embed([" \n"])
    with pytest.raises(ValueError, match="want an encoder"):
        Embedder(model(model_recipe("decoder", senses=())), bytes_tokenizer())
    with pytest.raises(ValueError, match="max_tokens, which is not built; known: mean, first"):
        embedder(pooling="max_tokens")
    assert embedder().embed([]).shape == (0, 32)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 512), max_size=80))
def test_batches_take_every_row_once_and_little_padding(lengths):
    taken = list(batches(lengths))
    assert sorted(number for batch in taken for number in batch) == list(range(len(lengths)))
    for batch in taken:
        longest, shortest = max(lengths[n] for n in batch), min(lengths[n] for n in batch)
        assert longest * len(batch) <= MOST_TOKENS and shortest >= longest * 7 // 8


def test_words_and_pictures_are_read_as_contrast_has_them_learned():
    made = Embedder(redrawn(model(model_recipe("encoder", senses=("image",)))), bytes_tokenizer())
    part = Part("image", media("image", 1))
    shown, told = (rendered(half) for half in halves(ask(part, "what is this?", answer="我喜欢 a cat"), 0))
    vectors = made.read([told, shown, told])
    assert made.shown(part).ids == shown.ids and vectors.shape == (3, 32)
    assert np.abs(made.embed(["我喜欢 a cat"])[0] - vectors[0]).max() < 1e-6
    assert np.abs(made.read([made.shown(part)])[0] - vectors[1]).max() < 1e-5 and np.abs(vectors[1] - vectors[0]).max() > 1e-2


def test_tokens_are_those_of_the_first_half_without_marks_and_prefix():
    made = embedder(prefixes={"query": "query: ", "passage": "passage: "})
    told = made.tokens("the cat sat", "query")
    assert told.shape == (3, 32) and np.allclose(np.linalg.norm(told, axis=1), 1, atol=1e-6)
    taken = []
    hook = made.model.encoder.blocks[0].register_forward_hook(lambda block, given, gave: taken.append(gave))
    made.embed(["the cat sat"], "query")
    hook.remove()
    half = torch.nn.functional.normalize(taken[0][0, 3:6], dim=-1)  # after [CLS], "query" and ":"
    assert np.abs(half.numpy() - told).max() < 1e-5
    whole = embedder(prefixes={"query": "query: "}).tokens("cat", "query")
    assert whole.shape == (1, 32)
