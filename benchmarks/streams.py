"""Streams, measured: tokens a second of many requests at once against one, and how long a newcomer waits for its first token.

    python benchmarks/streams.py [smollm2] [--threads 2] [--streams 16] [--tokens 128] [--arrivals 40]

MODEL is a run or a fetched name. The same requests are answered one after the other and all at once, by one queue; each text must be
the same. Then newcomers arrive one by one, at an idle queue and beside three answers that go on for ever, in turns, with a short
prompt and a long one; the longest silence of the three is how long a newcomer's prompt stalls them. Writes runs/streams/report.json.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from duomo.cli.serving import wait_briefly
from duomo.commands.engines import placed
from duomo.commands.models import open_model
from duomo.generate import Sampling, Speaker
from duomo.report import Report, save
from duomo.sample import Sample, ask
from duomo.serve.queue import Piece, Queue, Request

OUT = Path("runs/streams")
SUBJECTS = (
    "the sea", "a clock", "winter", "a bridge", "bread", "the moon", "a library", "an island", "trains", "a garden", "glass", "maps",
    "a violin", "rivers", "paper", "lighthouses",
)  # fmt: skip
BESIDE = 3
CLOCKS = ("second", "processor second")  # the latter counts every thread, and not the waiting of a machine that others use
DRAWS = 2000


def story(number: int) -> Sample:
    """A question whose answer is long."""
    return ask(f"Write a long story about {SUBJECTS[number % len(SUBJECTS)]}, with at least {20 + number // len(SUBJECTS)} sentences.")


def newcomer(number: int, words: int) -> Sample:
    """A question after a text of so many words, of which no two are alike."""
    chance = random.Random(number)
    told = " ".join(f"{chance.choice(SUBJECTS)} {chance.randrange(1000)}" for _ in range(words // 2))
    return ask(f"{told} What is {chance.choice(SUBJECTS)}?")


async def heard(queue: Queue, request: Request) -> tuple[str, Piece]:
    """The text of an answer, and its last piece."""
    text = ""
    async for piece in queue.stream(request):
        text, last = text + piece.text, piece
    return text, last


async def throughput(queue: Queue, streams: int, tokens: int) -> dict[str, Any]:
    """The same answers one after the other and all at once."""
    requests = [Request(story(number), Sampling(max_tokens=tokens)) for number in range(streams)]
    began = _clocks()
    alone = [await heard(queue, request) for request in requests]
    middle = _clocks()
    together = await asyncio.gather(*(heard(queue, request) for request in requests))
    ways = {"one after the other": middle - began, "all at once": _clocks() - middle}
    said = sum(last.completion_tokens for _, last in alone)
    found: dict[str, Any] = {"streams": streams, "tokens": said}
    found["equal to it alone"] = sum(a == b for (a, _), (b, _) in zip(alone, together, strict=True))
    for clock, name in enumerate(CLOCKS):
        seconds = {way: float(spent[clock]) for way, spent in ways.items()}
        found[f"{name}s"], found[f"tokens per {name}"] = _rounded(seconds), _rounded({way: said / spent for way, spent in seconds.items()})
        found[f"times as many per {name}"] = round(seconds["one after the other"] / seconds["all at once"], 2)
    return found


def _clocks() -> np.ndarray:
    return np.array([time.monotonic(), time.process_time()])


async def first_token(queue: Queue, sample: Sample) -> np.ndarray:
    """How long the first piece of text took by each clock; then the client goes."""
    began = _clocks()
    async with aclosing(queue.stream(Request(sample, Sampling(max_tokens=8)))) as stream:
        async for piece in stream:
            if piece.text or piece.finish:
                break
    return _clocks() - began


async def talk(queue: Queue, number: int, silences: list[float]) -> None:
    """Answers one question after the other for ever, and notes how long nothing was said within an answer."""
    while True:
        last = None
        async for _ in queue.stream(Request(story(number), Sampling(max_tokens=256))):
            now = time.monotonic()
            silences += [] if last is None else [now - last]
            last = now


async def settled(queue: Queue, running: int) -> None:
    """Waits until so many rows run and none waits."""
    while queue.gauges["running"] != running or queue.gauges["waiting"]:
        await asyncio.sleep(0.002)


async def arrivals(queue: Queue, count: int, words: int) -> dict[str, Any]:
    """First tokens of newcomers, alone and beside others in turns of five, at moments that are drawn."""
    chance, alone, beside, silences = random.Random(0), list[np.ndarray](), list[np.ndarray](), list[float]()
    for turn in range(0, count, 5):
        numbers = range(turn, min(turn + 5, count))
        for number in numbers:
            await settled(queue, 0)
            alone.append(await first_token(queue, newcomer(number, words)))
        talkers = [asyncio.ensure_future(talk(queue, number, silences)) for number in range(BESIDE)]
        for number in numbers:
            await settled(queue, BESIDE)
            await asyncio.sleep(chance.uniform(0.05, 0.4))
            beside.append(await first_token(queue, newcomer(number, words)))
        for talker in talkers:
            talker.cancel()
        await asyncio.gather(*talkers, return_exceptions=True)
    found: dict[str, Any] = {"prompt tokens": queue.speaker.length(newcomer(0, words)), "arrivals": count}
    for name, one, other in zip(CLOCKS, np.array(alone).T, np.array(beside).T, strict=True):
        found[f"{name}s"] = {"alone": _spread(one), f"beside {BESIDE}": _spread(other), "p95 against p95": _ratio(other, one)}
    return found | {f"silence of the {BESIDE}": _spread(silences)}


def _spread(seconds: Sequence[float] | np.ndarray) -> dict[str, float]:
    p50, p95, most = np.percentile(seconds, [50, 95, 100]).tolist()
    return _rounded({"p50": p50, "p95": p95, "most": most})


def _ratio(beside: np.ndarray, alone: np.ndarray) -> dict[str, float]:
    """p95 over p95, with the 95 % interval of a bootstrap over arrivals (they are pairs: the same newcomer in both)."""
    both_2N = np.array([beside, alone])
    draws = np.random.default_rng(0).integers(0, both_2N.shape[1], (DRAWS, both_2N.shape[1]))
    top_2D = np.percentile(both_2N[:, draws], 95, axis=2)
    low, high = np.percentile(top_2D[0] / top_2D[1], [2.5, 97.5])
    value = np.percentile(both_2N[0], 95) / np.percentile(both_2N[1], 95)
    return _rounded({"value": float(value), "low": float(low), "high": float(high)})


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in values.items()}


async def measure(queue: Queue, options: argparse.Namespace) -> dict[str, Any]:
    """All figures, after one answer that warms everything."""
    await heard(queue, Request(story(0), Sampling(max_tokens=4)))
    found = {"throughput": await throughput(queue, options.streams, options.tokens)}
    for words in options.words if options.arrivals else ():
        found[f"first token, prompts of {words} words"] = await arrivals(queue, options.arrivals, words)
    await queue.drain(0)
    return found


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="smollm2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--arrivals", type=int, default=40, help="newcomers of each kind; 0: none")
    parser.add_argument("--words", type=int, nargs="*", default=[4, 400], help="of newcomers' prompts")
    parser.add_argument("--chunk", type=int, default=0)
    options = parser.parse_args()
    if "GOMP_SPINCOUNT" not in os.environ:  # threads wait as those of `duomo serve` do, which torch asks about when it is imported
        wait_briefly()
        os.execv(sys.executable, sys.orig_argv)
    torch.set_num_threads(options.threads)
    run = placed(open_model(options.model))
    queue = Queue(Speaker(run.model, run.tokenizer), rows=options.streams, chunk=options.chunk)
    facts = {"model": Path(options.model).name, "torch": torch.__version__, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    facts |= {"threads": options.threads, "chunk": options.chunk, **asyncio.run(measure(queue, options))}
    OUT.mkdir(parents=True, exist_ok=True)
    save(Report("streams", facts=facts), OUT / "report.json")
    print(json.dumps(facts, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
