"""Translation of short general sentences between English and Chinese, both ways over one split."""

from collections.abc import Sequence
from random import Random

from duomo.sample import Sample
from duomo.tasks import bitext
from duomo.tasks.baselines import swapped
from duomo.tasks.bitext import OTHER, Held
from duomo.tasks.split import origin_group
from duomo.tasks.task import Ablation, Store, Task

SOURCE = "hsk"
VALID, TEST = 100, 400


def translation_en_zh(memory: int = 0) -> Task:
    """English to Chinese; each question shows the `memory` training pairs that are most like it."""
    return _translation("zh", memory)


def translation_zh_en(memory: int = 0) -> Task:
    """Chinese to English."""
    return _translation("en", memory)


def pairs(store: Store) -> Held:
    """The pairs of each split."""
    return bitext.held(map(bitext.pair, store.open(SOURCE)), VALID, TEST)


def ablations(memory: int) -> tuple[Ablation, ...]:
    """What is left of a model that was taught with pairs in its questions, once they are taken away."""
    return (Ablation("without its memory", _forgotten),) if memory else ()


def _translation(target: str, memory: int) -> Task:
    shown, source = bitext.checked(memory), OTHER[target]
    return Task(
        name=f"translation_{source}_{target}",
        samples=lambda split, store: bitext.samples(split, pairs(store), target, shown),
        score=lambda sample, answer: bitext.score(sample, answer, target),
        metrics=bitext.metrics(target),
        baselines=lambda train, test, store: bitext.baselines(train, test, target, "nearest training sentence"),
        control=swapped,
        ablations=ablations(shown),
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=40,
        about=f"overlap of letters with one human translation of short {source} sentences, 0 to 100; usable drafts start near 50",
    )


def _forgotten(test: Sequence[Sample], random: Random) -> list[Sample]:
    return list(map(bitext.forgotten, test))
