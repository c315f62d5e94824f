"""Photographs of clothes, measured on the shop's whole test split of 10,000, with a small convolutional network beside.

    python benchmarks/photos.py [MODEL] [--samples 10000]

MODEL is a run that learned the task `photos` (runs/describe if not said). Writes runs/photos/report.json.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from duomo.commands import fetch
from duomo.commands.describe import languages
from duomo.commands.evaluate import Answering
from duomo.commands.models import open_model
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.run import Setting, evaluate
from duomo.generate import Sampling, Speaker
from duomo.report import Report, save
from duomo.sample import Sample
from duomo.tasks.photos import KINDS, SOURCE, _photos, photos
from duomo.tasks.pictures import pixels

CACHE, OUT = Path("cache"), Path("runs/photos")
EPOCHS, BATCH, SEED = 8, 128, 0
NAMES = list(KINDS["en"])


def network() -> nn.Module:
    """Two convolutions and a hidden layer: 0.2 million numbers."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, len(NAMES))),
    )


def _tensor(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """(N, 1, H, W), from 0 to 1."""
    return torch.from_numpy(np.stack(pictures)[:, None]).float() / 255


def convolved(shown: Sequence[np.ndarray], labels: Sequence[int], asked: Sequence[np.ndarray]) -> list[int]:
    """The label of each asked picture by a network that learned from those shown, half of them mirrored."""
    torch.manual_seed(SEED)
    random, model = torch.Generator().manual_seed(SEED), network()
    known_N1HW, label_N = _tensor(shown), torch.tensor(labels)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    steps = EPOCHS * (len(shown) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(shown), generator=random)
        for batch in order[: len(shown) // BATCH * BATCH].split(BATCH):
            mirrored = torch.rand(BATCH, 1, 1, 1, generator=random) < 0.5
            given = torch.where(mirrored, known_N1HW[batch].flip(-1), known_N1HW[batch])
            optimizer.zero_grad()
            F.cross_entropy(model(given), label_N[batch]).backward()
            optimizer.step()
            schedule.step()
    with torch.inference_mode():
        return [int(one) for part in _tensor(asked).split(512) for one in model.eval()(part).argmax(1)]


def baseline(test: Sequence[Sample], store: Store, train: int, facts: dict[str, float]) -> list[str]:
    """What the network says to the test, in its languages; it learns from the photographs that the model may learn from."""
    learned = _photos("train", store, train, 200)
    asked = [pixels(store.bytes(str(next(sample.media()).value))) for sample in test]
    began = time.monotonic()
    said = convolved([photo.pixels_HW for photo in learned], [NAMES.index(photo.kind) for photo in learned], asked)
    facts["seconds of the small network"] = round(time.monotonic() - began, 1)
    return [KINDS["en" if sample.answer.isascii() else "zh"][NAMES[label]] for sample, label in zip(test, said, strict=True)]


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="runs/describe")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--train", type=int, default=20_000, help="photographs that the small network learns from")
    chosen = parser.parse_args()
    fetch.run([SOURCE], CACHE)
    opened, store, facts = open_model(chosen.model), Store(CACHE), dict[str, float]()
    task = photos(languages=languages(opened))
    asked = replace(
        task,
        samples=lambda split, store: () if split == "train" else task.samples(split, store),
        baselines=lambda train, test, place: {
            **task.baselines(train, test, place),
            f"small network on {chosen.train}": baseline(test, store, chosen.train, facts),
        },
    )
    speaker = Speaker(opened.model, opened.tokenizer, CACHE, Sampling())
    found = evaluate(asked, Answering(speaker), store, Setting("test", chosen.samples, 1000, SEED), lambda *step: None)
    report = Report("photos", found.rows, found.examples, facts | {"model": str(chosen.model), "seconds": found.seconds})
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"photos": report})))
    print(report.facts)


if __name__ == "__main__":
    main()
