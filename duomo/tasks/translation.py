"""Translation of short sentences between English and Chinese, both ways over one split.

A pair is held out for both directions at once, with every pair that has one of its sides.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from duomo.sample import Sample, ask
from duomo.tasks.baselines import nearest, swapped
from duomo.tasks.split import deal, groups, key, origin_group
from duomo.tasks.task import Answer, Metric, Row, Split, Store, Task

SOURCE = "hsk"
VALID, TEST = 100, 400
PROMPTS = {"zh": "Translate to Chinese: ", "en": "翻译成英文："}  # by the language of the answer, in the other language
BLEU_TOKENS = {"zh": "zh", "en": "13a"}


def translation_en_zh() -> Task:
    """English to Chinese."""
    return _translation("en", "zh")


def translation_zh_en() -> Task:
    """Chinese to English."""
    return _translation("zh", "en")


def _translation(source: str, target: str) -> Task:
    prompt = PROMPTS[target]
    return Task(
        name=f"translation_{source}_{target}",
        samples=lambda split, store: _samples(split, store, source, target),
        score=lambda sample, answer: _score(sample, answer, target),
        metrics=(Metric("chrF", _figure("chrf", target)), Metric("BLEU", _figure("bleu", target))),
        baselines=lambda train, test, store: _baselines(train, test, prompt),
        control=swapped,
        sources=(SOURCE,),
        group=origin_group,
        max_tokens=40,
        about=f"overlap of letters with one human translation of short {source} sentences, 0 to 100; usable drafts start near 50",
    )


def _samples(split: Split, store: Store, source: str, target: str) -> Iterator[Sample]:
    pairs = list({(key(p["zh"]), key(p["en"])): p for p in map(_pair, store.open(SOURCE))}.values())
    names = groups((f"zh {key(pair['zh'])}", f"en {key(pair['en'])}") for pair in pairs)
    for pair, group, place in zip(pairs, names, deal(names, VALID, TEST), strict=True):
        if place == split:
            origin = replace(pair["origin"], group=group) if pair["origin"] else None
            yield ask(PROMPTS[target] + pair[source], answer=pair[target], origin=origin)


def _pair(sample: Sample) -> dict[str, Any]:
    return {"zh": sample.messages[0].text.strip(), "en": sample.answer.strip(), "origin": sample.origin}


def _score(sample: Sample, answer: Answer, target: str) -> Row:
    """Counts that add up over sentences, so that a resample of the corpus costs a sum."""
    said, true = [answer.text.strip()], [[sample.answer]]
    return {
        "chrf": tuple(_measure("chrf", target)._extract_corpus_statistics(said, true)[0]),
        "bleu": tuple(_measure("bleu", target)._extract_corpus_statistics(said, true)[0]),
    }


def _figure(name: str, target: str) -> Callable[[Sequence[Row]], float]:
    def of(rows: Sequence[Row]) -> float:
        total = [sum(column) for column in zip(*(row[name] for row in rows), strict=True)]
        return float(_measure(name, target)._compute_score_from_stats(total).score)

    return of


def _measure(name: str, target: str) -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise ValueError("translation scores need sacrebleu: pip install 'duomo[evaluate]'") from error
    return CHRF() if name == "chrf" else BLEU(tokenize=BLEU_TOKENS[target])


def _baselines(train: Sequence[Sample], test: Sequence[Sample], prompt: str) -> Mapping[str, Sequence[str]]:
    known, asked = ([s.messages[0].text.removeprefix(prompt) for s in samples] for samples in (train, test))
    return {
        "copy of the source": asked,
        "nearest training sentence": [train[i].answer for i in nearest(known, asked, "char")],
    }
