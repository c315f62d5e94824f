"""Laws that only a GPU can show: its own ways of attention, of losses and of writing give what the plain ways give."""

import pytest
import torch

from duomo.batch import move
from duomo.commands.train import compile_blocks, precision
from duomo.data.collate import collate, prompt
from duomo.generate import Sampling, generate
from duomo.generate.running import Asked, Running
from duomo.objectives.cross_entropy import cross_entropy
from tests import own
from tests.small import dialogue, model, model_recipe, question, redrawn, rendered, tokenizer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
GPU = torch.device("cuda")


def small():
    return redrawn(model(model_recipe()))


def packed(shape="decoder"):
    """Two rows of several documents, texts and pictures among them, one row shorter than the other."""
    items = [rendered(one) for one in (*(question("text", n) for n in range(5)), question("image", 2), dialogue())]
    return collate([items[:4], items[4:]], shape)


def far(found, truth):
    return float((found.cpu().double() - truth.double()).norm() / truth.double().norm())


@pytest.mark.parametrize("compiled", [False, True])
def test_packed_documents_in_half_precision_are_near_the_oracle(compiled):
    m, batch = small(), packed()
    real = batch.target.segment_BT != 0
    truth, there = m.decode(batch.target, dense=True)[real], move(batch, GPU)
    m = m.to(GPU)
    if compiled:
        compile_blocks(m)
    with precision("bf16", GPU):
        assert far(m.decode(there.target)[real.to(GPU)].detach(), truth.detach()) < 0.02


def test_losses_and_gradients_are_those_of_the_processor():
    m, batch = small(), packed()
    truth = cross_entropy(m, batch)
    truth.total_B.sum().backward()
    gradients = {name: p.grad.clone() for name, p in m.named_parameters() if p.grad is not None}
    m.zero_grad()
    m = m.to(GPU)
    loss = cross_entropy(m, move(batch, GPU))
    loss.total_B.sum().backward()
    assert far(loss.total_B.detach(), truth.total_B.detach()) < 1e-4 and loss.count_B.tolist() == truth.count_B.tolist()
    assert max(far(p.grad, gradients[name]) for name, p in m.named_parameters() if p.grad is not None) < 1e-3


@torch.inference_mode()
def test_answers_by_graphs_are_those_of_the_processor_whoever_comes_and_goes():
    m = small()
    asked = [prompt([rendered(question("text", n), answer=False)], "decoder") for n in range(6)]
    ways = [Sampling(max_tokens=4 + 7 * n) for n in range(6)]
    stop = tokenizer().stop_id
    truth = [[int(id) for id in generate(m, one, way, stop)] for one, way in zip(asked, ways, strict=True)]
    running = Running(m.to(GPU), tokenizer(), rows=3, capacity=200)
    for key, (one, way) in enumerate(zip(asked, ways, strict=True)):
        running.add(key, Asked(move(one, GPU), way))
    told, ends = dict.fromkeys(range(6), ""), {}
    while not running.idle:
        for one in running.turn():
            told[one.key] += one.text
            ends[one.key] = one.completion_tokens
    said = [ids[: ids.index(stop)] if stop in ids else ids for ids in truth]
    assert running.graphed.captured and [told[n] for n in range(6)] == [tokenizer().decode(ids).rstrip("\ufffd") for ids in said]


def test_a_recipe_trains_and_answers_on_the_gpu(tmp_path, capsys):
    folder = own.lay(tmp_path / "own")
    assert own.duomo(folder, "train", "own.yaml", "data.clean.repair=false") == 0
    assert own.duomo(folder, "ask", "runs/own", "what comes after 3?") == 0
    assert own.duomo(folder, "evaluate", "runs/own") == 0
    assert "step 40/40" in capsys.readouterr().err
