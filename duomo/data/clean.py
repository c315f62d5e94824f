"""Clean: steps Iterable[Sample] -> Iterator[Sample]. What is dropped is counted in `dropped`, by reason."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from duomo.data.content import fingerprint, whole_text
from duomo.data.known import Known
from duomo.data.language import classifier
from duomo.data.near import drop_near_duplicates
from duomo.recipe import CleanRecipe
from duomo.sample import TEXT, Message, Part, Sample

SURE_CHARS = 16  # a shorter text's language can not be told


def clean(samples: Iterable[Sample], recipe: CleanRecipe, dropped: Counter[str]) -> Iterator[Sample]:
    """All steps that the recipe asks for: repair, length, language, exact duplicates, near duplicates."""
    if recipe.repair:
        samples = repair(samples)
    samples = keep_lengths(samples, recipe.min_chars, recipe.max_chars, dropped)
    if recipe.languages:
        samples = keep_languages(samples, recipe.languages, dropped)
    if recipe.exact:
        samples = drop_duplicates(samples, dropped)
    if recipe.near is not None:
        samples = drop_near_duplicates(samples, recipe.near, dropped)
    yield from samples


def repair(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Broken encodings ("schÃ¶n"), control signs and line ends put right; composed characters (NFC).

    Curly quotes, full-width Chinese signs, ligatures and HTML entities are left alone: they are the writer's.
    """
    try:
        import ftfy
    except ImportError as error:
        raise ValueError("data.clean.repair needs ftfy; install duomo[data] or set data.clean.repair=false") from error
    config = ftfy.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_character_width=False, fix_latin_ligatures=False, explain=False
    )

    def fixed(part: Part) -> Part:
        if part.kind != TEXT or _is_plain(str(part.value)):
            return part
        return Part(TEXT, ftfy.fix_text(str(part.value), config))

    for sample in samples:
        messages = tuple(Message(m.role, tuple(map(fixed, m.parts))) for m in sample.messages)
        yield sample if messages == sample.messages else replace(sample, messages=messages)


def drop_duplicates(samples: Iterable[Sample], dropped: Counter[str]) -> Iterator[Sample]:
    """The first of those whose content is the same after normalisation (`content.fingerprint`)."""
    known = Known()
    for sample in samples:
        if known.add(fingerprint(sample)):
            yield sample
        else:
            dropped["duplicate"] += 1


def keep_lengths(samples: Iterable[Sample], low: int, high: int, dropped: Counter[str]) -> Iterator[Sample]:
    """Those whose text, white space at its ends aside, has `low` to `high` characters."""
    for sample in samples:
        length = len(whole_text(sample).strip())
        if low <= length <= high:
            yield sample
        else:
            dropped["too short" if length < low else "too long"] += 1


def keep_languages(samples: Iterable[Sample], languages: Collection[str], dropped: Counter[str]) -> Iterator[Sample]:
    """Those whose messages are all in these languages (ISO 639-1); messages under 16 characters are taken as they are."""
    language = classifier("data.clean.languages")
    for sample in samples:
        texts = [m.text for m in sample.messages if len(m.text) >= SURE_CHARS]
        other = next((found for found in map(language, texts) if found not in languages), None)
        if other is None:
            yield sample
        else:
            dropped[f"language {other}"] += 1


def _is_plain(value: str) -> bool:
    """Nothing in it that repair could touch: printable ASCII, or Chinese in composed form."""
    printable = value.isprintable() or value.replace("\n", "").replace("\t", "").isprintable()
    if not printable:
        return False
    return value.isascii() or (min(map(ord, filter(lambda c: c > "\x7f", value))) > 0x2FFF and unicodedata.is_normalized("NFC", value))
