"""Cost as work grows: time and memory against tokens, parameters, rows, samples and requests, on one thread.

    python benchmarks/growth.py [--only tokens samples …] [--most 1000000] [--docs]

Seconds are those on the processor, the least of three times; memory is what the process grew by. Each series runs in a process of its
own, from small to large. Of every series a slope is fitted through the logarithms of its larger half: 1 is linear, and its 95 % interval is
that of the fit. Nothing but attention itself may be worse than linear: what is surely above 1.1 is told, and the end is 1.
Samples are synthetic: made-up words. Writes runs/growth/report.json and a chart of each part; with --docs the charts go into docs/ too.
"""

import argparse
import asyncio
import json
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from duomo import recipe as recipes
from duomo.commands.curves import GRID, INK, MAIN, figure, standing
from duomo.data.collate import collate
from duomo.data.render import Rendered
from duomo.model import Model
from duomo.objectives import cross_entropy
from duomo.recipe import BlockRecipe, ModelRecipe, TrainRecipe
from duomo.report import Report, load, save
from duomo.tokenizer import Tokenizer
from duomo.train.loop import loop
from duomo.train.optimizer import optimizer

OUT, DOCS = Path("runs/growth"), Path("docs")
TOLERATED = 1.1  # of a slope's lower bound
TIMES = 3
TOKENS = tuple(2**power for power in range(8, 15))
STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31)  # 97.5 % of t with 1, 2, … degrees of freedom
WORDS = ("the cat sat on the mat", "I love to read books", "我喜欢看书", "床前明月光", "what is it?", "forty-two")


@dataclass(frozen=True)
class Series:
    """What one step costs at each size. `attention`: it holds attention over all that grows, which is allowed its square."""

    name: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    memory: tuple[float, ...] = ()
    attention: bool = False


def small(dim: int = 64, depth: int = 2, vocab: int = 512, positions: int = 2**15) -> ModelRecipe:
    """A decoder."""
    return ModelRecipe(vocab_size=vocab, decoder_depth=depth, max_positions=positions, block=BlockRecipe(dim=dim, heads=dim // 32))


def document(tokens: int) -> Rendered:
    """So many tokens, all of them learned."""
    return Rendered([number % 500 for number in range(tokens)], [True] * tokens, turn=1)


def training(recipe: ModelRecipe, rows: Sequence[Sequence[Rendered]]) -> Callable[[], object]:
    """One optimizer step of these rows, again and again."""
    torch.manual_seed(0)
    model, batch = Model(recipe, {}).train(), collate([list(row) for row in rows], "decoder")
    solver = optimizer(model, TrainRecipe(optimizer="adamw"))
    steps = loop(model, iter(lambda: [batch], None), cross_entropy, solver, lambda step: 1.0)
    return lambda: next(steps)


def series(name: str, sizes: Sequence[int], make: Callable[[int], Callable[[], object]], attention: bool = False) -> Series:
    """Measures one step at every size, from small to large; the first time of each does not count."""
    seconds, memory = list[float](), list[float]()
    make(sizes[0])()  # libraries are there
    base = resident()
    for size in sizes:
        work = make(size)
        work()
        seconds.append(min(clocked(work) for _ in range(TIMES)))
        memory.append(max(peak() - base, 2**20))
        del work
    return Series(name, tuple(sizes), tuple(seconds), tuple(memory), attention)


def documents() -> Series:
    """A row of ever more documents."""
    return series("training, documents of 256 tokens", TOKENS, lambda n: training(small(), [[document(257)] * (n // 256)]))


def one_document() -> Series:
    """A row of one document, whose tokens all see those before."""
    return series("training, one document", TOKENS[:-1], lambda n: training(small(), [[document(n + 1)]]), attention=True)


def attending(length: int) -> Callable[[], object]:
    """Attention forward and backward over so many tokens."""
    q = torch.randn(1, 2, length, 32, requires_grad=True)
    return lambda: F.scaled_dot_product_attention(q, q, q, is_causal=True).sum().backward()


def encoding(length: int) -> Callable[[], object]:
    """A text of about so many tokens, encoded and decoded."""
    tokenizer = learned()
    text = " ".join(random.Random(0).choices(WORDS, k=length // 6))
    return lambda: tokenizer.decode(tokenizer.encode(text))


def telling(length: int) -> Callable[[], object]:
    """An answer of so many tokens that is told as it grows."""
    from duomo.generate.answers import Telling

    tokenizer = learned()
    one = tokenizer.encode(" ".join(WORDS))
    ids = (one * (length // len(one) + 1))[:length]

    def told() -> None:
        answer = Telling(tokenizer, ("###",))
        for id in ids:
            answer.add(id)

    return told


def learned() -> Tokenizer:
    """A small byte-level tokenizer."""
    return Tokenizer.learn(WORDS * 4, 512)


def parameters() -> Series:
    """A larger model, the same tokens."""
    dims = (64, 128, 192, 256, 384, 512)
    counts = [sum(p.numel() for p in Model(small(dim, 4), {}).parameters()) for dim in dims]
    found = series("training, 512 tokens", dims, lambda dim: training(small(dim, 4), [[document(257)], [document(257)]]))
    return Series(found.name, tuple(counts), found.seconds, found.memory)


def rows() -> Series:
    """More rows in a step."""
    sizes = [2**power for power in range(7)]
    return series("training, rows of 256 tokens", sizes, lambda n: training(small(), [[document(257)]] * n))


def samples(most: int) -> Series:
    """More records through all of `duomo prepare`: read, cleaned, split, tokenised, written, and the first step planned."""
    sizes = [n for n in (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000) if n <= most]
    found = list[dict[str, float]]()
    for size in sizes:
        found.append(json.loads(_run("--prepare", str(size))))
        print(size, found[-1], file=sys.stderr, flush=True)
    seconds, memory = (tuple(one[key] for one in found) for key in ("seconds", "memory"))
    return Series("synthetic records prepared", tuple(sizes), seconds, memory)


def prepared(count: int) -> dict[str, float]:
    """What preparing so many synthetic records takes, and the most memory that the process had in all."""
    from duomo.commands.ready import get_ready

    draw, words = random.Random(0), [f"w{number:x}" for number in range(5000)]
    folder = Path(tempfile.mkdtemp())
    try:
        with (folder / "own.csv").open("w", encoding="utf-8") as file:
            file.write("question,answer\n")
            for number in range(count):
                asked, said = (" ".join(draw.choices(words, k=k)) for k in (8, 10))
                file.write(f"what is {asked} {number}?,{said} {number}\n")
        data = {"max_tokens": 128, "row_tokens": 256, "cache": str(folder / "cache"), "files": [{"path": str(folder / "own.csv")}]}
        model = {"decoder_depth": 1, "vocab_size": 512, "block": {"dim": 32, "heads": 2}}
        recipe = recipes.parse({"name": "own", "model": model, "data": data}, "growth")
        began = time.process_time()
        get_ready(recipe, 1).loader.step(0)
        return {"seconds": time.process_time() - began, "memory": peak()}
    finally:
        shutil.rmtree(folder)


def requests() -> Series:
    """More clients at once at the queue of `duomo serve`; sixteen are answered side by side, the others wait."""
    from duomo.generate import Speaker
    from duomo.serve.queue import Queue

    torch.manual_seed(0)
    tokenizer = learned()
    recipe = small(vocab=tokenizer.vocab_size, positions=512)
    queue = Queue(Speaker(Model(recipe, {}).eval(), tokenizer), rows=16, waiting=256, tokens=16 * 256)
    found = series("32 tokens to each of so many", [2**n for n in range(9)], lambda count: lambda: asyncio.run(answered(queue, count)))
    asyncio.run(queue.drain(0))
    return found


async def answered(queue: Any, count: int) -> None:
    """So many clients, each to the end of its answer."""
    from duomo.generate import Sampling
    from duomo.sample import ask
    from duomo.serve.queue import Request

    async def one(number: int) -> None:
        request = Request(ask(f"{WORDS[number % len(WORDS)]} {number}"), Sampling(max_tokens=32, temperature=1.0, seed=number))
        async for _ in queue.stream(request):
            pass

    await asyncio.gather(*(one(number) for number in range(count)))


def clocked(work: Callable[[], object]) -> float:
    """Seconds on the processor, of all threads of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def peak() -> float:
    """The most bytes that this process had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def resident() -> float:
    """Bytes that it has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))


def slope(sizes: Sequence[int], costs: Sequence[float]) -> tuple[float, float, float]:
    """The slope through the logarithms of the larger half of the points (four at least), and its 95 % interval by Student's t."""
    keep = max(4, math.ceil(len(sizes) / 2) + 1)
    x, y = np.log(sizes[-keep:]), np.log(costs[-keep:])
    if len(x) < 3:
        return float("nan"), float("nan"), float("nan")
    across = x - x.mean()
    value = float((across * y).sum() / (across**2).sum())
    left = y - y.mean() - value * across
    error = math.sqrt(float((left**2).sum()) / (len(x) - 2) / float((across**2).sum()))
    wide = STUDENT[min(len(x) - 3, len(STUDENT) - 1)] * error
    return value, value - wide, value + wide


def chart(part: str, found: Sequence[Series]) -> str:
    """Time (and memory, dashed) against size, each as a multiple of its smallest; the thin line is linear."""

    def draw(axes: Any) -> None:
        styles = [(MAIN, "o", "-"), (MAIN, "s", ":"), (INK, "^", "-"), (INK, "D", ":"), (MAIN, "v", "-.")]
        low = min(one.sizes[0] for one in found)
        high = max(one.sizes[-1] for one in found)
        axes.plot([low, high], [1, high / low], color=GRID, linewidth=2, label="linear")
        for one, (colour, marker, line) in zip(found, styles, strict=False):
            grown = [second / one.seconds[0] for second in one.seconds]
            axes.plot(one.sizes, grown, color=colour, marker=marker, linestyle=line, markersize=4, label=one.name)
            if one.memory and len(found) == 1:
                axes.plot(one.sizes, [m / one.memory[0] for m in one.memory], color=INK, marker="x", linestyle="--", label="its memory")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(part)
        axes.set_title("times the smallest", loc="left", fontsize=10)
        axes.legend(frameon=False, fontsize=9, loc="upper left")

    return standing(figure([draw], (4.6, 3.8), f"growth {part}"))


def judged(part: str, found: Sequence[Series]) -> Iterator[dict[str, Any]]:
    """Each series with its slopes."""
    for one in found:
        row = {"part": part, **asdict(one), "time": slope(one.sizes, one.seconds)}
        if one.memory:
            row["room"] = slope(one.sizes, one.memory)
        yield row


def told(row: dict[str, Any]) -> str:
    """A line of the table."""
    sizes, seconds = row["sizes"], row["seconds"]
    cells = [row["part"], row["name"], f"{sizes[0]:,} to {sizes[-1]:,}", f"{seconds[0]:.3g} to {seconds[-1]:.3g}"]
    cells.append("{:.2f} [{:.2f}, {:.2f}]".format(*row["time"]) + " (attention)" * row["attention"])
    if "room" in row:
        cells.append(f"{row['memory'][0] / 2**20:.0f} to {row['memory'][-1] / 2**20:.0f}")
        cells.append("{:.2f} [{:.2f}, {:.2f}]".format(*row["room"]))
    return "| " + " | ".join(cells) + " |"


def faults(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What is surely worse than linear."""
    for row in rows:
        for key, what in (("time", "time"), ("room", "memory")):
            if key in row and row[key][1] > TOLERATED and not (row["attention"] and key == "time"):
                yield f"{row['part']}, {row['name']}: {what} grows with slope {row[key][0]:.2f}, at least {row[key][1]:.2f}"


PARTS: dict[str, tuple[Callable[[int], Series], ...]] = {
    "tokens": (
        lambda most: documents(),
        lambda most: series("a text into tokens", TOKENS, encoding),
        lambda most: series("an answer told token by token", TOKENS, telling),
        lambda most: series("attention alone", TOKENS, attending, attention=True),
        lambda most: one_document(),
    ),
    "parameters": (lambda most: parameters(),),
    "rows": (lambda most: rows(),),
    "requests": (lambda most: requests(),),
    "samples": (samples,),
}


def _run(*words: str) -> str:
    """The last line that this program prints, in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return done.stdout.splitlines()[-1]


def main() -> int:
    """Measures, draws, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--most", type=int, default=1_000_000, help="records at most")
    parser.add_argument("--docs", action="store_true", help="write the charts into docs/ too")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.prepare:
        print(json.dumps(prepared(options.prepare)))
        return 0
    if options.part:
        print(json.dumps(asdict(PARTS[options.part[0]][int(options.part[1])](options.most))))
        return 0
    return measured(options)


def measured(options: argparse.Namespace) -> int:
    """All parts, one after the other."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "report.json"
    before = load(path).facts["rows"] if path.is_file() else []
    every = [row for row in before if row["part"] not in options.only]  # what is not measured again stays
    print("| grows | step | size | seconds | slope [95 %] | memory MiB | slope [95 %] |\n|" + " --- |" * 7)
    for part in options.only:
        asked = (("--part", part, str(number), "--most", str(options.most)) for number in range(len(PARTS[part])))
        found = [Series(**json.loads(_run(*words))) for words in asked]
        for row in judged(part, found):
            every.append(row)
            print(told(row), flush=True)
        for folder in (OUT, *([DOCS] if options.docs else [])):
            (folder / f"growth_{part}.svg").write_text(chart(part, found), encoding="utf-8")
        save(Report("growth", facts={"rows": every, "load": os.getloadavg()[1], "torch": torch.__version__}), path)
    wrong = list(faults(every))
    print(*(f"worse than linear: {one}" for one in wrong), sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
