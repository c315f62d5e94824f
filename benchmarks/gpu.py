"""One GPU, measured: training and decoding of decoders of 124 M to 7 B beside transformers and a plain compiled loop.

    python benchmarks/gpu.py [--only ceilings exact train decode serve] [--train small large] [--decode small large huge] [--out runs/gpu]

Needs torch with CUDA and Triton, and transformers; fetches nothing: weights and tokens are random, the same for all. First it is shown
that all compute the same; then every one trains and writes with what it has that is fast. Writes OUT/report.json.
Utilisation = (6 · matmul parameters + 12 · layers · dim · tokens) per token, over the dense peak of the data sheet.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peers_gpu as peers
import torch
from rows.peers import words
from torch import Tensor

from duomo.batch import Batch, Layout, Stream, move
from duomo.blocks import Cache
from duomo.commands.train import compile_blocks, precision
from duomo.data.collate import collate
from duomo.data.render import Rendered
from duomo.generate import Sampling, Speaker
from duomo.generate.graphed import Graphed
from duomo.model import Model, Unfilled
from duomo.objectives.cross_entropy import cross_entropy
from duomo.recipe import BlockRecipe, ModelRecipe, TrainRecipe
from duomo.report import Report, save
from duomo.serve.queue import Queue, Request
from duomo.train.loop import loop
from duomo.train.optimizer import optimizer

PEAK = 989e12  # dense bfloat16 FLOP/s of an H100 SXM and an H200 (NVIDIA's data sheets)
DEVICE = torch.device("cuda")


def shape(vocab: int, depth: int, positions: int, dim: int, heads: int, ff_dim: int, tied: bool = True) -> ModelRecipe:
    """A Llama-shaped decoder."""
    block = BlockRecipe(dim=dim, heads=heads, ff_dim=ff_dim)
    return ModelRecipe(vocab_size=vocab, decoder_depth=depth, max_positions=positions, tied=tied, block=block)


SMALL = shape(50_304, 12, 1024, 768, 12, 2048)
LARGE = shape(50_304, 16, 2048, 2048, 16, 5632)
HUGE = shape(32_000, 32, 2048, 4096, 32, 11_008, tied=False)
SHAPES = {"small": (SMALL, 64), "large": (LARGE, 8), "huge": (HUGE, 0)}  # and rows of a training step


def matmul_parameters(recipe: ModelRecipe) -> int:
    """Weights that a token is multiplied with: of the blocks and of the head."""
    block = recipe.block
    return recipe.decoder_depth * (4 * block.dim**2 + 3 * block.dim * block.ff_width) + recipe.vocab_size * block.dim


def flops_a_token(recipe: ModelRecipe, length: int) -> float:
    """Of training, forward and backward."""
    return 6 * matmul_parameters(recipe) + 12 * recipe.decoder_depth * recipe.block.dim * length


def batch_of(ids_BT: Tensor, layout: Layout | None = None) -> Batch:
    """The next token of each but the last."""
    at_BT = torch.arange(ids_BT.shape[1] - 1, device=ids_BT.device).expand(len(ids_BT), -1)
    target = Stream(ids_BT[:, :-1], at_BT, torch.ones_like(at_BT), at_BT, layout=layout or Layout("causal"))
    return Batch(None, target, ids_BT[:, 1:])


def tokens_like(recipe: ModelRecipe, rows: int, length: int, seed: int = 0) -> Tensor:
    """(rows, length): random ids."""
    random = torch.Generator().manual_seed(seed)
    return torch.randint(recipe.vocab_size, (rows, length), generator=random).to(DEVICE)


def made(recipe: ModelRecipe, dtype: torch.dtype = torch.float32) -> Model:
    """A model with weights that make logits differ by about 1, on the GPU."""
    torch.manual_seed(0)
    with torch.device(DEVICE), Unfilled():
        model = Model(recipe, {}).to(dtype)
    for p in model.parameters():
        flat = p.ndim < 2
        torch.nn.init.normal_(p, 1.0 if flat else 0.0, 0.1 if flat else p.shape[-1] ** -0.5)
    return model


def far(found: Tensor, truth: Tensor) -> float:
    """‖found − truth‖ / ‖truth‖."""
    return float((found.double() - truth).norm() / truth.norm())


def exact() -> dict[str, float]:
    """How far everything fast is from float64 through the oracle mask, and from transformers in float32."""
    recipe = shape(1024, 2, 256, 256, 4, 512)
    model, ids = made(recipe), tokens_like(recipe, 4, 129)
    truth, plain = made(recipe).double(), batch_of(ids)
    assert plain.target is not None
    want = truth.logits(truth.decode(plain.target, dense=True))
    cross_entropy(truth, plain).total_B.sum().backward()
    own = model.logits(model.decode(plain.target, dense=True)).double()
    found = {"transformers, float32": far(peers.llama(model)(ids[:, :-1]).logits, own)}
    compile_blocks(model)
    with precision("bf16", DEVICE):
        found["training, bfloat16, compiled"] = far(model.logits(model.hidden(plain)), want)
        loss = cross_entropy(model, plain)
    loss.total_B.sum().backward()
    found["loss"] = abs(loss.mean / cross_entropy(truth, plain).mean - 1)
    gradients = [(p.grad.flatten(), q.grad.flatten()) for p, q in zip(model.parameters(), truth.parameters(), strict=True)]
    found["gradient, bfloat16"] = far(torch.cat([p for p, _ in gradients]), torch.cat([q for _, q in gradients]))
    found["packed documents, bfloat16"] = packed(recipe, model, truth)
    found["decoding, bfloat16, graphs"] = decoded(recipe, truth)
    return found


def packed(recipe: ModelRecipe, model: Model, truth: Model) -> float:
    """Documents of 40 to 88 tokens in a row, against the oracle mask."""
    rows = [[Rendered(list(range(size)), [True] * size) for size in (41, 89, 60)], [Rendered(list(range(99)), [True] * 99)]]
    batch: Batch = move(collate(rows, "decoder"), DEVICE)
    assert batch.target is not None
    real = batch.target.segment_BT != 0
    with precision("bf16", DEVICE):
        found = model.logits(model.decode(batch.target))
    return far(found[real], truth.logits(truth.decode(batch.target, dense=True))[real])


@torch.inference_mode()
def decoded(recipe: ModelRecipe, truth: Model) -> float:
    """Tokens one by one after a prompt, against all of them at once."""
    model, ids = made(recipe, torch.bfloat16), tokens_like(recipe, 3, 60)
    want = truth.logits(truth.decode(batch_of(ids).target, dense=True))  # type: ignore[arg-type]
    cache = Cache(3, 300, DEVICE)
    model.decode(batch_of(ids[:, :41]).target, cache=cache)  # type: ignore[arg-type]
    step = Graphed(model, cache)
    got = [step(ids[:, at : at + 1], at + 1).clone() for at in range(40, 59)]
    return far(torch.stack(got, 1), want[:, 40:])


def ceilings() -> dict[str, float]:
    """What the card can do in this run: bfloat16 products of random numbers, and bytes read."""
    a, b = (torch.randn(8192, 8192, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    wide = torch.randn(2**30, device=DEVICE, dtype=torch.float32)
    other = torch.empty_like(wide)
    product, copy, read = timed(lambda: a @ b), timed(lambda: other.copy_(wide)), timed(lambda: wide.sum())
    return {"product TFLOP/s": 2 * 8192**3 / product / 1e12, "copy GB/s": 8 * 2**30 / copy / 1e9, "read GB/s": 4 * 2**30 / read / 1e9}


def timed(work: Callable[[], object], times: int = 20) -> float:
    """Seconds a call, the median by device events after three more."""
    marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(times + 3)]
    for begin, end in marks:
        begin.record()
        work()
        end.record()
    torch.cuda.synchronize()
    return statistics.median(begin.elapsed_time(end) for begin, end in marks[3:]) / 1e3


def ours(recipe: ModelRecipe, ids: Tensor) -> Iterator[float]:
    """The product's own loop, objective, optimizer and compiled blocks."""
    model, train = made(recipe).train(), TrainRecipe(optimizer="adamw", lr=1e-4, weight_decay=0.1)
    compile_blocks(model)
    with precision("auto", DEVICE):
        steps = iter(lambda: [batch_of(ids)], None)
        for step in loop(model, steps, cross_entropy, optimizer(model, train), lambda number: 1.0):
            yield step.loss


def training(name: str, steps: int) -> dict[str, Any]:
    """Tokens a second and utilisation of everyone at one shape, each alone on the card."""
    recipe, rows = SHAPES[name]
    ids, length = tokens_like(recipe, rows, recipe.max_positions + 1), recipe.max_positions
    runs = {
        "duomo": lambda: ours(recipe, ids),
        "transformers eager": lambda: peers.transformers_steps(made(recipe), ids, compiled=False),
        "transformers compiled": lambda: peers.transformers_steps(made(recipe), ids, compiled=True),
        "plain compiled loop": lambda: peers.plain_steps(made(recipe), ids),
    }
    found: dict[str, Any] = {}
    for who, begin in runs.items():
        free()
        try:
            found[who] = measured(begin(), steps, rows * length, flops_a_token(recipe, length))
        except Exception as error:  # a peer that does not run here is shown as such
            found[who] = {"failed": f"{type(error).__name__}: {str(error)[:200]}"}
        print(f"train {name:6} {who:24}", found[who], flush=True)
    return found


def measured(steps: Iterator[float], count: int, tokens: int, flops: float) -> dict[str, float]:
    """One who trains: the loss of the first step, and the median second of those after the first five."""
    began, seconds, losses = time.perf_counter(), [], []
    for loss in steps:
        torch.cuda.synchronize()
        losses.append(loss)
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        if len(seconds) == count + 5:
            break
    steps.close()  # type: ignore[attr-defined]
    step = statistics.median(seconds[5:])
    return {
        "first loss": losses[0],
        "tokens/s": tokens / step,
        "utilisation": tokens / step * flops / PEAK,
        "step ms": 1e3 * step,
        "spread ms": 1e3 * (max(seconds[5:]) - min(seconds[5:])),
        "first step s": seconds[0],
        "peak GiB": torch.cuda.max_memory_allocated() / 2**30,
    }


def decoding(name: str, rows: int, prompt: int, new: int, read: float, beside: bool) -> dict[str, Any]:
    """Greedy tokens a second of bfloat16 weights, and the share of the measured reading speed that their bytes make."""
    recipe, _ = SHAPES[name]
    free()
    model = made(recipe, torch.bfloat16).eval()
    ids = tokens_like(recipe, rows, prompt)
    said, seconds, ready = written(model, ids, new)
    weights = 2 * matmul_parameters(recipe)
    kept = 2 * 2 * recipe.decoder_depth * recipe.block.dim * rows * (prompt + new / 2)
    found: dict[str, Any] = {"tokens/s": rows / seconds, "of read": (weights + kept) / seconds / read, "ready s": ready}
    if beside:
        other, other_seconds = peers.transformers_written(peers.llama(model), ids, new // 4)
        alike = (said[:, : new // 4] == other).long().cumprod(1).sum(1).float().mean()
        found |= {"transformers tokens/s": rows / other_seconds, "ratio": other_seconds / seconds, "first tokens alike": float(alike)}
    print(f"decode {name:6} rows {rows:3}", found, flush=True)
    return found


@torch.inference_mode()
def written(model: Model, ids_RT: Tensor, new: int) -> tuple[Tensor, float, float]:
    """Greedy tokens, (R, N); seconds a step, looked at when all are said; and seconds until the first one was ready."""
    rows, length = ids_RT.shape
    cache, at_RT = Cache(rows, length + new, DEVICE), torch.arange(length, device=DEVICE).expand(rows, -1)
    began = time.perf_counter()
    hidden = model.decode(Stream(ids_RT, at_RT, torch.ones_like(at_RT), at_RT), cache=cache)
    step, next_R = Graphed(model, cache), model.logits(hidden[:, -1]).argmax(-1)
    step(next_R[:, None], length + new)
    cache.length_B.fill_(length)
    torch.cuda.synchronize()
    ready, said = time.perf_counter() - began, [next_R]
    began = time.perf_counter()
    for _ in range(1, new):
        said.append(step(said[-1][:, None], length + new).argmax(-1))
    torch.cuda.synchronize()
    return torch.stack(said, 1), (time.perf_counter() - began) / (new - 1), ready


def serving(name: str, new: int, streams: tuple[int, ...] = (1, 16, 64)) -> dict[int, dict[str, float]]:
    """Tokens a second of the server's queue, of so many requests at once, and how many of sixteen say what they say alone."""
    recipe, _ = SHAPES[name]
    free()
    speaker = Speaker(made(recipe, torch.bfloat16).eval(), words(recipe.vocab_size))  # whose texts tell ids apart
    queue = Queue(speaker, rows=max(streams), tokens=max(streams) * 512)
    prompts = [tuple(tokens_like(recipe, 1, 128, seed)[0].tolist()) for seed in range(max(streams))]

    async def answered(ids: tuple[int, ...]) -> tuple[str, int, float]:
        """What was said, how many tokens, and the seconds until the first."""
        began, first, said = time.perf_counter(), 0.0, ""
        async for piece in queue.stream(Request(ids=ids, sampling=Sampling(max_tokens=new))):
            first, said, last = first or time.perf_counter() - began, said + piece.text, piece
        return said, last.completion_tokens, first

    async def measure() -> dict[int, dict[str, float]]:
        alone, found = [(await answered(ids))[0] for ids in prompts[:16]], dict[int, dict[str, float]]()
        for count in streams:
            for _ in range(2):  # in the first its graphs are recorded
                began = time.perf_counter()
                told = await asyncio.gather(*(answered(ids) for ids in prompts[:count]))
                seconds = time.perf_counter() - began
            equal = sum(said == before for (said, _, _), before in zip(told, alone, strict=False)) / min(count, 16)
            first = statistics.median(waited for _, _, waited in told)
            found[count] = {"tokens/s": sum(tokens for _, tokens, _ in told) / seconds, "first token s": first, "equal to it alone": equal}
            print(f"serve {name:6} streams {count:3}", found[count], flush=True)
        await queue.drain(0)
        return found

    return asyncio.run(measure())


def free() -> None:
    """Gives back what the one before held."""
    torch.compiler.reset()  # a user's process holds one shape; here the third would be refused its own compiled form
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def main() -> None:
    """Measures what is asked for, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=["ceilings", "exact", "train", "decode", "serve"], help="some of the parts")
    parser.add_argument("--train", nargs="*", default=["small", "large"], choices=SHAPES, help="shapes to train")
    parser.add_argument("--decode", nargs="*", default=["small", "large", "huge"], choices=SHAPES, help="shapes to write with")
    parser.add_argument("--serve", nargs="*", default=["small", "large"], choices=SHAPES, help="shapes to serve")
    parser.add_argument("--steps", type=int, default=15, help="steps that are timed")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="where report.json goes")
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("torch sees no CUDA GPU here; run it where `python -c 'import torch; print(torch.cuda.is_available())'` says True")
    facts: dict[str, Any] = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "ceilings": ceilings()}
    print(json.dumps(facts), flush=True)
    if "exact" in chosen.only:
        facts["exact"] = exact()
        print(json.dumps(facts["exact"], indent=1), flush=True)
    if "train" in chosen.only:
        facts["train"] = {name: training(name, chosen.steps) for name in chosen.train}
    if "decode" in chosen.only:
        read = 1e9 * max(facts["ceilings"]["read GB/s"], facts["ceilings"]["copy GB/s"])
        for name in chosen.decode:
            facts[f"decode {name}"] = {rows: decoding(name, rows, 128, 256, read, beside=True) for rows in (1, 16)}
    if "serve" in chosen.only:
        facts |= {f"serve {name}": serving(name, 128) for name in chosen.serve}
    chosen.out.mkdir(parents=True, exist_ok=True)
    save(Report("one GPU", facts=facts), chosen.out / "report.json")


if __name__ == "__main__":
    main()
