"""Parts leave no parameter out and count none twice; worth is the field's formula, and what torch counts of a model's products."""

import pytest
import torch

from duomo.batch import IGNORE
from duomo.data.collate import collate
from duomo.data.render import Rendered
from duomo.model import Model
from duomo.objectives import cross_entropy
from duomo.plan.parts import by_name, parts_of, worth
from duomo.recipe import BlockRecipe, ModelRecipe
from duomo.train.loop import backward
from duomo.train.speed import flops_of
from tests import small

DIM, DEPTH, VOCAB, LENGTH = 32, 3, 400, 24


def document(tokens=LENGTH, turn=1):
    return Rendered([9] * tokens, [True] * tokens, turn=turn)


def plain(shape="decoder", **more):
    depths = {"encoder_depth": 0 if shape == "decoder" else DEPTH, "decoder_depth": 0 if shape == "encoder" else DEPTH}
    return Model(ModelRecipe(shape=shape, vocab_size=VOCAB, block=BlockRecipe(dim=DIM, heads=2), **depths | more), {})


@pytest.mark.parametrize("shape", ["decoder", "encoder", "encoder_decoder"])
@pytest.mark.parametrize("tied", [True, False])
def test_parts_are_the_whole(shape, tied):
    recipe = small.model_recipe(shape).model_copy(update={"tied": tied, "head_bias": True, "token_types": 2})
    model = small.model(recipe)
    parts = parts_of(model)
    assert sum(part.parameters for part in parts) == sum(p.numel() for p in model.parameters())
    assert {"embeddings", "sense image"} <= by_name(parts).keys()


def test_a_plain_decoder_is_worth_six_a_parameter_and_twelve_a_layer_width_and_token():
    model, rows = plain(), 4
    batch = collate([[document(LENGTH + 1)]] * rows, "decoder")
    matmul = sum(part.multiply for part in parts_of(model))
    found = worth(model, [batch, batch])
    assert found.tokens == 2 * rows * LENGTH
    assert found.flops == found.tokens * (6 * matmul + 12 * DEPTH * DIM * LENGTH)


@pytest.mark.parametrize("shape", ["decoder", "encoder", "encoder_decoder"])
def test_products_are_those_that_torch_counts(shape):
    model = plain(shape)
    batch = collate([[document(2 * LENGTH, turn=LENGTH)]] * 2, shape)
    source, target = (0 if s is None else s.ids_BT.shape[1] for s in (batch.source, batch.target))
    pairs = {"decoder": target**2, "encoder": source**2, "encoder_decoder": source**2 + target**2 + source * target}[shape]
    attention = 2 * 12 * DEPTH * DIM * pairs  # torch's counter leaves out the kernel that a processor takes for it
    counted = flops_of(lambda: backward(model, [batch], cross_entropy))
    assert worth(model, [batch]).flops - attention == pytest.approx(counted)


def test_only_what_is_read_and_learned_counts():
    model, whole = plain(), collate([[document()]], "decoder")
    half = torch.where(torch.arange(LENGTH - 1) % 2 == 0, whole.labels_BT, IGNORE)
    few = type(whole)(None, whole.target, half)
    head = VOCAB * DIM * 6
    assert worth(model, [whole]).flops - worth(model, [few]).flops == head * ((LENGTH - 1) // 2)
    packed = collate([[document(), document()]], "decoder")
    assert worth(model, [packed]).flops == pytest.approx(2 * worth(model, [whole]).flops)  # documents do not see each other
    padded = collate([[document()], [document(LENGTH // 2)]], "decoder")
    assert worth(model, [padded]).tokens == LENGTH - 1 + LENGTH // 2 - 1


def test_a_frozen_weight_is_worth_less():
    model, batch = small.model(small.model_recipe()), collate([[item] for item in small.mixed()], "decoder")
    everything = worth(model, [batch]).flops
    model.senses.requires_grad_(False)
    frozen = worth(model, [batch]).flops
    model.senses.requires_grad_(True)
    texts = collate([[item] for item in small.mixed(["text"])], "decoder")
    assert 0 < everything - frozen < everything and worth(model, [texts]).flops > 0
