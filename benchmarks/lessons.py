"""What all parts of the history share: their recipes, how a model learns, and how it is measured."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import past
import probes
import torch

from duomo import recipe as recipes
from duomo.batch import Batch
from duomo.commands.asked import Asked
from duomo.commands.evaluate import Answering
from duomo.commands.ready import Ready
from duomo.commands.show import ticking
from duomo.data.load import single
from duomo.data.store import Store
from duomo.evaluate.run import Answerer, Setting, evaluate, pick
from duomo.generate import Speaker
from duomo.model import Model
from duomo.objectives.cross_entropy import cross_entropy
from duomo.recipe import Recipe
from duomo.report import ReportRow
from duomo.sample import Sample
from duomo.tasks.task import Answer, Task
from duomo.train.loop import loop
from duomo.train.optimizer import optimizer, schedule
from duomo.train.validate import validate

CACHE, SEED = Path("cache"), 0
WORDS = ("好", "差")
BLOCK = {"dim": 128, "heads": 4, "qk_norm": True}
TRAIN = {"rows": 2, "optimizer": "muon", "lr": 3e-3, "muon_lr": 0.03, "schedule": "wsd", "decay_share": 0.5, "warmup": 20}
DATA = {"workers": 0, "max_tokens": 256, "row_tokens": 1024}

# All learn at the rates above, those of the demo's recipe, or so many times as fast where that was seen to be needed: --rates shows more.
RATES: Mapping[tuple[str, str], float] = {("recall", "LSTM"): 2.0}

LANGUAGE: dict[str, Any] = {
    "model": {"shape": "decoder", "vocab_size": 4096, "decoder_depth": 4, "max_positions": 512, "block": BLOCK},
    "data": DATA | {"tasks": {"text": 1}, "options": {"text": {"asked": 0, "documents": 2400, "max_chars": 800}}},
    "train": TRAIN | {"steps": 160},
}
SENTIMENT: dict[str, Any] = {
    "model": {"shape": "encoder", "vocab_size": 4096, "encoder_depth": 4, "max_positions": 512, "block": BLOCK},
    "data": DATA | {"tasks": {"sentiment": 1}, "options": {"sentiment": {"words": WORDS}}},
    "train": TRAIN | {"steps": 100},
}
TUNED = SENTIMENT | {"train": TRAIN | {"steps": 100, "lr": 1e-3, "muon_lr": 0.01}}  # slower, as in recipe bert_tuned: it knows something
MASKED: dict[str, Any] = {
    "model": SENTIMENT["model"],
    "data": DATA | {"tasks": {"reviews": 1}, "options": {"reviews": {"max_chars": 240}}, "mask_words": True, "mask_share": 0.3},
    "train": TRAIN | {"steps": 200},
}
JOINT = SENTIMENT | {"data": SENTIMENT["data"] | {"label_weights": {"sentiment": 20}}}  # of 40 times as many masked words
TRANSLATION: dict[str, Any] = {
    "model": {
        "shape": "encoder_decoder", "vocab_size": 4096, "encoder_depth": 2, "decoder_depth": 2, "max_positions": 256,
        "block": BLOCK | {"dropout": 0.1},
    },
    "data": DATA | {"max_tokens": 96, "pack": False, "tasks": {"translation_en_zh": 1, "translation_zh_en": 1}},
    "train": TRAIN | {"steps": 180, "rows": 64, "micro_batches": 2},
}  # fmt: skip
READING: dict[str, Any] = {
    "model": LANGUAGE["model"],
    "data": DATA | {"tasks": {"sentiment": 1}, "options": {"sentiment": {"words": WORDS}}},
    "train": TRAIN | {"steps": 100},
}
SEEING: dict[str, Any] = {
    "model": READING["model"] | {
        "senses": {
            "image": {
                "channels": [32, 64, 96, 128], "strides": [[2, 2]] * 4, "norm": True, "outside": -1, "depth": 1,
                "block": {"dim": 128, "heads": 4, "position": "none"},
            },
        },
    },
    "data": DATA | {"tasks": {"digits": 1}, "options": {"digits": {"variants": 1, "strips": 0, "languages": ["zh"]}}},
    "train": READING["train"] | {"rows": 1},
}  # fmt: skip
RECALL: dict[str, Any] = {
    "model": {
        "shape": "decoder", "vocab_size": probes.VOCABULARY, "decoder_depth": 2, "max_positions": probes.LENGTH,
        "block": BLOCK | {"dim": 64, "heads": 2},
    },
    "train": TRAIN | {"steps": 300, "rows": 32, "lr": 1e-3, "muon_lr": 0.01},
}  # fmt: skip


@dataclass(frozen=True)
class Learned:
    """A model that has learned; seconds of the processor."""

    model: Model
    tokens: int
    seconds: float

    @property
    def facts(self) -> dict[str, float]:
        """For the report."""
        speed = round(self.tokens / self.seconds)
        all_of_it = sum(p.numel() for p in self.model.parameters())
        told = {"parameters": past.parameters(self.model), "with word vectors": all_of_it, "tokens": self.tokens}
        return told | {"seconds": round(self.seconds, 1), "tokens_per_second": speed}


@dataclass
class Heard:
    """An answerer whose first answers, those of the test, are remembered."""

    inner: Any
    first: list[Answer] = field(default_factory=list)

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> Sequence[Answer]:
        """As of the inner one."""
        return self._heard(self.inner.answer(samples, max_tokens))

    def rank(self, samples: Sequence[Sample]) -> Sequence[Answer]:
        """As of the inner one."""
        return self._heard(self.inner.rank(samples))

    def likelihood(self, samples: Sequence[Sample]) -> Sequence[Answer]:
        """As of the inner one."""
        return self._heard(self.inner.likelihood(samples))

    def _heard(self, said: Sequence[Answer]) -> Sequence[Answer]:
        self.first = self.first or list(said)
        return said


@dataclass(frozen=True)
class Exam:
    """A task with the samples that are asked, and what the baselines say to them, computed once."""

    task: Task
    test: list[Sample]

    def of(self, name: str, answerer: Answerer, about: str = "") -> tuple[ReportRow, list[Answer]]:
        """The row of one model, and its answers."""
        heard = Heard(answerer)
        found = evaluate(self.task, heard, Store(CACHE), Setting("test", len(self.test), 1000, SEED)).rows[0]
        return replace(found, task=f"{self.task.name}: {name}", about=about or found.about), heard.first


def exam(name: str, ready: Ready, recipe: Recipe, samples: int) -> Exam:
    """The first samples of the split that the models did not learn from; the same for all recipes that prepared the same."""
    return _exam(name, json.dumps(recipe.data.options.get(name, {})), ready.prepared.folder / name, samples)


@cache
def _exam(name: str, options: str, folder: Path, samples: int) -> Exam:
    return fixed(Asked(name, json.loads(options), CACHE, folder).task(), samples)


def fixed(task: Task, samples: int) -> Exam:
    """What is asked, in the order in which `evaluate` will ask it, so that what the baselines say fits."""
    store, setting = Store(CACHE), Setting("test", samples, 1000, SEED)
    chosen, train = pick(task, store, setting), list(task.samples("train", store))
    task = replace(task, samples=lambda split, store: chosen if split == "test" else [])
    test = pick(task, store, setting)
    said = task.baselines(train, test, store)
    return Exam(replace(task, baselines=lambda *of: said), test)


def recipe_of(name: str, tree: Mapping[str, Any], scale: float, **changes: Any) -> Recipe:
    """A part's recipe; `scale` times its steps; changes are of `train`."""
    train = tree["train"] | {"steps": max(1, round(scale * tree["train"]["steps"]))} | changes
    return recipes.parse({**tree, "name": f"history-{name}", "seed": SEED, "train": train}, "history.py")


def rated(recipe: Recipe, kind: str, factor: float | None = None) -> Recipe:
    """The recipe with the rate of learning that suits this kind, or `factor` times the recipe's own."""
    factor = RATES.get((recipe.name.removeprefix("history-"), kind), 1.0) if factor is None else factor
    train = recipe.train.model_copy(update={"lr": factor * recipe.train.lr, "muon_lr": factor * recipe.train.muon_lr})
    return recipe.model_copy(update={"train": train})


def learn(
    kind: str, recipe: Recipe, steps: Iterable[Sequence[Batch]], start: Model | None = None, placeholder: Mapping[str, int] | None = None
) -> Learned:
    """A model of this kind after these steps, from nothing or from another's weights."""
    model, rate = past.build(kind, recipe.model, placeholder or {}, recipe.seed).train(), partial(schedule, recipe.train)
    if start is not None:
        model.load_state_dict(start.state_dict())
    tokens, began = 0, time.process_time()
    with ticking(f"{recipe.name.removeprefix('history-')}: {kind}", recipe.train.steps) as tick:
        for step in loop(model, steps, cross_entropy, optimizer(model, recipe.train), rate, clip=recipe.train.clip):
            tokens += step.tokens
            tick("loss in thousandths", round(1000 * step.loss))
    return Learned(model.eval(), tokens, time.process_time() - began)


def from_data(kind: str, recipe: Recipe, ready: Ready, start: Model | None = None) -> Learned:
    """The same from prepared data, at the rate that suits."""
    steps = ready.loader.steps(0, recipe.train.steps, 0)
    return learn(kind, rated(recipe, kind), steps, start, ready.tokenizer.placeholders(recipe.model.senses))


def answering(learned: Learned, ready: Ready) -> Answering:
    """As what is measured."""
    return Answering(Speaker(learned.model, ready.tokenizer, CACHE))


def held_out(learned: Learned, ready: Ready, recipe: Recipe, most: int = 256) -> float:
    """Loss in nats per target on the first samples of valid."""
    placeholder = ready.tokenizer.placeholders(recipe.model.senses)
    masker = ready.loader.mask(0) if ready.loader.mask else None
    batches = [
        single([[shards[i]] for i in range(at, min(at + 32, most, len(shards)))], recipe.model.shape, placeholder, masker)
        for shards in ready.valid.values()
        for at in range(0, min(most, len(shards)), 32)
    ]
    return validate(learned.model, {"valid": batches}, cross_entropy, torch.device("cpu"))["valid"]


def kinds(recipe: Recipe) -> tuple[str, ...]:
    """All networks of a shape, the oldest first."""
    return (*past.KINDS[recipe.model.shape], past.TRANSFORMER)
