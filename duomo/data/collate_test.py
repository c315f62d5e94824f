from dataclasses import replace

import numpy as np
import pytest
import torch

from duomo.batch import IGNORE
from duomo.data.collate import Masker, check, collate, prompt, stream
from duomo.data.render import Rendered
from duomo.modalities import MODALITIES
from duomo.sample import ask
from tests.small import dialogue, mixed, question, rendered, tokenizer

MASK = 3


def decoded(ids):
    return tokenizer().decode(ids.tolist())


def test_a_decoder_learns_the_next_token():
    item = rendered(ask("which letter?", answer="abc"))
    batch = collate([[item]], "decoder")
    assert batch.source is None
    assert batch.target.ids_BT[0].tolist() == item.ids[:-1]
    learned = batch.labels_BT[0] != IGNORE
    assert batch.labels_BT[0][learned].tolist() == item.ids[item.turn :]
    assert (batch.target.ids_BT[0, 1:][learned[:-1]] == batch.labels_BT[0, :-1][learned[:-1]]).all()


def test_an_encoder_sees_the_mask_where_the_answer_is_learned():
    item = rendered(ask("which letter?", answer="abc"))
    batch = collate([[item]], "encoder")
    learned = torch.tensor(item.learn)
    assert batch.target is None
    assert set(batch.source.ids_BT[0][learned].tolist()) == {MASK}
    assert batch.labels_BT[0][learned].tolist() == item.ids[item.turn :]
    assert batch.source.ids_BT[0][~learned].tolist() == item.ids[: item.turn]
    assert (batch.labels_BT[0][~learned] == IGNORE).all()


def test_an_encoder_decoder_is_cut_at_the_last_answer():
    item = rendered(dialogue())
    batch = collate([[item]], "encoder_decoder")
    assert decoded(batch.source.ids_BT[0]) == "which letter?onewhich letter?"
    assert len(batch.source.media["image"].count_M) == 2
    assert not batch.target.media
    assert batch.target.ids_BT[0, 0] == tokenizer().special["<|assistant|>"]
    assert decoded(batch.target.ids_BT[0]) == "two"
    assert batch.labels_BT[0].tolist() == [*tokenizer().encode("two"), tokenizer().stop_id]
    check(batch, tokenizer().placeholders(MODALITIES))


@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder"])
def test_a_prompt_is_a_training_batch_without_the_answer(shape):
    sample = dialogue()
    asked, trained = prompt([rendered(sample, answer=False)], shape), collate([[rendered(sample)]], shape)
    turn = rendered(sample).turn
    if shape == "decoder":
        assert asked.target.ids_BT[0].tolist() == trained.target.ids_BT[0, :turn].tolist()
    else:
        assert asked.source.ids_BT.tolist() == trained.source.ids_BT.tolist()
        assert asked.target.ids_BT[0].tolist() == trained.target.ids_BT[0, :1].tolist()


def test_prompts_end_together():
    items = [rendered(question("text", n), answer=False) for n in range(3)]
    batch = prompt(items, "decoder").target
    for row, item in enumerate(items):
        real = batch.segment_BT[row] != 0
        assert batch.ids_BT[row][real].tolist() == item.ids and real[-1]
        assert batch.position_BT[row][real].tolist() == list(range(len(item.ids)))


def test_packed_documents_keep_their_own_places():
    first, second = mixed(("text",), 2)
    s = stream([[first, second]], causal=True)
    lengths = len(first.ids), len(second.ids)
    assert s.segment_BT[0].tolist() == [1] * lengths[0] + [2] * lengths[1]
    assert s.position_BT[0].tolist() == [*range(lengths[0]), *range(lengths[1])]
    assert torch.equal(s.group_BT, s.position_BT)


def test_labels_of_packed_documents_do_not_cross():
    items = mixed(("text",), 3)
    batch = collate([items], "decoder")
    alone = [collate([[item]], "decoder") for item in items]
    assert batch.labels_BT[0].tolist() == [label for one in alone for label in one.labels_BT[0].tolist()]


def test_media_are_rows_in_reading_order_and_know_their_row():
    items = mixed(("image", "text", "image"), 6)
    found = collate([items[:4], items[4:]], "decoder").target.media["image"]
    assert found.row_M.tolist() == [0, 0, 0, 1]
    expected = [patches for item in items for _, patches in item.media]
    for m, patches in enumerate(expected):
        count = int(found.count_M[m])
        assert torch.equal(found.values_MNF[m, :count], patches.values_NF) and not found.values_MNF[m, count:].any()


@pytest.mark.parametrize("shape", ["encoder", "decoder", "encoder_decoder"])
def test_weights_lie_at_the_labels_of_their_document(shape):
    items = [replace(item, weight=weight) for item, weight in zip(mixed(("text", "image"), 3), (1.0, 0.5, 4.0), strict=True)]
    rows = [[item] for item in items] if shape == "encoder_decoder" else [items[:2], items[2:]]
    batch = collate(rows, shape)
    stream = batch.target or batch.source
    owner = {(r, s + 1): item.weight for r, row in enumerate(rows) for s, item in enumerate(row)}
    for r, t in (batch.labels_BT != IGNORE).nonzero().tolist():
        assert batch.weight_BT[r, t] == owner[r, int(stream.segment_BT[r, t])]
    assert collate([[mixed()[0]]], shape).weight_BT is None


def test_a_wrong_number_of_patches_is_refused():
    item = rendered(question("image", 1))
    batch = collate([[replace(item, media=[])]], "decoder")
    with pytest.raises(ValueError, match="image: 4 placeholders but 0 patches; render the sample again"):
        check(batch, tokenizer().placeholders(MODALITIES))
    assert check(collate([[item]], "decoder"), tokenizer().placeholders(MODALITIES)).target is not None


def test_an_encoder_decoder_refuses_what_it_can_not_learn():
    items = mixed(("text",), 2)
    with pytest.raises(ValueError, match="one document a row"):
        collate([items], "encoder_decoder")
    with pytest.raises(ValueError, match="without an assistant message"):
        collate([[rendered(ask("a question"))]], "encoder_decoder")


def learned(count, seed=0):
    ids = np.random.default_rng(seed).integers(20, 300, count).tolist()
    return Rendered(ids, [i % 10 != 0 for i in range(count)])


def test_masked_words_are_of_three_fates():
    item = learned(20_000)
    shown, labels = Masker(0.15, MASK, 300, (0, 1), first_id=20)(item)
    ids, shown, labels = np.array(item.ids), np.array(shown.ids), np.array(labels)
    chosen = labels != IGNORE
    assert not chosen[~np.array(item.learn)].any()
    assert np.array_equal(labels[chosen], ids[chosen]) and np.array_equal(shown[~chosen], ids[~chosen])
    assert chosen.sum() / sum(item.learn) == pytest.approx(0.15, abs=0.01)
    assert (shown == MASK)[chosen].mean() == pytest.approx(0.8, abs=0.03)
    assert (shown == ids)[chosen].mean() == pytest.approx(0.1, abs=0.03)
    assert shown[chosen & (shown != MASK)].min() >= 20


def test_masks_are_a_function_of_seed_and_step():
    item = learned(100)
    draws = [Masker(0.15, MASK, 300, seed, first_id=20)(item)[1] for seed in ((0, 1), (0, 1), (0, 2))]
    assert draws[0] == draws[1] != draws[2]


def test_control_tokens_are_never_masked_words():
    item = Rendered([1, 30, 31, 2], [False, True, True, True])
    shown, labels = Masker(1.0, MASK, 300, (0, 1), first_id=20)(item)
    assert labels == [IGNORE, 30, 31, IGNORE] and shown.ids[0] == 1 and shown.ids[-1] == 2
