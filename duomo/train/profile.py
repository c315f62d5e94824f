"""Profile: where the time of a few steps goes, as a trace for Chrome or Perfetto and as one page; then training goes on."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from duomo.batch import Batch
from duomo.objectives.loss import Loss, Objective
from duomo.train.loop import Backward
from duomo.train.step import Step

WARM, WATCHED = 5, 5  # steps before, and steps that are watched
TRACE, PAGE = "trace.json", "profile.txt"
TOP = 12  # kernels on the page
WAIT, FORWARD, PASSES, UPDATE, LOG = "data wait", "forward", "passes", "optimizer", "logging, validation, checkpoints"
REST = "clipping, rates, all else"


@dataclass(frozen=True)
class Speed:
    """Of the steps that nobody watched: seconds and tokens a step, FLOPs that a step is worth, and the most that the machine does."""

    seconds: float
    tokens: float
    flops: float
    peak: float


class Profile:
    """Watches steps `warm + 1` to `warm + watched` of a run into its folder; before and after it costs next to nothing.

    `watch` what the loop is given: the steps, the objective, the backward pass, the optimizer and the model's parts. Ranges are timed by
    the clock on the wall; on an accelerator each waits for the work that was begun in it.
    """

    def __init__(self, folder: Path, steps: int, device: torch.device):
        self.folder, self.device = folder, device
        self.warm = min(WARM, max(steps // 4, 1))
        self.watched = max(1, min(WATCHED, steps - self.warm))
        self.done, self.page = 0, list[str]()
        self._spent: dict[str, float] = {}
        self._parts, self._hooks, self._open = list[str](), list[Any](), dict[str, Any]()
        self._profiler: Any = None
        self._began, self._unwatched = 0.0, list[Step]()
        self._flops = 0.0

    @property
    def on(self) -> bool:
        """Whether it watches now."""
        return self._profiler is not None

    def steps(self, steps: Iterator[Sequence[Batch]]) -> Iterator[Sequence[Batch]]:
        """The same steps; the wait for each is timed."""
        while True:
            with self.range(WAIT):
                found = next(steps, None)
            if found is None:
                return
            yield found

    def objective(self, objective: Objective) -> Objective:
        """The same objective, its forward pass timed."""

        def watched(model: Any, batch: Batch) -> Loss:
            with self.range(FORWARD):
                return objective(model, batch)

        return watched

    def backward(self, backward: Backward) -> Backward:
        """The same passes, timed as a whole."""

        def watched(model: nn.Module, batches: Sequence[Batch], objective: Objective) -> Loss:
            with self.range(PASSES):
                return backward(model, batches, objective)

        return watched

    def watch(self, parts: Mapping[str, nn.Module], optimizer: Optimizer) -> None:
        """Times the forward pass of each part, and the optimizer's update."""
        for name, part in parts.items():
            self._parts.append(name)
            self._hooks += [part.register_forward_pre_hook(lambda *_, name=name: self._enter(name))]
            self._hooks += [part.register_forward_hook(lambda *_, name=name: self._leave(name))]
        self._hooks += [optimizer.register_step_pre_hook(lambda *_: self._enter(UPDATE))]
        self._hooks += [optimizer.register_step_post_hook(lambda *_: self._leave(UPDATE))]

    @contextmanager
    def range(self, name: str) -> Iterator[None]:
        """Times what is done inside, where it watches."""
        self._enter(name)
        try:
            yield
        finally:
            self._leave(name)

    def after(self, step: Step, flops: float, peak: float) -> None:
        """A step is over: begins to watch, or writes trace and page and is done."""
        self.done += 1
        if self.done == self.warm:
            self._unwatched.append(step)
            self._flops += flops
            self._start()
        elif self.done < self.warm and self.done > self.warm // 2:
            self._unwatched.append(step)
            self._flops += flops
        elif self.on and self.done == self.warm + self.watched:
            self._stop(peak)

    def _start(self) -> None:
        from torch.profiler import ProfilerActivity, profile

        kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (self.device.type == "cuda")
        self._profiler = profile(activities=kinds)
        self._profiler.__enter__()
        self._began = self._now()

    def _stop(self, peak: float) -> None:
        wall, profiler = self._now() - self._began, self._profiler
        self._profiler = None
        for hook in self._hooks:
            hook.remove()
        profiler.__exit__(None, None, None)
        profiler.export_chrome_trace(str(self.folder / TRACE))
        count = len(self._unwatched)
        seconds, tokens = (sum(getattr(step, name) for step in self._unwatched) / count for name in ("seconds", "tokens"))
        speed = Speed(seconds, tokens, self._flops / count, peak)
        self.page = list(page(self._shares(wall), wall, self.watched, speed, kernels(profiler)))
        (self.folder / PAGE).write_text("\n".join(self.page) + "\n", encoding="utf-8")

    def _shares(self, wall: float) -> dict[str, float]:
        """Seconds by what they went to; they add up to all."""
        spent = self._spent
        parts = {f"forward: {name}": spent.get(name, 0.0) for name in self._parts if name in spent}
        forward, passes = spent.get(FORWARD, 0.0), spent.get(PASSES, 0.0)
        found = {WAIT: spent.get(WAIT, 0.0)} | parts
        found |= {"forward: head, loss, all else": forward - sum(parts.values()), "backward": passes - forward}
        found |= {UPDATE: spent.get(UPDATE, 0.0), LOG: spent.get(LOG, 0.0)}
        return found | {REST: wall - sum(found.values())}

    def _enter(self, name: str) -> None:
        if self._profiler is not None:
            mark = torch.profiler.record_function(f"duomo: {name}")
            mark.__enter__()
            self._open[name] = (mark, self._now())

    def _leave(self, name: str) -> None:
        if name in self._open:
            mark, began = self._open.pop(name)
            self._spent[name] = self._spent.get(name, 0.0) + self._now() - began
            mark.__exit__(None, None, None)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def kernels(profiler: Any) -> list[tuple[str, int, float]]:
    """(name, calls, seconds of its own) of the dearest kernels."""
    own = [event for event in profiler.key_averages() if not event.key.startswith(("duomo: ", "Optimizer.", "ProfilerStep"))]

    def seconds(event: Any) -> float:
        return max(event.self_device_time_total, 0.0) / 1e6 if any_device else event.self_cpu_time_total / 1e6

    any_device = any(event.self_device_time_total > 0 for event in own)
    return [(event.key, event.count, seconds(event)) for event in sorted(own, key=seconds, reverse=True)[:TOP]]


def page(shares: Mapping[str, float], wall: float, steps: int, speed: Speed, top: Sequence[tuple[str, int, float]]) -> Iterator[str]:
    """The page: how fast, where the time went, and the dearest kernels."""
    own = f"{speed.tokens / speed.seconds:,.0f} tokens/s, {1000 * speed.seconds:,.1f} ms a step"
    yield f"{own}, before they were watched; {1000 * wall / steps:,.1f} ms watched, logging between them included"
    used = speed.flops / speed.seconds
    yield f"utilisation {used / speed.peak:.1%}: {used / 1e9:,.1f} of {speed.peak / 1e9:,.1f} GFLOP/s that dense products reach"
    yield from ("", f"{'where the time of ' + str(steps) + ' steps goes':<44}{'ms a step':>12}{'share':>9}")
    for name, seconds in shares.items():
        yield f"{name:<44}{1000 * seconds / steps:>12,.2f}{seconds / wall:>9.1%}"
    yield from ("", f"{'kernels':<44}{'ms a step':>12}{'share':>9}{'calls a step':>14}")
    for name, calls, seconds in top:
        yield f"{name[:43]:<44}{1000 * seconds / steps:>12,.2f}{seconds / wall:>9.1%}{calls / steps:>14,.0f}"


